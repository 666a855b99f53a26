"""The process ``job-to-be``: all of a start is behind it but the exec, which makes it the job."""

from __future__ import annotations

import contextlib
import errno
import marshal
import os
import signal
import socket
from collections.abc import Callable, Mapping, Sequence

from coordsidecar.children.forking import Dispositions
from coordsidecar.linux import die_with_parent, name_process

__all__ = ["NotExecutedError", "TooLateError", "become_the_job"]

_OOM_SCORE_RAISE = 100
_MOST_ORDER_BYTES = 4096
_MOST_FDS = 8
_MOST_OF_A_PATH = 256


class NotExecutedError(OSError):
    """The exec itself failed: it is the command that is missing, or cannot be run."""


class TooLateError(Exception):
    """The lead was over before the exec."""


def become_the_job(
    link: socket.socket,
    dispositions: Dispositions,
    command: Sequence[str],
    environ: Mapping[str, str],
    *,
    guard: int,
    too_late: Callable[[], bool],
    instead: Callable[[], int] | None,
) -> None:
    """In a fork, with every signal blocked: get ready, wait for the order on ``link``, exec; or do
    something else ``instead``, and exit with the code that it returns.

    The order brings the variables that were not known before, and descriptors that stay open in
    the command. Raises `NotExecutedError` if the command cannot be executed, `TooLateError` if by
    then it is ``too_late`` for that, and `OSError` for whatever the kernel refuses us before.
    """
    _get_ready(dispositions, guard, keep_fd=link.fileno())
    order, fds, flags, _ = socket.recv_fds(link, _MOST_ORDER_BYTES, _MOST_FDS)
    if not order:
        os._exit(125)  # Nobody gives one any more: we are discarded, or our guard is dead.
    if flags & socket.MSG_CTRUNC:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), "the job a share in the lock")
    for fd in fds:
        os.set_inheritable(fd, True)
    if too_late():
        # The guard was stopped between its decision and its order. As PID 1 of a container it
        # outlives what its elector does about that, and somebody else leads by now.
        raise TooLateError("the lead was over before the job could start")
    if instead is not None:
        link.close()
        os._exit(instead())
    try:
        late = marshal.loads(order)
        variables = {**environ, **late, **_sockets_are_ours(environ, guard), **_watched(late)}
        os.execvpe(command[0], list(command), variables)
    except OSError as error:
        raise NotExecutedError(error.errno, _why(command[0], error)) from error


def _why(program: str, error: OSError) -> str:
    """Of a script whose interpreter is missing the kernel says that the script is not there."""
    if error.errno == errno.ENOENT and "/" in program and os.path.exists(program):
        with contextlib.suppress(OSError), open(program, "rb") as file:
            mark, rest = file.read(2), file.readline(_MOST_OF_A_PATH).decode(errors="replace")
            if mark == b"#!":
                return f"its interpreter, {(rest.split() or ['?'])[0]}, is not there"
        return "the program that is to load it is not there"
    return str(error.strerror)


def _sockets_are_ours(environ: Mapping[str, str], guard: int) -> dict[str, str]:
    """Of systemd's socket activation: LISTEN_FDS counts only for the process of LISTEN_PID."""
    meant_for_guard = environ.get("LISTEN_PID") == str(guard)
    return {"LISTEN_PID": str(os.getpid())} if meant_for_guard else {}


def _watched(late: Mapping[str, str]) -> dict[str, str]:
    """Of our watchdog, as of systemd's: WATCHDOG_USEC counts only for the process of WATCHDOG_PID,
    and so for none that the job starts."""
    return {"WATCHDOG_PID": str(os.getpid())} if "WATCHDOG_USEC" in late else {}


def _get_ready(dispositions: Dispositions, guard: int, *, keep_fd: int) -> None:
    os.setpgid(0, 0)
    die_with_parent(signal.SIGKILL)
    if os.getppid() != guard:
        os._exit(128 + signal.SIGKILL)  # The guard died before we asked to die with it.
    name_process("job-to-be")
    _be_first_out_of_memory()
    for fd in map(int, os.listdir("/proc/self/fd")):
        # What an exec would close must not be held until then: a lock, above all.
        # Not 0 to 2: they stand for what was closed when we were started, so that no lock gets in
        # its place; an exec closes them.
        with contextlib.suppress(OSError):  # The folder itself was among them.
            if fd > 2 and fd != keep_fd and not os.get_inheritable(fd):
                os.close(fd)
    dispositions.restore()


def _be_first_out_of_memory() -> None:
    """If memory runs out, the job shall go before its guard: that is a clean failure."""
    # Some containers have no such file; the job runs without.
    with contextlib.suppress(OSError):
        fd = os.open("/proc/self/oom_score_adj", os.O_RDWR)
        score = int(os.read(fd, 16))
        os.pwrite(fd, str(min(score + _OOM_SCORE_RAISE, 1000)).encode(), 0)
        os.close(fd)
