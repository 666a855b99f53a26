"""The guard's hands: carry out what its core decides, and keep at what takes more than one try."""

from __future__ import annotations

import math
import signal
from collections.abc import Iterator

from coordsidecar.children.forking import Dispositions
from coordsidecar.core import messages as msg
from coordsidecar.core.guard.moves import (
    AbandonElector,
    AwaitObedience,
    Continued,
    Effect,
    ElectorExited,
    Event,
    Finish,
    FreezeTree,
    Heard,
    JobNotStarted,
    KillElector,
    KillTree,
    Report,
    ShowRole,
    SignalJob,
    StartElector,
    StartHook,
    StartJob,
    StopTree,
    SuspendSelf,
    Tell,
    ThawTree,
    TreeEmpty,
    TreeHeld,
)
from coordsidecar.guard.beside import Beside
from coordsidecar.guard.elector_process import ElectorProcess
from coordsidecar.guard.fuse import Fuse
from coordsidecar.guard.job import Job
from coordsidecar.guard.job_tree import JobTree
from coordsidecar.guard.prefork import NotStartedError
from coordsidecar.guard.role_file import RoleFile
from coordsidecar.hints import TYPE_CHECKING, assert_never
from coordsidecar.linux import boottime_s
from coordsidecar.log import Log
from coordsidecar.settings.settings import Settings

if TYPE_CHECKING:
    from coordsidecar.trees.app import App

__all__ = ["Hands"]

_OBEY_EVERY_S = 0.010
_HOLD_EVERY_S = 0.050
_FREEZE_AT_MOST_S = 0.5
_LISTEN_AT_MOST_S = 10.0


class Hands:
    """Everything with a side effect. `do` returns the events that an effect brings at once."""

    def __init__(
        self,
        settings: Settings,
        log: Log,
        dispositions: Dispositions,
        elector: ElectorProcess,
        fuse: Fuse,
        app: App | None,
        beside: Beside,
    ) -> None:
        self.exit_code: int | None = None
        self._settings, self._log, self._role_file = settings, log, RoleFile(settings, log)
        self._beside = beside
        self.elector, self._fuse = elector, fuse
        self._fuse.elector_is(elector.pid or 0)
        self.job = Job(
            settings, log, dispositions, fuse, app, beside.health, run_mark=elector.run_mark
        )
        self._tree = JobTree(log, helpers=self._helpers, tell_group=self.job.signal, app=app)
        self._chore: StopTree | KillTree | FreezeTree | AwaitObedience | None = None
        self._unheard: int | None = None
        self._unheard_since_s = 0.0
        self._frozen = self._to_thaw = False

    # ── what the loop asks ─────────────────────────────────────────────────────────────────────

    @property
    def fds(self) -> tuple[int | None, ...]:
        """What to wait for: the elector's words, and what comes of a start."""
        return (self.elector.wire_fd, self.job.start_fd)

    @property
    def chore_every_s(self) -> float:
        """How soon `chores` wants to be called again, whatever happens."""
        match self._chore:
            case KillTree() | FreezeTree():
                return self._tree.pause_s
            case _ if self._settings.whom is not None and (self._chore or self.job.pid is None):
                return _HOLD_EVERY_S  # No signal tells of processes that are not our children.
            case _ if self._tree.must_look_again:
                return self._tree.pause_s
            case AwaitObedience():
                return _OBEY_EVERY_S
            case _ if self._unheard is not None or self._beside.has_strays:
                return _OBEY_EVERY_S
            case _:
                return math.inf  # A process of the tree that ends says so by SIGCHLD.

    def messages(self) -> list[msg.FromElector]:
        return self.elector.receive()

    def other_is_gone(self, pid: int) -> None:
        """An orphan of the tree; or the fuse, which gets a successor."""
        self.job.child_is_gone(pid)
        self.elector.abandoned.discard(pid)
        self._fuse.was_reaped(pid)
        self._beside.was_reaped(pid, self._helpers())
        if pid == self._fuse.pid:
            self._fuse.is_gone()

    def chores(self) -> Iterator[Event]:
        """Keep at it: stopping, killing or freezing a tree takes as many passes as it takes."""
        self._wake_up()
        self.job.hear()
        self._tree.tell_again()
        self._signal_again()
        self._beside.kill_strays(self._helpers())
        match self._chore:
            case StopTree():
                self._tree.ask_the_rest(job_lives=self.job.pid is not None)
                if self._tree.is_empty():
                    yield self._chore_done(TreeEmpty())
            case KillTree():
                if self._tree.kill_pass():
                    yield self._chore_done(TreeEmpty())
            case FreezeTree():
                if self._tree.freeze_pass():
                    self._frozen = True
                    yield self._chore_done(TreeHeld())
            case AwaitObedience():
                if self.job.stands_by:
                    yield self._chore_done(TreeHeld())
            case None:
                if self.job.pid is None:
                    self._tree.stand_by()
            case _:
                assert_never(self._chore)

    # ── what the core decides ──────────────────────────────────────────────────────────────────

    def do(self, effect: Effect) -> list[Event]:
        match effect:
            case StartJob() | StartHook():
                return self._start(effect)
            case StopTree(signum):
                self._begin_chore(effect)
                told = self._tree.ask(signum, signal.SIGCONT)
                if told and self.job.pid is None:
                    self.job.says_what_is_left(told)
                return list(self.chores()) if told == [] else []
            case KillTree():
                self._begin_chore(effect)
                return list(self.chores())
            case FreezeTree():
                self.job.terminal.take()  # Ctrl-C is for us while the job cannot act on it.
                self._begin_chore(effect)
                return list(self.chores())
            case ThawTree():
                self._chore, self._frozen = None, False
                self.job.give_terminal_back()
                self._tree.begin()
                self._tree.tell(signal.SIGCONT)
            case SignalJob(signum):
                self._signal_job(signum)
            case AwaitObedience():
                self.job.ask_to_stand_by()
                self._begin_chore(effect)
            case Tell(message):
                self.elector.tell(message)
            case StartElector(token, run_until_s, floor, floor_ttl_s):
                if not self.elector.start_another(token, run_until_s, floor, floor_ttl_s):
                    return [ElectorExited()]  # The core waits before the next.
                self._fuse.elector_is(self.elector.pid or 0)
                self._introduce_job()
            case KillElector():
                self.elector.kill()
            case AbandonElector():
                return [*map(Heard, self.elector.abandon()), ElectorExited()]
            case SuspendSelf():
                return self._suspend()
            case ShowRole():
                self._show_role(effect)
            case Report():
                self._report(effect)
            case Finish(exit_code):
                self.job.tidy()
                self._fuse.tidy()
                self.elector.kill_if_mute()
                self.exit_code = exit_code
            case _:
                assert_never(effect)
        return []

    def _start(self, effect: StartJob | StartHook) -> list[Event]:
        self._chore = self._unheard = None
        self._frozen = False
        self._tree.begin()
        keep_fds = self.elector.session_fds
        try:
            if isinstance(effect, StartJob):
                self.job.start(effect.role, effect.token, keep_fds=keep_fds)
            else:
                assert self._beside.hooks is not None
                how = self._beside.hooks.in_the_jobs_place(effect.hook, effect.token)
                self.job.start_hook(effect.hook, *how, keep_fds=keep_fds)
        except NotStartedError as error:
            return [JobNotStarted(error.exit_code, str(error))]
        self._tree.group = self.job.pid
        self._introduce_job()
        return []

    def _signal_job(self, signum: int) -> None:
        """A job that has only just started must not be killed by the news that it leads."""
        self._unheard = None
        if signum == self._settings.lead_signal and self.job.would_die_of(signum):
            self._unheard, self._unheard_since_s = signum, boottime_s()
            self._log.event(
                "signal", "the job is told that it leads as soon as it listens", signal=signum
            )
        else:
            self.job.signal(signum)

    def _signal_again(self) -> None:
        patient = boottime_s() < self._unheard_since_s + _LISTEN_AT_MOST_S
        if self._unheard is not None and not (patient and self.job.would_die_of(self._unheard)):
            self.job.signal(self._unheard)
            self._unheard = None

    def _introduce_job(self) -> None:
        """Should we die, the elector makes sure that the job does."""
        if self.job.pid is not None:
            self.elector.hears_of_job(self.job.pid)

    def _helpers(self) -> tuple[int | None, ...]:
        """Our children that are not part of the job's tree."""
        ours = (self.elector.pid, self._fuse.pid, self.job.prefork_pid)
        return (*ours, *self._beside.pids, *self.elector.abandoned)

    def _begin_chore(self, chore: StopTree | KillTree | FreezeTree | AwaitObedience) -> None:
        self._chore = chore
        self._tree.begin()

    def _chore_done(self, event: Event) -> Event:
        self._chore = None
        if event == TreeEmpty():
            self._fuse.remove()
        return event

    def _suspend(self) -> list[Event]:
        """Stop ourselves as the terminal would; whatever of the tree runs is frozen first."""
        if isinstance(self._chore, FreezeTree):
            self._chore = None
        until_s = boottime_s() + _FREEZE_AT_MOST_S
        while not self._tree.freeze_pass() and boottime_s() < until_s:
            pass
        self.job.terminal.take()
        self.job.terminal.stop_with_group()
        self._to_thaw = not self._frozen
        return [Continued()]

    def _wake_up(self) -> None:
        """After a suspension, and a look at the clock: the tree goes on, if only to be stopped."""
        if self._to_thaw and not isinstance(self._chore, KillTree | FreezeTree):
            self.job.give_terminal_back()
            self._tree.tell(signal.SIGCONT)
        self._to_thaw = False

    def _show_role(self, effect: ShowRole) -> None:
        self._fuse.lasts_until(effect.run_until_s)
        if effect.leader and self.job.pid is None:
            self.job.prepare()
        self._role_file.show(effect)

    def _report(self, effect: Report) -> None:
        if effect.event == "elector-replaced" and (
            self.elector.pid is None or self.elector.failed_starts > 1
        ):
            return  # It was refused, or the last one failed as well, and that has been said.
        if effect.event == "failed":
            self._log.once(effect.event, effect.message)
            return
        fields = {"token": effect.token, "deadline_left_s": effect.deadline_left_s}
        known = {key: value for key, value in fields.items() if value is not None}
        self._log.event(effect.event, effect.message, **known)
