"""The guard's handle on the process that is to become the job, and why it could not."""

from __future__ import annotations

import contextlib
import errno
import marshal
import os
import signal
import socket
from collections.abc import Callable, Mapping, Sequence

from coordsidecar.children.forking import Dispositions, all_signals_blocked
from coordsidecar.children.job_to_be import NotExecutedError, TooLateError, become_the_job
from coordsidecar.linux import uninterrupted
from coordsidecar.refusals import asking_for, refusal

__all__ = ["NotStartedError", "Prefork", "assert_executable"]

_MOST_FAILURE_BYTES = 4096


class NotStartedError(Exception):
    """The command could not be executed.

    127: not found; 126: found, but not executable; 125: we were refused what a start takes.
    """

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


class Prefork:
    """A process that has everything behind it but the exec, for whoever must not wait for a fork.

    To fork a Python process takes milliseconds, in which nobody leads; a standby has them to spare.
    It is in a process group of its own, and the kernel kills it when this thread ends. Raises
    `OSError` if the kernel refuses us one. If it is ``too_late`` by then, it executes nothing.
    ``instead`` of a command it may be this that it becomes.
    """

    def __init__(
        self,
        dispositions: Dispositions,
        command: Sequence[str],
        *,
        environ: Mapping[str, str],
        too_late: Callable[[], bool],
        instead: Callable[[], int] | None = None,
    ) -> None:
        guard = os.getpid()
        self._program = command[0]
        self.not_started: NotStartedError | None = None
        with asking_for("socketpair"):
            self._link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with all_signals_blocked():
            try:
                with asking_for("fork"):
                    self.pid = os.fork()
            except OSError:
                self._link.close()
                theirs.close()
                raise
            if self.pid == 0:
                try:
                    become_the_job(
                        theirs,
                        dispositions,
                        command,
                        environ,
                        guard=guard,
                        too_late=too_late,
                        instead=instead,
                    )
                except TooLateError as error:
                    theirs.send(f"125 {error}".encode())
                except NotExecutedError as error:
                    code = 127 if error.errno in (errno.ENOENT, errno.ENOTDIR) else 126
                    theirs.send(f"{code} {error.strerror}".encode())
                except Exception as error:  # noqa: BLE001  # Whatever it is, the guard must hear it.
                    theirs.send(f"125 {refusal(error) or repr(error)}".encode())
                finally:
                    os._exit(125)
        theirs.close()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.setpgid(self.pid, self.pid)  # The child does it too: whichever is first.

    @property
    def lives(self) -> bool:
        """Whether nobody has killed it; if somebody has, it is not reaped here."""
        with contextlib.suppress(ChildProcessError):
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        return False

    @property
    def link_fd(self) -> int | None:
        """Readable once there is something to `hear`."""
        return self._link.fileno() if self._link.fileno() >= 0 else None

    def order(self, *, late: Mapping[str, str], keep_fds: Sequence[int]) -> None:
        """Make it the command, once; what comes of that is to `hear`.

        ``late``: variables that were not known before. ``keep_fds`` are open in the command.
        """
        uninterrupted(os.kill, self.pid, signal.SIGCONT)  # Whoever stopped it meant somebody else.
        try:
            with contextlib.suppress(ConnectionError):  # It was killed.
                socket.send_fds(self._link, [marshal.dumps(dict(late))], list(keep_fds))
        except OSError as error:
            # It may be the command already, or not; that we do not know must not start it twice.
            uninterrupted(os.kill, self.pid, signal.SIGKILL)
            self._failed(f"125 {refusal(error)}")

    def hear(self) -> bool:
        """Whether it is known what came of the order: ``not_started`` says why it failed, if it
        did. Never waits: an exec may hang, as on a file system that does.

        If it was killed meanwhile, that looks as if the command had been.
        """
        if self.link_fd is None:
            return True
        try:
            said = self._link.recv(_MOST_FAILURE_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError as error:
            said = b"" if isinstance(error, ConnectionError) else f"125 {refusal(error)}".encode()
        if said:
            self._failed(said.decode(errors="backslashreplace"))
        self._link.close()  # It closes on exec: all is well.
        return True

    def _failed(self, what: str) -> None:
        code, _, text = what.partition(" ")
        self.not_started = NotStartedError(int(code), f"cannot run {self._program!r}: {text}")

    def discard(self) -> None:
        """End it unused."""
        with contextlib.suppress(ChildProcessError):  # Somebody else did, and it is reaped.
            uninterrupted(os.kill, self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        self._link.close()  # Last: while it lives, this is something to hear.
