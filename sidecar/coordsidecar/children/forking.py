"""What every fork of ours must do: no signal may get lost or run a handler of the guard's in it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Collection, Iterator

from coordsidecar.value import Value

__all__ = ["Dispositions", "all_signals_blocked", "close_all_but", "detach"]


class Dispositions(Value):
    """How the shell that started us had set the signals; the job gets them just so."""

    ignored: frozenset[int]
    blocked: frozenset[int]

    @classmethod
    def inherited(cls, blocked: Collection[int] | None = None) -> Dispositions:
        """To be read before any handler is installed; unblocks all signals for ourselves.

        The guard lives by signals: with SIGCHLD blocked it would never see its job end.
        ``blocked``: those that were, before we held others back.
        """
        pythons_own = {signal.SIGPIPE, signal.SIGXFSZ}  # Ignored by the interpreter, not the shell.
        ignored = {s for s in signal.valid_signals() if signal.getsignal(s) == signal.SIG_IGN}
        now = signal.pthread_sigmask(signal.SIG_SETMASK, ())
        given = now if blocked is None else blocked
        return cls(frozenset(map(int, ignored - pythons_own)), frozenset(map(int, given)))

    def restore(self) -> None:
        """In the child, with every signal blocked: undo our handlers, then the block."""
        for signum in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            ours = signal.SIG_IGN if signum in self.ignored else signal.SIG_DFL
            signal.signal(signum, ours)
        signal.pthread_sigmask(signal.SIG_SETMASK, self.blocked)


@contextlib.contextmanager
def all_signals_blocked() -> Iterator[None]:
    """Across a fork: otherwise a signal between fork and exec runs our handler and is lost."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def close_all_but(*kept: int) -> None:
    """In a fork: close what is not its business, a lock above all."""
    for fd in map(int, os.listdir("/proc/self/fd")):
        if fd > 2 and fd not in kept:
            with contextlib.suppress(OSError):  # The folder itself was among them.
                os.close(fd)


def detach() -> None:
    """In a helper of ours: its own group, deaf to what terminals and users mean for the guard."""
    os.setpgid(0, 0)
    signal.set_wakeup_fd(-1)
    for signum in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT}:
        default = signum in (
            *(signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL),
            *(signal.SIGABRT, signal.SIGTRAP, signal.SIGSYS, signal.SIGCHLD),
        )
        signal.signal(signum, signal.SIG_DFL if default else signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1):  # The job's input and output are none of its business.
        os.dup2(null, fd)
    os.close(null)
