"""Starting the job: what must happen between fork and exec, and in which order."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from collections.abc import Iterator, Mapping, Sequence

from coordsidecar.linux import die_with_parent
from coordsidecar.value import Value

__all__ = [
    "Dispositions",
    "NotStartedError",
    "all_signals_blocked",
    "assert_executable",
    "detach",
    "spawn",
]

_OOM_SCORE_RAISE = 100


class NotStartedError(Exception):
    """The command could not be executed. 127: not found; 126: found, but not executable."""

    def __init__(self, exit_code: int, reason: str) -> None:
        super().__init__(reason)
        self.exit_code = exit_code


def assert_executable(program: str) -> None:
    """Raise `NotStartedError` if ``program`` cannot be run: better now than at a takeover."""
    paths = [program]
    if "/" not in program:
        paths = [os.path.join(folder, program) for folder in os.get_exec_path()]
    found = [path for path in paths if os.path.exists(path)]
    if not found:
        raise NotStartedError(127, f"cannot run {program!r}: there is no such program")
    if not any(os.access(path, os.X_OK) and not os.path.isdir(path) for path in found):
        raise NotStartedError(126, f"cannot run {program!r}: {found[0]} is not executable")


class Dispositions(Value):
    """How the shell that started us had set the signals; the job gets them just so."""

    ignored: frozenset[int]
    blocked: frozenset[int]

    @classmethod
    def inherited(cls) -> Dispositions:
        """To be read before any handler is installed; unblocks all signals for ourselves.

        The guard lives by signals: with SIGCHLD blocked it would never see its job end.
        """
        pythons_own = {signal.SIGPIPE, signal.SIGXFSZ}  # Ignored by the interpreter, not the shell.
        ignored = {s for s in signal.valid_signals() if signal.getsignal(s) == signal.SIG_IGN}
        blocked = signal.pthread_sigmask(signal.SIG_SETMASK, ())
        return cls(frozenset(map(int, ignored - pythons_own)), frozenset(map(int, blocked)))

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


def spawn(
    command: Sequence[str],
    *,
    environ: Mapping[str, str],
    dispositions: Dispositions,
    keep_fds: Sequence[int],
    terminal_fd: int | None,
) -> int:
    """Fork and execute ``command`` in a process group of its own; return its pid.

    The kernel kills it when this thread ends. ``keep_fds`` stay open in it; ``terminal_fd`` is
    handed over to its group. Raises `NotStartedError`.
    """
    guard = os.getpid()
    report_fd, failure_fd = os.pipe()  # Both close on exec: nothing to read means that it worked.
    with all_signals_blocked():
        pid = os.fork()
        if pid == 0:
            try:
                _become(command, environ, dispositions, keep_fds, terminal_fd, guard)
            except OSError as error:
                os.write(failure_fd, f"{error.errno} {error.strerror}".encode())
            finally:
                os._exit(127)
    os.close(failure_fd)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.setpgid(pid, pid)  # The child does it too: whichever is first.
    with open(report_fd, "rb") as report:
        failure = report.read().decode()
    if failure:
        os.waitpid(pid, 0)
        number, _, text = failure.partition(" ")
        code = 127 if int(number) in (errno.ENOENT, errno.ENOTDIR) else 126
        raise NotStartedError(code, f"cannot run {command[0]!r}: {text}")
    return pid


def _become(
    command: Sequence[str],
    environ: Mapping[str, str],
    dispositions: Dispositions,
    keep_fds: Sequence[int],
    terminal_fd: int | None,
    guard: int,
) -> None:
    """In the child, with every signal blocked."""
    os.setpgid(0, 0)
    if terminal_fd is not None:
        os.tcsetpgrp(terminal_fd, os.getpid())
    die_with_parent(signal.SIGKILL)
    if os.getppid() != guard:
        os._exit(128 + signal.SIGKILL)  # The guard died before we asked to die with it.
    _be_first_out_of_memory()
    for fd in keep_fds:
        os.set_inheritable(fd, True)
    dispositions.restore()
    os.execvpe(command[0], list(command), dict(environ))


def _be_first_out_of_memory() -> None:
    """If memory runs out, the job shall go before its guard: that is a clean failure."""
    # Some containers have no such file; the job runs without.
    with contextlib.suppress(OSError):
        fd = os.open("/proc/self/oom_score_adj", os.O_RDWR)
        score = int(os.read(fd, 16))
        os.pwrite(fd, str(min(score + _OOM_SCORE_RAISE, 1000)).encode(), 0)
        os.close(fd)
