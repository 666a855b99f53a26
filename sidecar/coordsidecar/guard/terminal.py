"""The terminal, if we have one: the job gets it while it runs, the shell gets its prompt back."""

from __future__ import annotations

import contextlib
import os
import signal

__all__ = ["Terminal"]


class Terminal:
    """Ours to hand on if standard input is a terminal and we are its foreground group.

    In the background the job starts without it. If it stops for want of it, so do we; then the
    shell knows, and `fg` hands it on.
    """

    def __init__(self) -> None:
        self._fd = 0
        self._given = False
        self._shared = False

    @property
    def takes_keys_for_job(self) -> bool:
        """Whether Ctrl-C is sent to the job, and so not to us."""
        return self._given

    @property
    def given(self) -> bool:
        """Whether a shell that has this terminal must know when the job stops."""
        return self._shared and self._is_controlling()

    def give(self, job_group: int) -> None:
        """Hand it to the job that starts or goes on, if the shell put us in the foreground.

        The job may ask for it later anyhow.
        """
        self._shared = True
        if self._is_foreground(os.getpgrp()):
            with contextlib.suppress(OSError):  # It has just been closed, or the job has ended.
                os.tcsetpgrp(self._fd, job_group)
                self._given = True

    def take(self) -> None:
        """Take it back from a job that ended or stopped; whether that stops is our doing now."""
        if self._given and os.isatty(self._fd):
            # If the terminal has gone, there is nothing to take back.
            with contextlib.suppress(OSError):
                os.tcsetpgrp(self._fd, os.getpgrp())
        self._given = self._shared = False

    def stop_with_group(self) -> None:
        """Stop as Ctrl-Z would have stopped us; returns when somebody continues us."""
        if not self._is_controlling():
            os.kill(os.getpid(), signal.SIGSTOP)
        elif not _is_orphaned(os.getpgrp()):
            os.killpg(os.getpgrp(), signal.SIGSTOP)

    def _is_foreground(self, group: int) -> bool:
        return self._foreground() == group

    def _is_controlling(self) -> bool:
        return self._foreground() is not None

    def _foreground(self) -> int | None:
        try:
            return os.tcgetpgrp(self._fd)
        except OSError:
            return None  # No terminal, or one that is not our controlling one.


def _is_orphaned(group: int) -> bool:
    """Whether no shell is there that could continue our group, as under `docker run -it`.

    There the kernel ignores Ctrl-Z, and so must we: we would stop for ever.
    """
    pid = os.getppid()
    try:
        while pid and os.getpgid(pid) == group:
            with open(f"/proc/{pid}/stat", "rb") as file:
                pid = int(file.read().rpartition(b")")[2].split()[1])
        return pid == 0 or os.getsid(pid) != os.getsid(0)
    except (FileNotFoundError, ProcessLookupError):
        return True
