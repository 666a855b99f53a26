"""One look at the job: each runs in a fork of its own, prints why the job is not well, and ends.

None of them minds the time: who started it does, and kills it. So a name that is not resolved, or a
server that answers a byte at a time, takes no longer than it may.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Mapping

__all__ = ["Look", "by_command", "by_http", "by_tcp"]

Look = Callable[[int], None]
"""Is given the token under which the job runs, 0 if none leads; does not return."""

_ANSWER_BYTES_MAX = 16_384
_NOT_THE_LAST = re.compile(rb"HTTP/1\.[0-9] 1[0-9]{2}(?:[ \r]|$)")
_END_OF_HEAD = re.compile(rb"\n\r?\n")


def by_command(command: str, environ: Mapping[str, str]) -> Look:
    """Exit code 0: well."""

    def look(token: int) -> None:
        words = ["/bin/sh", "-c", command]
        told = {"COORDSIDECAR_ROLE": "standby"}
        if token:
            told = {"COORDSIDECAR_ROLE": "leader", "COORDSIDECAR_TOKEN": str(token)}
        os.execve(words[0], words, {**environ, **told})

    return look


def by_http(host: str, port: int, authority: str, path: str) -> Look:
    """A status from 200 to 399: well. No redirect is followed, and no more is read than it."""
    lines = (
        f"GET {path} HTTP/1.1",
        *(f"Host: {authority}", "User-Agent: coordsidecar", "Accept: */*", "Connection: close"),
    )
    request = "\r\n".join((*lines, "", "")).encode()

    def ask(server: socket.socket) -> str:
        server.sendall(request)
        status_line = _status_line(server)
        match = re.match(rb"HTTP/1\.[0-9] ([0-9]{3})(?: |$)", status_line)
        if match is None:
            if status_line:
                return "the answer is not HTTP"
            return "the connection ended without an answer"
        if 200 <= int(match[1]) < 400:
            return ""
        return status_line.decode("latin-1")

    return _connected(host, port, ask)


def _status_line(server: socket.socket) -> bytes:
    """The last: what comes before it (103 Early Hints, say) is no answer yet."""
    answer = b""
    while len(answer) < _ANSWER_BYTES_MAX:
        line, ended, _ = answer.partition(b"\n")
        if ended and not _NOT_THE_LAST.match(line):
            break
        if ended and (head := _END_OF_HEAD.search(answer)):
            answer = answer[head.end() :]
            continue
        if not (some := server.recv(_ANSWER_BYTES_MAX)):
            break
        answer += some
    return answer.partition(b"\n")[0].strip()


def by_tcp(host: str, port: int) -> Look:
    """A connection: well."""
    return _connected(host, port, lambda _: "")


def _connected(host: str, port: int, ask: Callable[[socket.socket], str]) -> Look:
    def look(_token: int) -> None:
        try:
            # As bytes, or Python imports all that it takes to resolve names that are not ASCII.
            with socket.create_connection((host.encode(), port)) as server:  # type: ignore[arg-type]
                why = ask(server)
        except OSError as error:
            why = error.strerror or str(error)
        os.write(1, why.encode(errors="backslashreplace"))
        os._exit(1 if why else 0)

    return look
