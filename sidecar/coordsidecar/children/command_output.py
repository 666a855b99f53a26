"""What a command of the user's prints, line by line, and no more of it than anybody would read.

Part of `one_command`; it must never wait for a command to print, or to be read.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from contextlib import suppress

from coordsidecar.linux import boottime_s
from coordsidecar.refusals import asking_for

__all__ = ["CommandOutput"]

_LINE_BYTES_MAX = 500
_LINES_A_SECOND = 20
_READ_BYTES = 65536
# Who floods us is read slowly: then it waits, and we leave the processor to others.
_PAUSE_S = 0.02


class CommandOutput:
    """A pipe: one end is the command's standard output and error, we read the other."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """``say`` gets each line, cut to size, and not all of a flood. Raises `OSError`."""
        with asking_for("pipe"):
            self.fd, self._theirs = os.pipe()
        os.set_blocking(self.fd, False)
        self.dropped = 0
        """How many lines were not said."""
        self.muted_until_s = -math.inf
        self._tell = say
        self._rest = b""
        self._rest_is_cut = False
        self._second_s, self._lines = -math.inf, 0
        self._at_end = False

    @property
    def may_be_read(self) -> bool:
        return not self._at_end and boottime_s() >= self.muted_until_s

    def become_ours(self) -> None:
        """In the command's process, before its exec."""
        os.dup2(self._theirs, 1)
        os.dup2(self._theirs, 2)

    def is_theirs(self) -> None:
        """The command has its end."""
        os.close(self._theirs)
        self._theirs = -1

    def read(self) -> None:
        """Say what there is, a bounded part of it at a time."""
        try:
            data = os.read(self.fd, _READ_BYTES)
        except BlockingIOError:
            return
        if not data:
            self._at_end, self.muted_until_s = True, math.inf
            return
        *whole, rest = (self._rest + data).split(b"\n")
        for at, line in enumerate(whole):
            self._say(line, is_rest=at == 0 and self._rest_is_cut)
        if whole:
            self._rest_is_cut = False
        self._rest = rest
        if len(rest) > _LINE_BYTES_MAX:  # One that has no end is said once, and not kept.
            self._say(rest, is_rest=self._rest_is_cut)
            self._rest, self._rest_is_cut = b"", True
        if self._lines > _LINES_A_SECOND:
            self.muted_until_s = boottime_s() + _PAUSE_S

    def _say(self, line: bytes, *, is_rest: bool) -> None:
        if is_rest:
            return  # Its beginning has been said.
        now_s = boottime_s()
        if now_s >= self._second_s + 1.0:
            self._second_s, self._lines = now_s, 0
        self._lines += 1
        if self._lines > _LINES_A_SECOND:
            self.dropped += 1
            return
        text = line[:_LINE_BYTES_MAX].decode(errors="backslashreplace")
        self._tell(text + ("..." if len(line) > _LINE_BYTES_MAX else ""))

    def close(self) -> None:
        """The last line may lack its end."""
        if self._rest and not self._rest_is_cut:
            self._say(self._rest, is_rest=False)
        for fd in (self.fd, self._theirs):
            if fd >= 0:
                with suppress(OSError):
                    os.close(fd)
