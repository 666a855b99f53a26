"""A terminal for tests: the keyboard and the screen of a program in a session of its own."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from tests.e2e.sidecars import MARK, marked

__all__ = ["Terminal", "terminal"]

_SESSION = Path(__file__).parent / "jobs" / "session.py"
_PATIENCE_S = 60.0


class Terminal:
    """The master side of a terminal, with ``command`` as the session's leader."""

    def __init__(self, command: Sequence[str], env: dict[str, str]) -> None:
        self._mark = uuid.uuid4().hex
        self._fd, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_SESSION), *command],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=env | {MARK: self._mark, "PS1": "", "TERM": "dumb", "HISTFILE": ""},
            start_new_session=True,
        )
        os.close(slave)
        self.screen = ""

    def type(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def wait_for(self, text: str, *, times: int = 1) -> None:
        """Wait until ``text`` has been on the screen so often since the last `clear`."""
        give_up_s = time.monotonic() + _PATIENCE_S
        while self.screen.count(text) < times:
            left_s = give_up_s - time.monotonic()
            assert left_s > 0, f"waited in vain for {text!r} on this screen:\n{self.screen}"
            self._read(left_s)

    def clear(self) -> None:
        self.screen = ""

    def everyone(self) -> list[psutil.Process]:
        """Whoever lives in the session, or comes from it."""
        return marked(self._mark)

    def foreground(self) -> int:
        """The process group that has the terminal."""
        return os.tcgetpgrp(self._fd)

    def hang_up(self) -> None:
        """Close the window."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def end(self) -> None:
        for process in self.everyone():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.kill()
        self.process.wait()
        self.hang_up()

    def _read(self, patience_s: float) -> None:
        if select.select([self._fd], [], [], patience_s)[0]:
            try:
                self.screen += os.read(self._fd, 65536).decode(errors="replace")
            except OSError as error:  # Linux says EIO when nobody has the other side open.
                raise AssertionError(f"the session is over; its screen:\n{self.screen}") from error


@contextlib.contextmanager
def terminal(*command: str, env: dict[str, str]) -> Iterator[Terminal]:
    """A terminal in which ``command`` runs; whatever it leaves is killed."""
    made = Terminal(command, env)
    try:
        yield made
    finally:
        made.end()
