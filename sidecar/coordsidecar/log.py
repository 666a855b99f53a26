"""What the sidecar tells the world while it works: one line an event, on standard error.

The guard, the elector and the job share standard error. Each line is one write of at most
``PIPE_BUF`` bytes, so that lines of different processes never mix. A reader that has stalled must
not stall the guard, which has a deadline to keep: a line that cannot be written is dropped, and the
next one says how many were.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import stat
import sys
import time
from collections.abc import Mapping

from coordsidecar.duration import format_duration
from coordsidecar.hints import IO, Literal

__all__ = ["Log", "json_safe", "one_line", "wants_colour"]

LogFormat = Literal["text", "json"]

_LONGEST_LINE = 4096  # PIPE_BUF on Linux: what a pipe takes in one piece or not at all.
_LONGEST_VALUE = 512
# A terminal has one writer at a time, and to the others, us, it is busy while the job writes.
_PATIENCE_S = 0.05
# For a reader that has stalled already.
_LITTLE_PATIENCE_S = 0.001
_HEAD = ("time", "event", "message", "election", "id")


class Log:
    """Writes events as text for people or as JSON for machines. Never raises, never blocks."""

    def __init__(
        self, *, fmt: LogFormat, election: str, node_id: str, stream: IO[str] | None = None
    ) -> None:
        """``election`` and ``node_id`` head each line. ``stream``: standard error by default."""
        self._fmt = fmt
        self._election = one_line(election)
        self._node_id = one_line(node_id)
        self._fd = _unblocking(sys.stderr if stream is None else stream)
        self._colour = wants_colour(self._fd, os.environ)
        self._dropped = 0
        self._last_words: dict[str, str] = {}

    def once(self, name: str, message: str) -> None:
        """The same, but not again until it has changed, for what is tried again and again."""
        if self._last_words.get(name) != message:
            self.event(name, message)
        self._last_words[name] = message

    def may_repeat(self, name: str) -> None:
        """What `once` said is over; should it begin anew, it is said anew."""
        self._last_words.pop(name, None)

    def event(self, name: str, message: str, /, **fields: object) -> None:
        """Write one line: what happened, a sentence about it, and facts.

        A field whose name ends in ``_s`` is a length of time in seconds, and is shown as one in
        text. In text, fields that are None are left out. Values are escaped, not trusted.
        """
        assert not fields.keys() & set(_HEAD), f"reserved field names: {sorted(fields)}"
        if self._dropped:
            fields["log_lines_dropped"] = self._dropped
        now_s = time.time()
        longest_value = _LONGEST_VALUE
        while True:
            line = self._line(now_s, name, message, fields, longest_value)
            if len(line) <= _LONGEST_LINE or longest_value <= 8:
                break
            longest_value //= 2
        patience_s = _LITTLE_PATIENCE_S if self._dropped else _PATIENCE_S
        if _write(self._fd, line[:_LONGEST_LINE], patience_s):
            self._dropped = 0
        else:
            self._dropped += 1

    def _line(
        self, now_s: float, name: str, message: str, fields: Mapping[str, object], longest: int
    ) -> bytes:
        message = _clipped(one_line(message), 2 * longest)
        if self._fmt == "json":
            record: dict[str, object] = {
                "time": _iso_time(now_s),
                "event": name,
                "message": message,
                "election": self._election,
                "id": self._node_id,
            }
            for key, value in fields.items():
                plain = value is None or isinstance(value, bool | int | float)
                record[key] = json_safe(value) if plain else _clipped(one_line(str(value)), longest)
            text = json.dumps(record, ensure_ascii=False)
        else:
            facts = "".join(
                f" {key.removesuffix('_s')}={_shown(key, value, longest)}"
                for key, value in fields.items()
                if value is not None
            )
            event = f"\x1b[1m{name}\x1b[0m" if self._colour else name
            head = f"coordsidecar {self._election}: {_clock_time(now_s)} {event}:"
            text = f"{head} {message}{facts}"
        return text.encode("utf-8", "backslashreplace") + b"\n"


def one_line(text: str) -> str:
    """Escape whatever could break a line, move a cursor, or turn text around."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def json_safe(value: object) -> object:
    """Return ``value`` as JSON can carry it: no infinities, no control characters, no objects."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return round(value, 3) if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return [json_safe(item) for item in value]
    if isinstance(value, dict):
        return {one_line(str(key)): json_safe(item) for key, item in value.items()}
    return one_line(str(value))


def _shown(key: str, value: object, longest: int) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float) and key.endswith("_s"):
        return format_duration(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    clipped = _clipped(one_line(str(value)), longest)
    # Quoted where a reader, or grep, could take a part of it for another field.
    if clipped and not any(char in ' "=' for char in clipped):
        return clipped
    return '"' + clipped.replace('"', '\\"') + '"'


def _clipped(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[:longest] + "..."


def _clock_time(now_s: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(now_s)) + f".{int(now_s * 1000) % 1000:03d}"


def _iso_time(now_s: float) -> str:
    local = time.localtime(now_s)
    zone = time.strftime("%z", local)
    return f"{time.strftime('%Y-%m-%dT', local)}{_clock_time(now_s)}{zone[:3]}:{zone[3:]}"


def wants_colour(fd: int, environ: Mapping[str, str]) -> bool:
    """Whether it is a terminal of somebody who has nothing against colours."""
    if fd < 0 or environ.get("NO_COLOR") or environ.get("TERM") == "dumb":
        return False
    return os.isatty(fd)


def _unblocking(stream: IO[str] | None) -> int:
    """Return a descriptor of ``stream`` that does not block, if there is one; -1 without a stream.

    O_NONBLOCK belongs to the open file, which the job shares, so it must not be set on it: a pipe
    or terminal is opened anew by way of /proc. A plain file does not block, and a second opening
    of it would have an offset of its own and write over the job's lines.
    """
    try:
        fd = stream.fileno() if stream is not None else -1
        mode = os.fstat(fd).st_mode
    except (OSError, ValueError):
        return -1
    if stat.S_ISFIFO(mode) or os.isatty(fd):
        try:
            flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
            return os.open(f"/proc/self/fd/{fd}", flags)
        except OSError:
            return fd
    return fd


def _write(fd: int, line: bytes, patience_s: float) -> bool:
    if fd < 0:
        return False
    give_up_s = time.monotonic() + patience_s
    try:
        poll = select.poll()
        poll.register(fd, select.POLLOUT)
        while line:
            left_ms = max(0, math.ceil((give_up_s - time.monotonic()) * 1000))
            ready = poll.poll(left_ms)
            if not ready or not ready[0][1] & select.POLLOUT:
                return False
            with contextlib.suppress(BlockingIOError):
                line = line[_write_now(fd, line) :]
            if line and not left_ms:
                return False
    except OSError:
        return False
    return True


def _write_now(fd: int, line: bytes) -> int:
    """Write what fits; `BlockingIOError` if that is nothing. Raises `OSError`.

    A socket, or a pipe of another user's, cannot be opened anew, and so blocks; and a job that
    floods it may have filled it since we looked. For a pipe with a name, before Linux 6.4 for any,
    nothing can be done.
    """
    mode = os.fstat(fd).st_mode
    if stat.S_ISSOCK(mode):
        import socket  # Late: few have one as standard error, but for the services of systemd.

        lent = socket.socket(fileno=fd)
        try:
            return lent.send(line, socket.MSG_DONTWAIT)
        finally:
            lent.detach()
    if stat.S_ISFIFO(mode) and os.get_blocking(fd):
        try:
            return os.pwritev(fd, [line], -1, os.RWF_NOWAIT)
        except (BlockingIOError, BrokenPipeError):
            raise
        except (OSError, AttributeError, NotImplementedError):
            pass  # Neither every kernel nor every libc can.
    return os.write(fd, line)
