"""The guard's hands: carry out what its core decides, and keep at what takes more than one try."""

from __future__ import annotations

import contextlib
import math
import os
import signal
from collections.abc import Iterator, Sequence
from typing import assert_never

from coordsidecar.core import messages as msg
from coordsidecar.core.guard_moves import (
    AwaitObedience,
    Continued,
    Effect,
    Event,
    Finish,
    FreezeTree,
    JobNotStarted,
    KillElector,
    KillTree,
    Report,
    ShowRole,
    SignalJob,
    StartElector,
    StartJob,
    StopTree,
    SuspendSelf,
    Tell,
    ThawTree,
    TreeEmpty,
    TreeHeld,
)
from coordsidecar.elector_process import ElectorProcess
from coordsidecar.job_env import job_environment
from coordsidecar.linux import boottime_s
from coordsidecar.log import Log
from coordsidecar.role_file import write_role
from coordsidecar.settings import Settings
from coordsidecar.spawn import Dispositions, NotStartedError, spawn
from coordsidecar.terminal import Terminal
from coordsidecar.tree import descendants, freeze_pass, kill_pass, signal_all

__all__ = ["Hands"]

_KILL_EVERY_S = 0.002
_OBEY_EVERY_S = 0.010
_SHOUT_EVERY_S = 5.0
_FREEZE_AT_MOST_S = 0.5


class Hands:
    """Everything with a side effect. `do` returns the events that an effect brings at once."""

    def __init__(
        self,
        settings: Settings,
        log: Log,
        dispositions: Dispositions,
        elector: ElectorProcess,
    ) -> None:
        self.exit_code: int | None = None
        self.job_pid: int | None = None
        self.terminal = Terminal()
        self._settings = settings
        self._log = log
        self._dispositions = dispositions
        self._elector = elector
        self._job_group = 0
        self._chore: StopTree | KillTree | FreezeTree | AwaitObedience | None = None
        self._chore_since_s = self._shouted_s = 0.0
        self._ack_path: str | None = None

    # ── what the loop asks ─────────────────────────────────────────────────────────────────────

    @property
    def wire_fd(self) -> int | None:
        return self._elector.wire_fd

    @property
    def elector_pid(self) -> int | None:
        return self._elector.pid

    @property
    def chore_every_s(self) -> float:
        """How soon `chores` wants to be called again, whatever happens."""
        match self._chore:
            case KillTree() | FreezeTree():
                return _KILL_EVERY_S
            case AwaitObedience():
                return _OBEY_EVERY_S
            case _:
                return math.inf  # A process of the tree that ends says so by SIGCHLD.

    def messages(self) -> list[msg.FromElector]:
        return self._elector.receive(self._log)

    def elector_is_gone(self) -> None:
        self._elector.is_gone()

    def job_is_gone(self) -> None:
        self.job_pid = None
        self.terminal.released()

    def chores(self) -> Iterator[Event]:
        """Keep at it: stopping, killing or freezing a tree takes as many passes as it takes."""
        guard, elector = os.getpid(), self._elector.pid
        match self._chore:
            case StopTree():
                if not descendants(guard, leave_out=elector):
                    yield self._chore_done(TreeEmpty())
            case KillTree():
                if kill_pass(guard, leave_out=elector) == 0:
                    yield self._chore_done(TreeEmpty())
                else:
                    self._shout(descendants(guard, leave_out=elector))
            case FreezeTree():
                if freeze_pass(guard, leave_out=elector):
                    yield self._chore_done(TreeHeld())
            case AwaitObedience():
                if self._ack_path is not None and os.path.exists(self._ack_path):
                    yield self._chore_done(TreeHeld())
            case None:
                pass
            case _:
                assert_never(self._chore)

    # ── what the core decides ──────────────────────────────────────────────────────────────────

    def do(self, effect: Effect) -> list[Event]:
        match effect:
            case StartJob(role, token):
                return self._start_job(role, token)
            case StopTree(signum):
                self._begin_chore(effect)
                signal_all(self._tree(), signum, signal.SIGCONT)
                return list(self.chores())
            case KillTree() | FreezeTree():
                self._begin_chore(effect)
                return list(self.chores())
            case ThawTree():
                self._chore = None
                self.terminal.give_back(self._job_group)
                signal_all(self._tree(), signal.SIGCONT)
            case SignalJob(signum):
                self._signal_job(signum)
            case AwaitObedience():
                if self._ack_path is not None:
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(self._ack_path)
                self._begin_chore(effect)
            case Tell(message):
                self._elector.tell(message)
            case StartElector(token, run_until_s):
                self._elector.start(token, run_until_s)
                self._introduce_job()
            case KillElector():
                self._elector.kill()
            case SuspendSelf():
                return self._suspend()
            case ShowRole():
                self._show_role(effect)
            case Report():
                self._report(effect)
            case Finish(exit_code):
                self._finish(exit_code)
            case _:
                assert_never(effect)
        return []

    def _start_job(self, role: str, token: int | None) -> list[Event]:
        settings = self._settings
        self._chore = None
        standby_command = role == "standby" and bool(settings.standby)
        command = settings.standby if standby_command else settings.command
        if settings.standby_timeout_s is not None and self._ack_path is None:
            import tempfile  # Late: it imports half the library.

            folder = tempfile.mkdtemp(prefix="coordsidecar-")
            self._ack_path = os.path.join(folder, "standing-by")
        environ = job_environment(
            os.environ,
            settings,
            run=self._elector.run_mark,
            role=role,
            token=token,
            ack_path=self._ack_path,
        )
        terminal_fd = self.terminal.fd
        try:
            self.job_pid = spawn(
                command,
                environ=environ,
                dispositions=self._dispositions,
                keep_fds=self._elector.session_fds,
                terminal_fd=terminal_fd,
            )
        except NotStartedError as error:
            self.terminal.take()
            return [JobNotStarted(error.exit_code, str(error))]
        self._job_group = self.job_pid
        if terminal_fd is not None:
            self.terminal.was_given()
        self._introduce_job()
        what = "started the standby command" if standby_command else "started the job"
        self._log.event(role, what, token=token, pid=self.job_pid)
        return []

    def _introduce_job(self) -> None:
        """The elector gets a pidfd of the job: should we die, it makes sure that the job does."""
        if self.job_pid is None:
            return
        pidfd = os.pidfd_open(self.job_pid)
        self._elector.tell(msg.JobIs(self.job_pid), fds=(pidfd,))
        os.close(pidfd)

    def _tree(self) -> list[int]:
        return descendants(os.getpid(), leave_out=self._elector.pid)

    def _signal_job(self, signum: int) -> None:
        if self.job_pid is None:
            return
        try:
            os.killpg(self._job_group, signum)
        except (ProcessLookupError, PermissionError) as error:
            self._log.event("signal", f"the job could not be signalled: {error}", signal=signum)

    def _begin_chore(self, chore: StopTree | KillTree | FreezeTree | AwaitObedience) -> None:
        self._chore = chore
        self._chore_since_s = self._shouted_s = boottime_s()

    def _chore_done(self, event: Event) -> Event:
        self._chore = None
        return event

    def _shout(self, pids: Sequence[int]) -> None:
        """A tree that survives SIGKILL (state D) keeps leadership with us: say so (rule S4)."""
        now_s = boottime_s()
        if now_s - self._shouted_s >= _SHOUT_EVERY_S:
            self._shouted_s = now_s
            self._log.event(
                "unkillable",
                "processes survive SIGKILL (uninterruptible I/O?); leadership is not released "
                "while they live",
                pids=pids[:20],
                since_s=now_s - self._chore_since_s,
            )

    def _suspend(self) -> list[Event]:
        """Stop ourselves as the terminal would; the tree is frozen first."""
        until_s = boottime_s() + _FREEZE_AT_MOST_S
        while isinstance(self._chore, FreezeTree) and boottime_s() < until_s:
            list(self.chores())
        self._chore = None
        self.terminal.take()
        self.terminal.stop_with_group()
        return [Continued()]

    def _show_role(self, effect: ShowRole) -> None:
        settings = self._settings
        if settings.role_file is None:
            return
        try:
            write_role(
                settings.role_file,
                role=effect.role,
                token=effect.token,
                leader=settings.id if effect.role == "leader" else effect.leader,
                election=settings.election,
                node_id=settings.id,
                run_until_boottime_s=effect.run_until_s,
            )
        except OSError as error:
            self._log.event("role-file", f"cannot write {settings.role_file}: {error.strerror}")

    def _report(self, effect: Report) -> None:
        fields = {"token": effect.token, "deadline_left_s": effect.deadline_left_s}
        known = {key: value for key, value in fields.items() if value is not None}
        self._log.event(effect.event, effect.message, **known)

    def _finish(self, exit_code: int) -> None:
        self.exit_code = exit_code
        if self._ack_path is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._ack_path)
            os.rmdir(os.path.dirname(self._ack_path))
