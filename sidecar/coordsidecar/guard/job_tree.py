"""The guard's hold on the job's tree: signals to all of it, and passes until it is as it must be.

A look at /proc may fail (no descriptor is left, or no memory). Then nothing is known, least of all
that nobody is left: what can be done without looking is done, and we look again, ever slower. Who
kills and sees nothing for seconds gives up: the kernel ends the job with us, and the elector, which
has limits of its own, buries the rest; else nobody would lead for ever.
"""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Callable
from contextlib import suppress

from coordsidecar.hints import TYPE_CHECKING
from coordsidecar.linux import boottime_s, run_first
from coordsidecar.log import Log
from coordsidecar.trees import tree
from coordsidecar.trees.backoff import Backoff
from coordsidecar.trees.process import NotSeenError, is_dead

if TYPE_CHECKING:
    from coordsidecar.trees.app import App

__all__ = ["JobTree"]

_SHOUT_EVERY_S = 5.0
_KILLS_BLINDLY_AT_MOST_S = 5.0


class JobTree:
    """All that descends from the guard, but for its helpers."""

    def __init__(
        self,
        log: Log,
        *,
        helpers: Callable[[], tuple[int | None, ...]],
        tell_group: Callable[[int], None],
        app: App | None = None,
    ) -> None:
        """``helpers``: our children that are not part of the job's tree. ``tell_group``: how to
        signal those whom we need not see. ``app``: what is held once the tree is gone."""
        self.group: int | None = None
        """The job's process group; there may be others in the tree."""
        self._slow_down: Callable[[], None] | None = None
        self.begin()
        self._log = log
        self._helpers = helpers
        self._tell_group = tell_group
        self._app = app

    def begin(self) -> None:
        """Something else is to be done from now on: look again at once, and often."""
        self._hurry(over=True)
        self._backoff = Backoff()
        self._since_s = self._shouted_s = boottime_s()
        self._untold: tuple[int, ...] = ()
        self._asked = set[int]()
        self._ask_rest: tuple[int, ...] = ()
        self._dead = set[int]()
        self._was_blind = self._was_torn = False
        self._blind_since_s = math.inf

    @property
    def pause_s(self) -> float:
        """How long to wait until the next pass."""
        return self._backoff.pause_s

    @property
    def must_look_again(self) -> bool:
        """Whether the last look failed, or somebody ended meanwhile who was to be asked: then no
        signal tells when to look again."""
        return self._was_blind or self._was_torn

    def tell(self, *signals: int) -> list[int] | None:
        """Send each signal to everybody. If they cannot be seen now, to the job's group, and to
        all by the next look that succeeds. Returns whom it told; None if they cannot be seen."""
        try:
            everybody = tree.descendants(os.getpid(), leave_out=self._helpers())
        except NotSeenError as error:
            self._is_blind(error, *signals)
            self._untold = signals
            return None
        self._untold, self._was_blind = (), False
        tree.signal_all(everybody, *signals)
        return everybody

    def ask(self, *signals: int) -> list[int] | None:
        """Ask everybody to stop; as `tell`. `ask_the_rest` is for who could not be asked."""
        told = self.tell(*signals)
        if told is not None:  # Else all are told by the next look.
            self._asked, self._ask_rest = set(told), signals
        return told

    def ask_the_rest(self, *, job_lives: bool) -> None:
        """Ask whoever was forked just as the others were asked, once.

        Not while the job's main process lives: what it starts in order to stop is not to be stopped
        itself. If they cannot be seen now, the next look will; nobody is asked twice. Nor is it
        over while anybody ends as we look: he may have left a child that we have not seen.
        """
        if not self._ask_rest or job_lives:
            return
        try:
            everybody = tree.descendants(os.getpid(), leave_out=self._helpers())
            dead = {pid for pid in everybody if is_dead(pid)}
        except NotSeenError as error:
            self._is_blind(error)
            return
        tree.signal_all([pid for pid in everybody if pid not in self._asked], *self._ask_rest)
        self._asked.update(everybody)
        self._was_torn = not dead <= self._dead
        self._dead |= dead
        if self._was_torn:
            self._backoff.found("nothing")
        else:
            self._ask_rest = ()

    def tell_again(self) -> None:
        """Tell everybody what they could not be told before."""
        if self._untold:
            self.tell(*self._untold)

    def is_empty(self) -> bool:
        """Whether nobody is left."""
        return self._look(
            lambda me, helpers: not tree.below(me, leave_out=helpers) and self._app_is_held()
        )

    def kill_pass(self) -> bool:
        """SIGKILL to all there are; True if nobody is left.

        Raises `OSError` if for seconds nothing could be seen.
        """

        def kill(me: int, helpers: tuple[int | None, ...]) -> bool:
            left = tree.kill_pass(me, leave_out=helpers, groups=(self.group,))
            self._backoff.found(left)
            self._shout(left)
            # Last: as long as the hand lived, it may have let the app go on.
            return self._app_is_held() and not left

        is_empty = self._look(kill, signal.SIGKILL)
        self._hurry(over=is_empty)
        return is_empty

    def stand_by(self) -> None:
        """While nothing of ours runs: the app is held, whenever it was started, and by whomever."""
        with suppress(NotSeenError):  # Then the next look will.
            self._app_is_held(sure=False)

    def _app_is_held(self, *, sure: bool = True) -> bool:
        if self._app is None:
            return True
        is_held = self._app.hold_pass(sure=sure)
        if self._app.remark:
            self._log.once("app", self._app.remark)
        return is_held

    def freeze_pass(self) -> bool:
        """SIGSTOP to all there are; True if all are stopped."""

        def freeze(me: int, helpers: tuple[int | None, ...]) -> bool:
            frozen = tree.freeze_pass(me, leave_out=helpers)
            self._backoff.found(tree.below(me, leave_out=helpers))
            return frozen

        all_stopped = self._look(freeze, signal.SIGSTOP)
        self._hurry(over=all_stopped)
        return all_stopped

    def _hurry(self, *, over: bool) -> None:
        """One pass was not enough: they may fork as fast as they can, on the processors that we
        share with them. So until it is ``over`` we run before them."""
        if over and self._slow_down is not None:
            self._slow_down()
            self._slow_down = None
        elif not over and self._slow_down is None:
            self._slow_down = run_first()

    def _look(self, look: Callable[[int, tuple[int | None, ...]], bool], *signals: int) -> bool:
        try:
            answer = look(os.getpid(), self._helpers())
        except NotSeenError as error:
            self._is_blind(error, *signals)
            return False
        self._was_blind = False
        return answer

    def _is_blind(self, error: NotSeenError, *signals: int) -> None:
        """Say so once, and reach at least those whom we need not see."""
        if not self._was_blind:
            self._log.event("blind", f"cannot look for the job's processes: {error}; trying again")
            self._blind_since_s = boottime_s()
        self._was_blind = True
        self._backoff.found("nothing")
        for signum in signals:
            self._tell_group(signum)
        blind_s = boottime_s() - self._blind_since_s
        if signal.SIGKILL in signals and blind_s > _KILLS_BLINDLY_AT_MOST_S:
            raise error.refused

    def _shout(self, left: list[int]) -> None:
        """A tree that survives SIGKILL (state D) keeps leadership with us: say so (rule S4)."""
        now_s = boottime_s()
        if left and now_s - self._shouted_s >= _SHOUT_EVERY_S:
            self._shouted_s = now_s
            self._log.event(
                "unkillable",
                "processes survive SIGKILL (uninterruptible I/O?); leadership is not released "
                "while they live",
                pids=left[:20],
                since_s=now_s - self._since_s,
            )
