"""What is posted to the status server: who may, and what the body says.

A port is reached by every web page that a browser on this host, or in its network, has open. So a
request must name us as no page of another host can (DNS rebinding), must not come from a page at
all, and must bring a token. At a unix socket the file's mode says who may.
"""

from __future__ import annotations

import json
import os
import re
import socket
import stat
from email.message import Message
from typing import Any, NamedTuple, Protocol

from coordsidecar.log import Log

__all__ = ["Doorkeeper", "NotTakenError", "Post", "fields_of"]

_MOST_BYTES = 4096
_SHOWN = 100  # Of what others wrote.


class NotTakenError(Exception):
    """A request that is not carried out: the status, and a sentence."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


class Body(Protocol):
    """What is left of a request to read."""

    def read(self, most: int, /) -> bytes: ...


class Post(NamedTuple):
    """``by``: who asks, in words; ``at_port``: anybody may connect there."""

    headers: Message
    body: Body
    by: str
    at_port: bool


class Doorkeeper:
    """Says who may order."""

    def __init__(self, token_file: str | None, names: set[str], log: Log) -> None:
        """``names``: those of this host, beside addresses and ``localhost``."""
        self._token_file = token_file
        if token_file is not None:
            # Now, and not when the first asks: it loads an OpenSSL, which would hold up the loop.
            from hmac import compare_digest

            self._equal = compare_digest
        self._names = {"localhost", *(name.lower() for name in names if name)}
        self._log = log

    def admit(self, post: Post) -> None:
        """Raises `NotTakenError` if it is not allowed to order."""
        if post.headers.get_all("Origin"):
            raise NotTakenError(403, "orders are taken from no web page (Origin)")
        if not post.at_port:
            return
        self._check_host(post.headers.get_all("Host") or [])
        self._check_token(post.headers.get_all("Authorization") or [])

    def note(self, by: str, what: str) -> None:
        """An order was carried out."""
        self._log.event("ordered", f"{what}, by HTTP: {by}")

    def _check_host(self, hosts: list[str]) -> None:
        if len(hosts) != 1:
            raise NotTakenError(400, "there is to be one Host")
        host = _without_port(hosts[0].strip())
        if host is None or not (_is_address(host) or host.lower() in self._names):
            why = f"{hosts[0][:_SHOWN]!r} is not known to be this host: ask for it by its address"
            raise NotTakenError(421, why)

    def _check_token(self, given: list[str]) -> None:
        if self._token_file is None:
            why = "at a port orders are taken with a token only: start with --http-token-file FILE"
            raise NotTakenError(403, f"{why}, or with --http unix:PATH")
        token = self._token(self._token_file)
        if token is None:
            raise NotTakenError(403, "nobody may order: there is no token; the log says why")
        scheme, _, word = (given[0] if len(given) == 1 else "").partition(" ")
        said = word.strip().encode("latin-1", "replace")
        if scheme.lower() != "bearer" or not self._equal(said, token):
            raise NotTakenError(401, "the header Authorization: Bearer TOKEN is missing, or wrong")

    def _token(self, path: str) -> bytes | None:
        """As it stands in the file now; None, and a line in the log, if there is none."""
        try:
            raw, mode = _read(path)
        except OSError as error:
            self._say_once(f"{path} cannot be read: {error.strerror}")
            return None
        token = raw.strip()
        if not re.fullmatch(rb"[\x21-\x7e]+", token) or len(raw) > _MOST_BYTES:
            self._say_once(f"{path} has no token: one line of printable characters, and no space")
            return None
        if mode & 0o044:
            why = f"{path} can be read by others than its owner (mode {stat.S_IMODE(mode):o})"
            self._log.once("http-token-readable", f"{why}; chmod 600")
        self._log.may_repeat("http-token")
        return token

    def _say_once(self, why: str) -> None:
        self._log.once("http-token", f"--http-token-file: {why}; nobody may order by HTTP")


def _read(path: str) -> tuple[bytes, int]:
    """The file's content, or more than a token may have of it, and its mode. Raises `OSError`."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(0, "it is no regular file")
        return os.read(fd, _MOST_BYTES + 1), mode
    finally:
        os.close(fd)


def _without_port(host: str) -> str | None:
    found = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::[0-9]*)?", host)
    return found[1] if found else None


def _is_address(host: str) -> bool:
    bare = host.removeprefix("[").removesuffix("]")
    try:
        socket.inet_pton(socket.AF_INET6 if host != bare else socket.AF_INET, bare)
    except (OSError, ValueError):
        return False
    return True


def fields_of(post: Post) -> dict[str, Any]:
    """The JSON object in the body; empty if there is no body. Raises `NotTakenError`, and `OSError`
    if it does not come."""
    headers = post.headers
    if headers.get_all("Transfer-Encoding"):
        raise NotTakenError(411, "a body is taken with Content-Length only")
    lengths = headers.get_all("Content-Length") or ["0"]
    if len(lengths) != 1 or not re.fullmatch(r"[0-9]{1,18}", lengths[0].strip(), re.ASCII):
        raise NotTakenError(400, "Content-Length is no number")
    if (length := int(lengths[0])) > _MOST_BYTES:
        raise NotTakenError(413, f"a body may have {_MOST_BYTES} bytes")
    if length == 0:
        return {}
    kind = (headers.get_all("Content-Type") or [""])[0].partition(";")[0].strip().lower()
    if kind != "application/json":
        raise NotTakenError(415, "a body is JSON, with Content-Type: application/json")
    raw = post.body.read(length)
    if len(raw) < length:
        raise NotTakenError(400, "the body ends early")
    try:
        fields = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise NotTakenError(400, "the body is no JSON") from error
    if not isinstance(fields, dict):
        raise NotTakenError(400, "the body is no JSON object")
    return fields
