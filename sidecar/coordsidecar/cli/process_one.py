"""Process 1 of a container: it starts the guard, reaps, hands signals on, and exits as that did.

The kernel shields process 1 from signals of its own container, SIGKILL and SIGSTOP included, and
ends all others together with it. A guard in its place could not be buried if it hung; and if it
died, the elector would go with it, so that nobody gave up the lead. Hence this parent, which has
nothing to do that could go wrong, and nothing to import.
"""

from __future__ import annotations

import contextlib
import os
import signal

from coordsidecar.linux import name_process
from coordsidecar.refusals import asking_for
from coordsidecar.trees.process import NotSeenError, children

__all__ = ["stand_above"]

_SENT_BY_KERNEL = 0x80  # SI_KERNEL of sigaction(2), which Python does not name.
_LOOK_EVERY_S = 1.0
_LOOKS_UNTIL_WOKEN = 5


def stand_above() -> None:
    """As process 1: return in a fork, which is to be the guard. Process 1 itself never returns.

    Raises `OSError` if the kernel refuses the fork.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    with asking_for("fork"):
        guard = os.fork()
    if guard == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return
    name_process("process-one")
    exit_code = _serve(guard)
    _wait_for_burial()
    os._exit(exit_code)


def _serve(guard: int) -> int:
    """Until the guard has ended. Every signal is blocked, so that it waits until it is read, even
    one that the kernel would not let process 1 have."""
    while True:
        if (exit_code := _reap(guard)) is not None:
            return exit_code
        _hand_on(signal.sigwaitinfo(signal.valid_signals()), guard)


def _reap(guard: int) -> int | None:
    """Collect all that ended, orphans too; the exit code of the guard if it is among them."""
    exit_code = None
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == guard:
                code = os.waitstatus_to_exitcode(status)
                exit_code = code if code >= 0 else 128 - code
    return exit_code


def _hand_on(info: signal.struct_siginfo, guard: int) -> None:
    if info.si_signo == signal.SIGCHLD:
        return
    if info.si_code == _SENT_BY_KERNEL and info.si_signo != signal.SIGHUP:
        return  # From the terminal, to our whole group: the guard has it already.
    os.kill(guard, info.si_signo)  # Not reaped yet, so the pid is still its own.


def _wait_for_burial() -> None:
    """The elector buries a dead guard, gives up its lead, and ends; likewise the job's fuse.

    What somebody else started in this container ends with it.
    """
    looks = 0
    while _forks_of_ours():
        signal.sigtimedwait({signal.SIGCHLD}, _LOOK_EVERY_S)
        _reap(0)
        looks += 1
        if looks % _LOOKS_UNTIL_WOKEN == 0:
            os.kill(-1, signal.SIGCONT)  # Somebody may have stopped the elector, too.


def _forks_of_ours() -> list[int]:
    """Our children that never executed another program."""
    ours = _command_line(os.getpid())
    with contextlib.suppress(NotSeenError):  # Then the guard did not see its job, and refused.
        return [pid for pid in children(os.getpid()) if _command_line(pid) == ours]
    return []


def _command_line(pid: int) -> bytes:
    """Empty if it has ended."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read()
    return b""
