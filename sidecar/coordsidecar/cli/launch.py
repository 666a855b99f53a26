"""The first steps, in the order that makes a start quick: takeovers wait for it.

The elector is forked first and imports its store's client while this process, the guard, imports
its own part. Both have everything that must be set up before in common: the signals, which are
caught from here on, and the name of the run.
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Collection

import coordsidecar
from coordsidecar.children.forking import Dispositions
from coordsidecar.guard.elector_process import ElectorProcess
from coordsidecar.guard.prefork import NotStartedError, assert_executable
from coordsidecar.hints import TYPE_CHECKING, Any
from coordsidecar.linux import (
    LEAST_OPEN_FILES,
    RLIMIT_NOFILE,
    become_subreaper,
    soft_limit,
)
from coordsidecar.log import Log
from coordsidecar.refusals import ProgramChangedError, asking_for
from coordsidecar.settings.settings import Settings
from coordsidecar.signs import Signs
from coordsidecar.trees.mark import new_mark
from coordsidecar.wire import Wire

if TYPE_CHECKING:
    from coordsidecar.trees.app import App

__all__ = ["run"]

# Synchronous faults end the guard (and by PDEATHSIG the job), as they should. SIGABRT is none:
# after a handler returns, `abort` ends the process all the same. SIGPIPE is sent to whoever writes
# into a pipe that nobody reads, and SIGXFSZ to whoever writes beyond the limit of a file: that must
# not look as if somebody had meant the job.
_NOT_HANDLED = {
    *(signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE),
    *(signal.SIGILL, signal.SIGTRAP, signal.SIGSYS, signal.SIGPIPE, signal.SIGXFSZ),
}
_TERMINAL_OUTPUT = (signal.SIGTTOU, signal.SIGTTIN)


def run(settings: Settings, *, blocked: Collection[int] | None = None) -> int:
    """Run the command while this instance leads, and exit.

    ``blocked``: the signals that the job is to find blocked, if it is not those that are now.
    Raises `NotStartedError` if it cannot be run at all, and `OSError` if the kernel refuses what
    we need.
    """
    for command in (settings.command, settings.standby):
        if command and settings.whom is None:
            assert_executable(command[0])
    _assert_enough_files()
    log = Log(fmt=settings.log_format, election=settings.election.prefix, node_id=settings.id)
    run_mark = new_mark(settings.election.prefix)
    gc.freeze()  # A collection would write to every object, and so unshare what a fork shares.
    above = None
    if os.getpid() == 1:
        from coordsidecar.children.process_one import stand_above

        above = stand_above(log, run_mark=run_mark)
    dispositions = Dispositions.inherited(blocked)
    signals_fd = _catch_signals(dispositions)
    become_subreaper()
    program = _program_file()
    app = _app_of(settings)
    signs = Signs()

    def serve(wire: Wire, **inherited: Any) -> None:
        if _program_file() != program:
            why = "the program was upgraded or removed while this sidecar ran; start it again"
            raise ProgramChangedError(why)
        from coordsidecar.elector.loop import run  # In the elector alone: the guard has no network.

        run(settings, wire, run_mark=run_mark, signs=signs, app=app, **inherited)

    elector = ElectorProcess(serve, log, run_mark=run_mark)
    elector.start(None, 0.0, 0)
    for remark in settings.remarks:
        log.event("settings", remark)

    from coordsidecar.children.job_fuse import told_by_the_guard
    from coordsidecar.guard.fuse import Fuse, FuseInProcessOne
    from coordsidecar.guard.loop import Guard

    how: dict[str, Any] = {
        "run_mark": run_mark,
        "app": app,
        "guard_pidfd": elector.guard_pidfd,
        "reserve_s": settings.timing.kill_reserve_s / 2,
    }
    fuse = FuseInProcessOne(log, *above, **how) if above else Fuse(log, *told_by_the_guard(), **how)
    guard = Guard(
        settings, log, dispositions, elector, fuse, app, signals_fd=signals_fd, signs=signs
    )
    exit_code = guard.run()
    # What the interpreter would clean up takes 5 ms of a processor, just when the next one starts.
    os._exit(exit_code)


def _program_file() -> tuple[int, ...] | None:
    """What tells our program's files from those that replace them; None if they are gone.

    An elector of another version beneath a guard of this one would be a program nobody has tested.
    """
    try:
        status = os.stat(coordsidecar.__file__)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _app_of(settings: Settings) -> App | None:
    """The app that is led in place of a command; before there are two of us."""
    if settings.whom is None:
        return None
    from coordsidecar.trees.app import App

    with asking_for("mmap"):
        return App(**vars(settings.whom))


def _assert_enough_files() -> None:
    """Better now, in a sentence, than at a takeover."""
    limit = soft_limit(RLIMIT_NOFILE)
    if limit is not None and limit < LEAST_OPEN_FILES:
        why = f"this process may have {limit} files open, and needs {LEAST_OPEN_FILES}: ulimit -n"
        raise NotStartedError(125, why)


def _catch_signals(dispositions: Dispositions) -> int:
    """Turn every signal into a byte on a pipe; return the end to read."""
    with asking_for("pipe"):
        read_fd, write_fd = os.pipe()
    os.set_blocking(read_fd, False)
    os.set_blocking(write_fd, False)
    signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
    for signum in signal.valid_signals() - _NOT_HANDLED:
        if signum in _TERMINAL_OUTPUT:
            signal.signal(signum, signal.SIG_IGN)  # We hand the terminal over from the background.
        elif signum not in dispositions.ignored or signum == signal.SIGTERM:
            signal.signal(signum, _noted)
    signal.signal(signal.SIGCHLD, _noted)  # Whatever the shell said: we live by it.
    return read_fd


def _noted(signum: int, frame: object) -> None:
    """The wake-up descriptor has it."""
