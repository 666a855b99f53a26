"""What health checks find of jobs that run; or of those that ran before, when it comes late."""

from __future__ import annotations

from random import Random

from coordsidecar.core.guard.moves import Health, Plan
from coordsidecar.value import replace
from tests.sim.faulty import Fault, Faulty

__all__ = ["verdicts_by_chance", "watched"]

_STORIES = 0.15
_EVERY_S = 3.0
_LATE = 0.3
_WELL = 0.2


def watched(plan: Plan, seed: int) -> Plan | None:
    """In some of the stories jobs are looked at; by dice of their own, so that all others stay."""
    dice = Random(f"watched {seed}")
    if dice.random() >= _STORIES:
        return None
    return replace(
        plan,
        unhealthy=dice.choice(("step-down", "restart")),
        gate_rest_s=min(plan.gate_rest_s, dice.choice((0.2, 1.0)) * plan.timing.ttl_s),
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
        if guard is None or not guard.alive or state is None or not state.runs:
            return False
        run = state.runs - (dice.random() < _LATE)
        verdict = Health(run, healthy=dice.random() < _WELL, why="a check failed")
        guard.hear(verdict)
        return self._faulty.say(node, f"{verdict}")


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
