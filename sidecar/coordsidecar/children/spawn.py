"""Starting the job: what must happen between fork and exec, and in which order."""

from __future__ import annotations

import contextlib
import errno
import marshal
import os
import signal
import socket
from collections.abc import Iterator, Mapping, Sequence

from coordsidecar.linux import die_with_parent, name_process
from coordsidecar.value import Value

__all__ = [
    "Dispositions",
    "NotStartedError",
    "Prefork",
    "all_signals_blocked",
    "assert_executable",
    "detach",
]

_OOM_SCORE_RAISE = 100
_MOST_ORDER_BYTES = 4096
_MOST_FDS = 8
_MOST_FAILURE_BYTES = 4096


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


class Prefork:
    """A process that has everything behind it but the exec, for whoever must not wait for a fork.

    To fork a Python process takes milliseconds, in which nobody leads; a standby has them to spare.
    It is in a process group of its own, and the kernel kills it when this thread ends.
    """

    def __init__(
        self, dispositions: Dispositions, command: Sequence[str], *, environ: Mapping[str, str]
    ) -> None:
        guard = os.getpid()
        self._program = command[0]
        self._link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with all_signals_blocked():
            self.pid = os.fork()
            if self.pid == 0:
                try:
                    _get_ready(dispositions, guard, keep_fd=theirs.fileno())
                    _execute_order(theirs, command, environ)
                except OSError as error:
                    theirs.send(f"{error.errno} {error.strerror}".encode())
                finally:
                    os._exit(127)
        theirs.close()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.setpgid(self.pid, self.pid)  # The child does it too: whichever is first.

    @property
    def lives(self) -> bool:
        """Whether nobody has killed it; if somebody has, it is not reaped here."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def execute(self, *, late: Mapping[str, str], keep_fds: Sequence[int]) -> None:
        """Make it the command, once. Raises `NotStartedError`.

        ``late``: variables that were not known before. ``keep_fds`` are open in the command.
        Should it be killed meanwhile, that looks as if the command had been.
        """
        os.kill(self.pid, signal.SIGCONT)  # Whoever stopped it meant somebody else.
        failure = b""
        with self._link, contextlib.suppress(ConnectionError):
            socket.send_fds(self._link, [marshal.dumps(dict(late))], list(keep_fds))
            failure = self._link.recv(_MOST_FAILURE_BYTES)  # It closes on exec: all is well.
        if failure:
            os.waitpid(self.pid, 0)
            number, _, text = failure.decode().partition(" ")
            code = 127 if int(number) in (errno.ENOENT, errno.ENOTDIR) else 126
            raise NotStartedError(code, f"cannot run {self._program!r}: {text}")

    def discard(self) -> None:
        """End it unused."""
        self._link.close()
        with contextlib.suppress(ChildProcessError):  # Somebody else did, and it is reaped.
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


def _get_ready(dispositions: Dispositions, guard: int, *, keep_fd: int) -> None:
    """In the child, with every signal blocked: all that comes before the exec."""
    os.setpgid(0, 0)
    die_with_parent(signal.SIGKILL)
    if os.getppid() != guard:
        os._exit(128 + signal.SIGKILL)  # The guard died before we asked to die with it.
    name_process("job-to-be")
    _be_first_out_of_memory()
    for fd in map(int, os.listdir("/proc/self/fd")):
        # What an exec would close must not be held until then: a lock, above all.
        with contextlib.suppress(OSError):  # The folder itself was among them.
            if fd != keep_fd and not os.get_inheritable(fd):
                os.close(fd)
    dispositions.restore()


def _execute_order(link: socket.socket, command: Sequence[str], environ: Mapping[str, str]) -> None:
    order, fds, _, _ = socket.recv_fds(link, _MOST_ORDER_BYTES, _MOST_FDS)
    for fd in fds:
        os.set_inheritable(fd, True)
    os.execvpe(command[0], list(command), {**environ, **marshal.loads(order)})


def _be_first_out_of_memory() -> None:
    """If memory runs out, the job shall go before its guard: that is a clean failure."""
    # Some containers have no such file; the job runs without.
    with contextlib.suppress(OSError):
        fd = os.open("/proc/self/oom_score_adj", os.O_RDWR)
        score = int(os.read(fd, 16))
        os.pwrite(fd, str(min(score + _OOM_SCORE_RAISE, 1000)).encode(), 0)
        os.close(fd)
