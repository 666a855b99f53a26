"""The terminal, if we have one: the job gets it while it runs, the shell gets its prompt back."""

from __future__ import annotations

import os
import signal

__all__ = ["Terminal"]


class Terminal:
    """Ours to hand on if standard input is a terminal and we are its foreground group."""

    def __init__(self) -> None:
        self._fd = 0
        self._given = False

    @property
    def fd(self) -> int | None:
        """The terminal to hand to the job now, if any."""
        return self._fd if self._is_foreground(os.getpgrp()) else None

    @property
    def given(self) -> bool:
        """Whether the job has it."""
        return self._given

    def was_given(self) -> None:
        """The job took it at its start."""
        self._given = True

    def give_back(self, job_group: int) -> None:
        """After a suspension: hand it to the job again, if the shell put us in the foreground."""
        if self._given and self._is_foreground(os.getpgrp()):
            os.tcsetpgrp(self._fd, job_group)

    def take(self) -> None:
        """Take it back from a job that ended or stopped."""
        if self._given and os.isatty(self._fd):
            try:
                os.tcsetpgrp(self._fd, os.getpgrp())
            except OSError:
                return  # The terminal has gone: there is nothing to take back.

    def released(self) -> None:
        """The job is over."""
        self.take()
        self._given = False

    def stop_with_group(self) -> None:
        """Stop as Ctrl-Z would have stopped us; returns when somebody continues us."""
        if self._given:
            os.killpg(os.getpgrp(), signal.SIGSTOP)
        else:
            os.kill(os.getpid(), signal.SIGSTOP)

    def _is_foreground(self, group: int) -> bool:
        try:
            return os.isatty(self._fd) and os.tcgetpgrp(self._fd) == group
        except OSError:
            return False  # A terminal that is not our controlling one.
