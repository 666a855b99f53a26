"""What health checks find of jobs that run, or that ran before, when it comes late; and of who
stands by."""

from __future__ import annotations

from random import Random

from coordsidecar.core.guard.moves import Health, Plan
from coordsidecar.core.guard.phases import Running
from coordsidecar.value import replace
from tests.sim.faulty import Fault, Faulty

__all__ = ["all_are_well", "verdicts_by_chance", "watched"]

_STORIES = 0.15
_EVERY_S = 3.0
_LATE = 0.3
_WELL = 0.2
_ALWAYS = 0.5
_WELL_STANDBY = 0.5


def watched(plan: Plan, seed: int) -> Plan | None:
    """In some of the stories jobs are looked at; by dice of their own, so that all others stay."""
    dice = Random(f"watched {seed}")
    if dice.random() >= _STORIES:
        return None
    return replace(
        plan,
        unhealthy=dice.choice(("step-down", "restart")),
        gate_rest_s=min(plan.gate_rest_s, dice.choice((0.2, 1.0)) * plan.timing.ttl_s),
        only_well_stand=dice.random() < _ALWAYS,
    )


class _Prober:
    """Any of the nodes'."""

    def __init__(self, faulty: Faulty, dice: Random) -> None:
        self._faulty, self._dice = faulty, dice

    def judge_job(self) -> bool:
        dice = self._dice
        node = dice.choice(self._faulty.nodes)
        guard = node.sidecar.guard if node.sidecars else None
        state = getattr(guard, "state", None)  # It has none before its first turn.
        if guard is None or not guard.alive or state is None:
            return False
        if guard.plan.only_well_stand and not isinstance(state.phase, Running):
            verdict = Health(0, healthy=dice.random() < _WELL_STANDBY, why="a check of a standby")
        elif state.runs:
            run = state.runs - (dice.random() < _LATE)
            verdict = Health(run, healthy=dice.random() < _WELL, why="a check failed")
        else:
            return False
        guard.hear(verdict)
        return self._faulty.say(node, f"{verdict}")


def all_are_well(faulty: Faulty) -> None:
    """Whoever is looked at is, from now on."""
    for node in faulty.nodes:
        guard = node.sidecar.guard
        if guard.alive and getattr(guard, "state", None) is not None:
            guard.hear(Health(0, healthy=True, why="it is mended"))


def verdicts_by_chance(faulty: Faulty) -> list[tuple[float, Fault]]:
    """When they are found, in those stories."""
    seed = faulty.world.seed
    if watched(faulty.nodes[0].plan, seed) is None:
        return []
    dice, judge = Random(f"health {seed}"), []
    prober, at_s = _Prober(faulty, dice), faulty.world.now_s
    while (at_s := at_s + dice.expovariate(1 / _EVERY_S)) < faulty.end_s:
        judge.append((at_s, prober.judge_job))
    return judge
