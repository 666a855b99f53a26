"""The properties that must hold at every step, whatever happens. `SafetyError` says which did not.

1. At most one job tree can act as the leader. When a whole host was frozen past its lease, its job
   may act for an instant after it wakes; that is counted, and bounded.
2. Tokens strictly increase from one leadership to the next. If the store has lost its data: above
   all that it has given out since, and all that the sidecar itself has seen. (Nobody can know what
   only others have seen. One that had seen nothing before does not know either that somebody leads
   who has not heard of the loss: until that lease ends, the two may overlap. Counted, and bounded.)
3. Nothing is released, neither the key nor the office record, while the tree of that term may act.
4. No job acts past the deadline that follows from the last renewal its host *sent*, plus the time
   that killing takes. The referee has it from what passed over the network, not from the cores.
   No guard is ever told a later deadline, and the one it keeps never moves backwards.
5. No guard starts a job with less than G + K left of that deadline.
6. A lease that had lapsed when a guard woke up is not revived by what the guard reads then.
7. A guard that only gets no processor is not taken for a stopped one: its elector ends the job over
   its head no sooner than it has been silent for D, or the lease is almost over.
8. Nobody takes office against what operators have ordered: during a pause, while it is cordoned, or
   instead of whom a transfer is for. What ends by itself may not end early, but for a fast clock.
9. Nothing is started as the leader, a job or a hook in its place, while anything of the sidecar's
   that was started before lives. (All that holds of a job holds of such a hook.)
10. What checks have found of an earlier job stops no later one.
11. Who is sick, and is not to stand then, asks the store for no office, and begins no term.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from coordsidecar.core.guard.phases import Phase, Running
from coordsidecar.core.messages import Leased
from coordsidecar.core.timing import Timing
from coordsidecar.store.curbs import Curbs
from tests.sim.tree import Tree
from tests.sim.world import Host, SafetyError, World

__all__ = ["Referee", "Runner"]

_A_MOMENT_S = 0.06
"""What waking up, scheduling and looking take at most."""
_LONGEST_GRANT = 2.2
"""How many TTLs a store grants at the most, by the slowest clock."""
_FASTEST = 0.9
"""What a time is at the least that is counted by the fastest clock."""


class Runner(Protocol):
    """The sidecar to which a tree belongs."""

    name: str
    host: Host
    until_s: dict[str, float]
    """By session: when the lease ends, on the host's clock, after the last renewal it sent."""
    lease: Leased | None
    """What its guard keeps."""
    seen_token: int
    """The highest that it was told of: that of a job of its own, or of another leader."""

    @property
    def timing(self) -> Timing: ...


class Referee:
    def __init__(self, world: World, *, longest_ttl_s: float) -> None:
        self._world, self._longest_ttl_s = world, longest_ttl_s
        self._trees: dict[Tree, Runner] = {}
        self._handles: dict[tuple[str, int], str] = {}
        self._led: dict[str, int] = {}
        self._last_start: tuple[int, str] = (0, "")
        self._last_taken = 0
        self._watched: set[Tree] = set()
        self._told: dict[tuple[str, int], float] = {}
        # For each loss: until when a lease from before it may last, and who had seen a leader then.
        self._losses: list[tuple[float, set[str]]] = []
        self._losses_before: dict[tuple[str, int], int] = {}
        self._curbed_s: dict[object, float] = {}
        self.leaderships = 0
        self.longest_idle_s = 0.0
        self._idle_since_s = math.inf

    @property
    def leads(self) -> bool:
        for tree in self._trees:  # noqa: SIM110  # Asked after each event: `any` takes thrice as long.
            if tree.able and not tree.is_hook:
                return True
        return False

    # ── what we are told ───────────────────────────────────────────────────────────────────────

    def took_office(self, handle: str, token: int, owner: str) -> None:
        """The store is about to record it (property 2)."""
        if token <= self._last_taken and self._handles.get((owner, token)) != handle:
            self._fail(f"{owner} takes office with token {token}, after {self._last_taken}")
        self._last_taken = max(self._last_taken, token)
        self._handles[owner, token] = handle
        self._losses_before[owner, token] = len(self._losses)

    def curbs_written(self, curbs: Curbs) -> None:
        """An operator is about to."""
        for curb in (curbs.pause, curbs.transfer):
            if curb is not None:
                self._curbed_s.setdefault(curb, self._world.now_s)

    def curbed(self, last_led: int, curbs: Curbs, owner: str) -> None:
        """A sidecar takes office after the term of ``last_led``, while these hold (property 8)."""
        node, now_s = owner.split(".")[0], self._world.now_s
        pause, transfer = curbs.pause, curbs.transfer
        if pause is not None:
            for_s = math.inf if pause.for_s is None else pause.for_s * _FASTEST
            if now_s < self._curbed_s[pause] + for_s:
                self._fail(f"{owner} takes office, and it is {pause.why}")
            self._world.counts["pauses that ended by themselves"] += 1
        if curbs.cordon_of(node) is not None:
            self._fail(f"{owner} takes office, and is cordoned")
        if transfer is not None and transfer.token == last_led and transfer.to != node:
            if now_s < self._curbed_s[transfer] + transfer.within_s * _FASTEST:
                self._fail(f"{owner} takes office, and {transfer.why}")
            self._world.counts["transfers in vain"] += 1
        elif transfer is not None and transfer.token == last_led:
            self._world.counts["transfers"] += 1

    def decided_to_lead(self, runner: Runner, token: int) -> None:
        """A guard has just decided that a job leads under ``token`` (properties 2 and 5)."""
        last_token, last_name = self._last_start
        again = runner.name == last_name
        if self._losses:
            last_token, again = runner.seen_token, token == self._led.get(runner.name)
        if token < last_token or (token == last_token and not again):
            self._fail(f"{runner.name} starts a job with token {token}, after {last_token}")
        if (token, runner.name) != self._last_start:
            self.leaderships += 1
        self._last_start = (token, runner.name)
        self._led[runner.name] = token
        runner.seen_token = max(runner.seen_token, token)
        left_s = self._deadline_s(runner, token) - runner.host.clock_s()
        needed_s = runner.timing.lost_grace_s + runner.timing.kill_reserve_s
        if left_s < needed_s - 1e-6:
            self._fail(f"{runner.name} starts a job with {left_s:.3f}s left, less than G + K")

    def nothing_runs(self, runner: Runner, trees: Sequence[Tree]) -> None:
        """Property 8: a guard is about to start something as the leader."""
        for tree in trees:
            self._fail(f"{runner.name} starts something while {tree.name} lives")

    def data_lost(self, knowing: set[str]) -> None:
        """From now on the store may give any token to a sidecar that has seen none.

        ``knowing``: the sidecars that have seen a leader, if only themselves.
        """
        until_s = self._world.now_s + self._longest_ttl_s * _LONGEST_GRANT
        self._losses.append((until_s, knowing))
        self._last_taken = 0

    def lease_changed(self, runner: Runner, was: Leased | None, lease: Leased) -> None:
        """A guard keeps another deadline than before (property 4)."""
        if lease.run_until_s > self._deadline_s(runner, lease.token) + 1e-6:
            self._fail(f"{runner.name} may run until {lease.run_until_s:.3f}s by its own clock")
        if was is not None and was.token == lease.token and was.run_until_s > lease.run_until_s:
            self._fail(f"the deadline of {runner.name} moves backwards")

    def told(self, runner: Runner, lease: Leased) -> None:
        """An elector says to its guard how long the job may run."""
        self._told[runner.name, lease.token] = lease.run_until_s

    def revived(self, runner: Runner, lease: Leased) -> None:
        """Property 6."""
        self._fail(f"{runner.name} goes on with token {lease.token}, whose lease had lapsed")

    def judged_late(self, runner: Runner, before: Phase, after: Phase, now_s: float) -> None:
        """Property 10."""
        match before:
            case Running(lease) if now_s < lease.step_down_at_s and not isinstance(after, Running):
                self._fail(f"{runner.name} stops a job for the health of one before it")
            case _:
                pass

    def stands_sick(self, runner: Runner, what: str) -> None:
        """Property 11."""
        self._fail(f"{runner.name} {what}, and is not to stand: it is sick")

    def begins(self, runner: Runner, token: int) -> bool:
        """Whether no job of it has led under this token yet."""
        return self._led.get(runner.name) != token

    def gave_up_guard(self, runner: Runner, token: int, *, silent_s: float) -> None:
        """An elector is about to end the job of a guard that was not stopped when it looked."""
        if runner not in self._trees.values():
            return  # Its job has ended before, and the guard was about to leave.
        until_s = self._deadline_s(runner, token)
        # Renewals may have been sent, by this elector or one that died, of which nothing was heard.
        until_s = min(until_s, self._told.get((runner.name, token), math.inf))
        left_s = until_s - runner.host.clock_s()
        reserve_s = runner.timing.kill_reserve_s
        if silent_s < runner.timing.guard_patience_s - 1e-6 and left_s > reserve_s / 2 + 1e-6:
            self._fail(f"the guard of {runner.name} is given up after {silent_s:.3f}s of silence")

    def tree_started(self, tree: Tree, runner: Runner) -> None:
        self._trees[tree] = runner
        self.tree_changed(tree)

    def tree_changed(self, tree: Tree) -> None:
        if tree.alive and tree.able:
            idle_s = self._world.now_s - self._idle_since_s
            self.longest_idle_s, self._idle_since_s = max(self.longest_idle_s, idle_s), math.inf
        if not tree.alive:
            self._trees.pop(tree, None)
        elif tree.able:
            self.look()
            if tree not in self._watched:
                self._watched.add(tree)
                self._watch(tree)
        if math.isinf(self._idle_since_s) and self.leaderships and not self.leads:
            self._idle_since_s = self._world.now_s

    def released(self, token: int, owner: str) -> None:
        """The store is about to forget that this sidecar leads under ``token`` (property 3).

        Not anybody's job under that number: a store that lost its data may have given it again.
        """
        for tree, runner in self._trees.items():
            of_owner = tree.token == token and runner.name == owner
            if of_owner and tree.acting and not tree.stopped:
                self._fail(f"token {token} is released while {tree.name} lives")

    # ── what we look at ────────────────────────────────────────────────────────────────────────

    def look(self) -> None:
        """Property 1."""
        now_s = self._world.now_s
        able = [tree for tree in self._trees if tree.able]
        if len(able) < 2:
            return
        waking = [tree for tree in able if now_s < tree.host.excused_until_s]
        # One for each loss: two after the same one hear of each other from the store.
        excuses_s = {self._excused_until_s(tree) for tree in able} - {-math.inf}
        if len(able) - len(excuses_s) < 2:
            self._world.counts["overlaps after a loss of data, by who knew nothing"] += 1
            self._world.at(min(excuses_s), self.look)
            return
        names = ", ".join(f"{tree.name} (token {tree.token})" for tree in able)
        if len(able) - len(waking) > 1:
            self._fail(f"two jobs at once: {names}")
        self._world.counts["overlaps of a host that wakes"] += 1
        self._world.say("referee", f"overlap while a frozen host wakes: {names}")
        self._world.at(min(tree.host.excused_until_s for tree in waking), self.look)

    def _excused_until_s(self, tree: Tree) -> float:
        """Until when it may overlap with a leader from before the loss of which it cannot know."""
        name = self._trees[tree].name
        losses = self._losses_before.get((name, tree.token or 0), 0)
        if not losses:
            return -math.inf
        until_s, knowing = self._losses[losses - 1]
        return until_s if self._world.now_s < until_s and name not in knowing else -math.inf

    def _watch(self, tree: Tree) -> None:
        """Property 4."""
        runner = self._trees.get(tree)
        if runner is None or not tree.able or tree.token is None:
            self._watched.discard(tree)
            return
        world, host = self._world, tree.host
        deadline_s = self._deadline_s(runner, tree.token) + runner.timing.kill_reserve_s
        due_s = max(host.true_s(deadline_s) + _A_MOMENT_S, host.excused_until_s)
        if due_s == math.inf:
            self._watched.discard(tree)
        elif world.now_s < due_s:
            world.at(due_s, lambda: self._watch(tree))
        else:
            self._fail(f"{tree.name} acts past the deadline of token {tree.token}")

    def _deadline_s(self, runner: Runner, token: int) -> float:
        """`run_until`, on the host's clock, as rule S1 defines it."""
        handle = self._handles.get((runner.name, token), "")
        return runner.until_s.get(handle, -math.inf) - runner.timing.margin_s

    def _fail(self, what: str) -> None:
        self._world.say("referee", f"FAILED: {what}")
        raise SafetyError(f"at {self._world.now_s:.3f}s: {what}")
