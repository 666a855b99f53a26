"""Simulated time: one heap of things to come, one generator of chance, hosts and processes.

True time starts at 0 s and is known to nobody inside. Each host has a clock of its own, which runs
up to 5 % fast or slow and goes on while the host is suspended, as CLOCK_BOOTTIME does. Nothing here
depends on the real time or on the order of a set, so a seed always tells the same story.
"""

from __future__ import annotations

import heapq
import math
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator

__all__ = ["Host", "Process", "SafetyError", "World"]

Action = Callable[[], object]

_PRESENT_S = 1e-6
"""How long a wake-up is late at least: a timer that was just missed must not spin."""


class SafetyError(AssertionError):
    """The cores broke one of the properties that `tests.sim.referee` states."""


class World:
    """True time, chance, and what is yet to happen."""

    def __init__(self, seed: int, *, trace: bool = False) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.now_s = 0.0
        self.counts: Counter[str] = Counter()
        self.lines: list[str] = []
        self.trace = trace
        self._heap: list[tuple[float, int, Action]] = []
        self._numbers = 0

    def at(self, when_s: float, action: Action) -> None:
        self._numbers += 1
        heapq.heappush(self._heap, (when_s, self._numbers, action))

    def after(self, delay_s: float, action: Action) -> None:
        self.at(self.now_s + delay_s, action)

    def run(self, until_s: float, *, done: Callable[[], bool] | None = None) -> None:
        """Let things happen until ``until_s``, or until ``done`` holds after one of them."""
        heap = self._heap
        while heap and heap[0][0] <= until_s:
            if done is not None and done():
                return
            self.now_s, _, action = heapq.heappop(heap)
            action()
        if done is None or not done():
            self.now_s = until_s

    def number(self) -> int:
        """A number that was never given before, for names."""
        self._numbers += 1
        return self._numbers

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self.rng.random()

    def say(self, who: str, what: object) -> None:
        """One line of the transcript; only with ``trace``."""
        if self.trace:
            self.lines.append(f"{self.now_s:10.4f}  {who:<14}  {_brief(str(what))}")


def _brief(text: str) -> str:
    """Sessions by their handle, and milliseconds will do."""
    text = re.sub(r"Session\(handle='(\w+)', ttl_s=[^,]*, fds=\([^)]*\)\)", r"\1", text)
    return re.sub(r"\d+\.\d{4,}", lambda found: f"{float(found[0]):.3f}", text)


class Host:
    """A machine: a clock, and whether it is suspended."""

    def __init__(self, world: World, *, rate: float) -> None:
        self.world = world
        self.rate = rate
        self.booted_s = world.between(100.0, 10_000.0)
        self.suspended = False
        # Until then a job that was frozen with its whole host may act, before its guard reacts.
        self.excused_until_s = -math.inf

    def clock_s(self) -> float:
        return self.booted_s + self.world.now_s * self.rate

    def true_s(self, clock_s: float) -> float:
        """The true time at which our clock shows ``clock_s``."""
        return (clock_s - self.booted_s) / self.rate


class Process:
    """One thread that sleeps until something can be read or its timer fires; then it runs `turn`.

    `turn` is a generator so that the process can be stopped between any two of its actions, as a
    scheduler may do: what it decided before is then carried out after it is continued.
    """

    def __init__(self, host: Host, name: str) -> None:
        self.host, self.world, self.name = host, host.world, name
        self.alive = True
        self.paused = False
        # Stop in the middle of a turn, after so many actions, if it may be done then.
        self.stop_after: int | None = None
        self.may_stop: Callable[[], bool] = lambda: True
        self.stopped_for_s = 0.0
        # Starved: each of its steps comes late, by so much at the most.
        self.late_s = 0.0
        self._not_before_s = -math.inf
        self._due_s = math.inf
        # When `_wake` will be called, due or not, the soonest last.
        self._alarms_s: list[float] = []
        self._turn: Iterator[None] | None = None
        self._deferred: list[Action] = []

    def turn(self) -> Iterator[None]:
        """One round of the loop; a yield is where it can be stopped."""
        raise NotImplementedError

    def next_timer_s(self) -> float:
        """When, on the host's clock, the loop wants to run again."""
        raise NotImplementedError

    def ended(self) -> None:
        """The process has just died, or has exited."""

    @property
    def running(self) -> bool:
        return self.alive and not self.paused

    def poke(self) -> None:
        """Something can be read."""
        draw = self.world.rng.random()
        self._wake_at(self.world.now_s + (draw * 0.001 if draw < 0.99 else draw * 0.05))

    def when_running(self, action: Action) -> None:
        """Let a thread of this process act: now, after its pause, or never."""
        if not self.alive:
            return
        if self.paused:
            self._deferred.append(action)
        else:
            action()

    def recover(self) -> None:
        """It gets a processor again, at once."""
        self.late_s, self._not_before_s = 0.0, -math.inf
        if self.running:
            self._wake_at(self.world.now_s)

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        if not self.paused:
            return
        if self.host.suspended:
            self.world.after(0.05, self.resume)
            return
        self.paused = False
        if not self.alive:
            return
        # Whether an answer or its time-out is noticed first, after both came about: who knows.
        deferred, self._deferred = self._deferred, []
        self.world.rng.shuffle(deferred)
        for action in deferred:
            action()
        self._wake_at(self.world.now_s + self.world.rng.random() * 0.001)

    def kill(self) -> None:
        """SIGKILL; also how an exit ends."""
        if self.alive:
            self.alive = False
            self._turn = None
            self._deferred.clear()
            self.ended()

    def crash(self) -> None:
        """Its host is without power."""
        self.kill()

    def _wake_at(self, when_s: float) -> None:
        if when_s < self._due_s:
            self._due_s = when_s
            self._set_alarm()

    def _set_alarm(self) -> None:
        """One that comes before we are due will do: it sets another."""
        alarms_s, due_s = self._alarms_s, self._due_s
        if not alarms_s or due_s < alarms_s[-1]:
            alarms_s.append(due_s)
            self.world.at(due_s, self._wake)

    def _wake(self) -> None:
        self._alarms_s.pop()
        if not self.alive:
            return
        if self.world.now_s < self._due_s:
            if self._due_s < math.inf:
                self._set_alarm()
            return
        self._due_s = math.inf
        if self.paused:
            return  # `resume` wakes us.
        if self.world.now_s < self._not_before_s:
            self._wake_at(self._not_before_s)
            return
        if self._turn is None:
            self._turn = self.turn()
        for _ in self._turn:
            if not self.alive:
                return
            if self.stop_after is not None:
                self.stop_after -= 1
                if self.stop_after < 0 and self.may_stop():
                    self.stop_after = None
                    self.pause()
                    self.world.after(self.stopped_for_s, self.resume)
                    self.world.say(self.name, "is stopped in the middle of its work")
            if self.paused:
                return
            if self.late_s:
                self._not_before_s = self.world.now_s + self.late_s * self.world.rng.random()
                self._wake_at(self._not_before_s)
                return
        if not self.alive:
            return
        self._turn = None
        timer_s = self.host.true_s(self.next_timer_s())
        if timer_s < math.inf:
            self._wake_at(max(timer_s, self.world.now_s) + _PRESENT_S)
