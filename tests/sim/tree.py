"""The job's process tree: a main process and the rest, which may outlive it.

What the model knows of a process: whether it lives, whether it can act as a leader would, how soon
it obeys a stop signal (or never), and how long SIGKILL takes.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from tests.sim.world import Host

__all__ = ["Temper", "Tree"]


class Temper:
    """How jobs behave: chosen once a seed, drawn for each job."""

    def __init__(self, *, life_s: float, stop_timeout_s: float, kill_reserve_s: float) -> None:
        self.life_s = life_s
        self.settled = False
        self.stop_timeout_s = stop_timeout_s
        self.kill_reserve_s = kill_reserve_s
        self.hook_s = 0.05

    def settle(self) -> None:
        """From now on jobs neither end by themselves nor resist a stop signal."""
        self.settled = True


class Tree:
    """One start of the command, and everything below it."""

    def __init__(
        self,
        host: Host,
        name: str,
        temper: Temper,
        *,
        token: int | None,
        tell: Callable[[], None],
        is_hook: bool = False,
    ) -> None:
        """``token``: started as the leader. ``tell`` is called after whatever changes here.

        ``is_hook``: a hook in the job's place, which ends by itself, as a rule."""
        self.is_hook = is_hook
        self.host, self.world, self.name = host, host.world, name
        self.token = token
        self.acting = token is not None
        self.main_alive = True
        rng = self.world.rng
        self.rest_alive = rng.random() < 0.4
        self.stopped = self.paused = False
        self._to_be_stopped = False
        self.killed = self.exited = False
        self.exit_code = 0
        self.in_state_d = False
        self.stop_asked = False
        self.session = ""
        self._temper = temper
        self._tell = tell
        if is_hook:
            self.world.after(rng.expovariate(1 / temper.hook_s), self._hook_ends)
        elif temper.life_s < math.inf:
            self.world.after(rng.expovariate(1 / temper.life_s), self._end_by_itself)

    @property
    def alive(self) -> bool:
        return self.main_alive or self.rest_alive

    @property
    def able(self) -> bool:
        """Whether it can do, at this instant, what only the leader may do."""
        return (
            self.acting
            and self.alive
            and not (self.stopped or self.paused or self.in_state_d or self.host.suspended)
        )

    def pause(self, for_s: float) -> None:
        """Somebody stops the job alone, and continues it later."""
        self.paused = True
        self._tell()
        self.world.after(for_s, self._unpause)

    def _unpause(self) -> None:
        self.paused = False
        self._tell()

    def stop(self) -> None:
        """The stop signal, then SIGCONT."""
        self.stopped = self.paused = self._to_be_stopped = False
        self._tell()
        if self.stop_asked:
            return
        self.stop_asked = True
        world, draw = self.world, self.world.rng.random()
        if draw < 0.15 and not self._temper.settled:
            return  # It ignores the signal.
        longest_s = 0.05 if draw < 0.6 else 2 * self._temper.stop_timeout_s
        world.after(world.rng.random() * longest_s, lambda: self._end(143))

    def kill(self) -> None:
        """SIGKILL to everything: soon, or after state D."""
        if self.killed:
            return
        self.killed = True
        world = self.world
        longest_s = 0.004 if world.rng.random() < 0.7 else self._temper.kill_reserve_s / 2
        world.after(world.rng.random() * longest_s, self._die)

    def kill_main(self) -> None:
        """PDEATHSIG, or a crash: the rest lives on."""
        if self.in_state_d or self.host.suspended:
            self.world.after(0.01, self.kill_main)
        elif self.main_alive:
            self._main_ends(137)

    def freeze(self) -> None:
        """SIGSTOP; a process in state D stops only after it."""
        self._to_be_stopped = True
        self._freeze()

    def _freeze(self) -> None:
        if not self._to_be_stopped:
            return
        if self.in_state_d or self.host.suspended:
            self.world.after(0.01, self._freeze)
        else:
            self._to_be_stopped = False
            self.stopped = True
            self._tell()

    def thaw(self) -> None:
        """SIGCONT, which also takes back a SIGSTOP that is still pending."""
        self.stopped = self._to_be_stopped = False
        self._tell()

    def lead(self, token: int) -> None:
        """Told to lead, by a signal or by being continued."""
        self.token, self.acting = token, True
        self._tell()

    def stand_by(self) -> None:
        """It obeys: from now on it does nothing that only the leader may do."""
        self.acting = False
        self._tell()

    def vanish(self) -> None:
        """The power is gone."""
        self.main_alive = self.rest_alive = False
        self._tell()

    def enter_state_d(self, for_s: float) -> None:
        if self.in_state_d or not self.alive:
            return
        self.in_state_d = True
        self._tell()
        self.world.after(for_s, self._leave_state_d)

    def _leave_state_d(self) -> None:
        self.in_state_d = False
        if self.killed:
            self._die()
        self._tell()

    def _end_by_itself(self) -> None:
        if self._temper.settled:
            return
        if self.alive and not (self.stopped or self.in_state_d or self.host.suspended):
            self._main_ends(self.world.rng.choice((0, 1)))
            if self.world.rng.random() < 0.5:
                self.rest_alive = False
            self._tell()

    def _hook_ends(self) -> None:
        draw = 0.0 if self._temper.settled else self.world.rng.random()
        if draw >= 0.9 or not self.alive:
            return  # It hangs.
        if self.stopped or self.in_state_d or self.host.suspended:
            self.world.after(0.01, self._hook_ends)
        else:
            self._main_ends(0 if draw < 0.75 else 1)

    def _end(self, exit_code: int) -> None:
        """It has obeyed the stop signal; now and then the rest of the tree has not."""
        if self.in_state_d or self.stopped or self.host.suspended:
            self.world.after(0.01, lambda: self._end(exit_code))
            return
        self.rest_alive = self.rest_alive and self.world.rng.random() < 0.3
        self._main_ends(exit_code)

    def _die(self) -> None:
        if self.in_state_d:
            return
        if self.host.suspended:
            self.world.after(0.01, self._die)
            return
        self.rest_alive = False
        self._main_ends(137)

    def _main_ends(self, exit_code: int) -> None:
        if self.main_alive:
            self.main_alive = False
            self.exited = True
            self.exit_code = exit_code
        self._tell()
