"""The job: the user's command as a process, with its environment, terminal, fuse and lock."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence

from coordsidecar.children.forking import Dispositions
from coordsidecar.duration import format_duration
from coordsidecar.guard.fuse import Fuse
from coordsidecar.guard.job_env import job_environment, token_variable
from coordsidecar.guard.prefork import NotStartedError, Prefork
from coordsidecar.guard.terminal import Terminal
from coordsidecar.hints import TYPE_CHECKING
from coordsidecar.linux import uninterrupted
from coordsidecar.log import Log
from coordsidecar.refusals import refusal
from coordsidecar.settings.settings import Settings
from coordsidecar.trees.process import GONE

if TYPE_CHECKING:
    from coordsidecar.guard.health import HealthWatch
    from coordsidecar.trees.app import App

__all__ = ["Job"]

_CARES = ("SigIgn", "SigCgt")  # It ignores the signal, or has a handler.
# Who waits for the signal has it blocked for good; a shell blocks all while it forks.
_LOOKS_UNTIL_BLOCKED = 3


class Job:
    """The main process of the tree, if there is one: the command, or the standby command."""

    def __init__(
        self,
        settings: Settings,
        log: Log,
        dispositions: Dispositions,
        fuse: Fuse,
        app: App | None,
        health: HealthWatch | None,
        *,
        run_mark: str,
    ) -> None:
        self.pid: int | None = None
        self.terminal = Terminal()
        self._settings = settings
        self._log = log
        self._dispositions = dispositions
        self._fuse, self._health = fuse, health
        self._run_mark = run_mark
        self._group = 0
        self._hand = None if app is None else _hand_of(app, settings)
        self._prefork: Prefork | None = None
        self._prefork_role = ""
        self._starting: Prefork | None = None
        self._news: tuple[str, str, int | None] = ("", "", None)
        self._ack_path: str | None = None
        self._found_blocked = 0

    @property
    def prefork_pid(self) -> int | None:
        """The process that waits to become the job; not yet part of its tree."""
        return self._prefork.pid if self._prefork else None

    def prepare(self) -> None:
        """Have everything done that can be done before a start as the leader.

        If the kernel refuses a part of it, the start will try again, and say so if need be.
        """
        with contextlib.suppress(OSError):
            self._prepare("leader")

    def _prepare(self, role: str) -> None:
        if self._prefork is not None:
            if self._prefork_role == role and self._prefork.lives:
                return
            self._prefork.discard()
            self._prefork = None
        if self._settings.standby_timeout_s is not None and self._ack_path is None:
            import tempfile  # Late: it imports half the library.

            folder = tempfile.mkdtemp(prefix="coordsidecar-")
            self._ack_path = os.path.join(folder, "standing-by")
        environ = job_environment(
            os.environ, self._settings, run=self._run_mark, role=role, ack_path=self._ack_path
        )
        self._prefork = Prefork(
            self._dispositions,
            self._command(role),
            environ=environ,
            too_late=self._fuse.has_burnt,
            instead=self._hand,
        )
        self._prefork_role = role

    def child_is_gone(self, pid: int) -> None:
        """A child was reaped: nobody may wait for it any more."""
        if pid == self.prefork_pid:
            self._prefork = None

    def start(self, role: str, token: int | None, *, keep_fds: Sequence[int]) -> None:
        """Start what ``role`` asks for. ``keep_fds`` hold a lock for as long as the job lives.

        Raises `NotStartedError` if there is no process to be had; `hear` and `is_gone` tell whether
        it became the command.
        """
        standby_command = self._command(role) is not self._settings.command
        late = token_variable(token)
        try:
            self._prepare(role)
            if self._health is not None and not standby_command:
                late |= self._health.variables()
        except OSError as error:
            program = self._command(role)[0]
            raise NotStartedError(125, f"cannot run {program!r}: {refusal(error)}") from error
        assert self._prefork is not None
        starting, self._prefork = self._prefork, None
        self._becomes(starting)
        self.terminal.give(self._group)
        if not standby_command:
            self._fuse.start(
                starting.pid
            )  # First: we and our elector may be stopped at any instant.
        starting.order(late=late, keep_fds=keep_fds)
        what = "started the standby command" if standby_command else "started the job"
        if self._hand is not None:
            what = "leads; looking for the app"
        self._news = (role, what, token)

    def start_hook(
        self,
        hook: str,
        command: Sequence[str],
        variables: Mapping[str, str],
        *,
        keep_fds: Sequence[int],
    ) -> None:
        """Start the command of a hook in the job's place; as `start`. It gets no terminal."""
        environ = job_environment(
            os.environ, self._settings, run=self._run_mark, role="", ack_path=None
        )
        try:
            starting = Prefork(
                self._dispositions,
                command,
                environ={**environ, **variables},
                too_late=self._fuse.has_burnt,
            )
        except OSError as error:
            raise NotStartedError(125, f"cannot run the hook: {refusal(error)}") from error
        self._becomes(starting)
        self._fuse.start(starting.pid)
        starting.order(late={}, keep_fds=keep_fds)
        self._news = (hook, "the hook runs in the job's place", None)

    def _becomes(self, starting: Prefork) -> None:
        """It is the main process of the tree from now on, whether it ever executes anything."""
        self._starting = starting
        self.pid = self._group = starting.pid
        self._found_blocked = 0

    @property
    def start_fd(self) -> int | None:
        """Readable once there is something to `hear` of a start."""
        return self._starting.link_fd if self._starting else None

    def hear(self) -> None:
        """Note what came of a start, once that is known."""
        if self._starting is None or not self._starting.hear():
            return
        if self._starting.not_started is None:
            role, what, token = self._news
            self._log.event(role, what, token=token, pid=self.pid)
            self._starting = None

    def _command(self, role: str) -> Sequence[str]:
        settings = self._settings
        return settings.standby if role == "standby" and settings.standby else settings.command

    def says_what_is_left(self, pids: Sequence[int]) -> None:
        """Or the log would be silent until the exit, for as long as they take."""
        self._log.event(
            "stopping",
            "waiting for what the job left; SIGKILL follows in "
            f"{format_duration(self._settings.stop_timeout_s)} at most",
            pids=list(pids[:20]),
        )

    def is_gone(self) -> NotStartedError | None:
        """It was reaped. Returns why it never became the command, if so."""
        self.hear()
        starting, self._starting = self._starting, None
        self.pid = None
        self.terminal.take()
        return starting.not_started if starting else None

    def signal(self, signum: int) -> None:
        """Hand a signal to the job's process group."""
        if self.pid is None:
            return
        try:
            uninterrupted(os.killpg, self._group, signum)
        except (ProcessLookupError, PermissionError) as error:
            self._log.event("signal", f"the job could not be signalled: {error}", signal=signum)

    def would_die_of(self, signum: int) -> bool:
        """Whether the job has not yet said what the signal is to do: it has only just started."""
        self.hear()
        if self.start_fd is not None:
            return True
        try:
            with open(f"/proc/{self.pid}/wchan", encoding="ascii", errors="replace") as file:
                if "sigtimedwait" in file.read():
                    return False  # The kernel unblocks what it waits for.
            with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as file:
                told = dict(line.split()[:2] for line in file if line.startswith(("Sig", "State")))
        except (*GONE, PermissionError):  # Nor will it be seen later.
            return False
        except OSError:
            return True  # What cannot be seen now is not known.

        def has(mask: str) -> bool:
            return bool(int(told[f"{mask}:"], 16) & 1 << (signum - 1))

        if any(map(has, _CARES)):
            return False
        if not has("SigBlk"):
            self._found_blocked = 0
        elif told["State:"] == "S":
            # It sleeps, and is content so. One that runs, or waits for its vfork, as a shell does
            # with all signals blocked, may let them in the next moment.
            self._found_blocked += 1
        return self._found_blocked < _LOOKS_UNTIL_BLOCKED

    def give_terminal_back(self) -> None:
        self.terminal.give(self._group)

    def ask_to_stand_by(self) -> None:
        """From now on `stands_by` tells whether the job has acknowledged."""
        if self._ack_path is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._ack_path)

    @property
    def stands_by(self) -> bool:
        return self._ack_path is not None and os.path.exists(self._ack_path)

    def tidy(self) -> None:
        """Leave no process behind, and no file, not even what the job put there."""
        if self._prefork is not None:
            self._prefork.discard()
        if self._ack_path is not None:
            import shutil

            shutil.rmtree(os.path.dirname(self._ack_path), ignore_errors=True)


def _hand_of(app: App, settings: Settings) -> Callable[[], int]:
    """What runs in the job's place, where an app is led that we do not start."""
    from coordsidecar.children.app_hand import AppHand

    def make_log() -> Log:
        prefix = settings.election.prefix
        return Log(fmt=settings.log_format, election=prefix, node_id=settings.id)

    return AppHand(app, make_log, stop_signal=settings.stop_signal).run
