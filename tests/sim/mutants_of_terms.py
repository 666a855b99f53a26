"""Cores without one of the rules on when a term ends and the next begins (S4, S6, S8, S9)."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from typing import Any

from coordsidecar.core.election import answers as election_answers
from coordsidecar.core.election import company
from coordsidecar.core.election import rules as election_rules
from coordsidecar.core.election import step as election_core
from coordsidecar.core.election.moves import Answered, Renewed
from coordsidecar.core.election.phases import Elector, Killing, Leading
from coordsidecar.core.guard import company as guard_company
from coordsidecar.core.guard import ordered
from coordsidecar.core.guard import rules as guard_rules
from coordsidecar.core.guard import step as guard_core
from coordsidecar.core.guard.company import release_effects
from coordsidecar.value import replace
from tests.sim.breaking import both, patched

__all__ = [
    "a_dead_guards_job_is_not_buried",
    "a_guard_that_cannot_be_killed_is_waited_for",
    "a_starved_guard_is_taken_for_a_stopped_one",
    "an_order_is_carried_out_at_once",
    "an_orderly_end_is_believed_after_a_loss_of_data",
    "no_takeover_delay",
    "released_before_the_tree_is_empty",
    "the_key_is_not_watched",
    "tokens_begin_anew_after_a_loss_of_data",
]


def released_before_the_tree_is_empty() -> AbstractContextManager[None]:
    """S4: says that the tree is gone when it has only been told to stop."""

    def make(lose: Any) -> Any:
        def hasty(guard: Any, lease: Any, why: str, now_s: float, plan: Any, **more: Any) -> Any:
            guard, effects = lose(guard, lease, why, now_s, plan, **more)
            return guard, [*effects, *release_effects(guard, lease.token, 0.0, leave=False)]

        return hasty

    return patched(guard_rules, "lose", make)


def an_order_is_carried_out_at_once() -> AbstractContextManager[None]:
    """S4: who is ordered to step down gives the lead up when the job has only been told to stop."""

    def make(step_down: Any) -> Any:
        def hasty(guard: Any, order: Any, now_s: float, plan: Any) -> Any:
            guard, effects = step_down(guard, order, now_s, plan)
            return guard, [
                *effects,
                *release_effects(guard, order.token, order.rest_s, leave=False),
            ]

        return hasty

    return patched(ordered, "step_down", make)


def a_dead_guards_job_is_not_buried() -> AbstractContextManager[None]:
    """S4: the guard is dead, so the elector releases; what lives of the tree is not looked for."""

    def make(kill_tree: Any) -> Any:
        def hasty(elector: Elector, why: str, aims: Any) -> Any:
            elector, effects = kill_tree(elector, why, aims)
            now_s = elector.last_step_s
            elector, more = company.tree_killed(elector, False, now_s, aims)
            return elector, effects + more

        return hasty

    return patched(company, "kill_tree", make)


def a_starved_guard_is_taken_for_a_stopped_one() -> AbstractContextManager[None]:
    """Whatever is silent is buried, though it may only get no processor."""

    def make(guard_is: Any) -> Any:
        return lambda elector, _stopped, *rest: guard_is(elector, True, *rest)

    return patched(company, "guard_is", make)


def a_guard_that_cannot_be_killed_is_waited_for() -> AbstractContextManager[None]:
    """Liveness: PID 1 outlives its burial, is not believed when it comes back, and does not insist.

    Three rules, and any one of them gets us out of it.
    """

    def stubborn(tree_gone: Any) -> Any:
        def burying(elector: Any, *rest: Any) -> Any:
            return (
                (elector, []) if isinstance(elector.phase, Killing) else tree_gone(elector, *rest)
            )

        return burying

    def waiting(tree_killed: Any) -> Any:
        def until_it_is_dead(elector: Any, guard_lives: bool, *rest: Any) -> Any:
            return (elector, []) if guard_lives else tree_killed(elector, guard_lives, *rest)

        return until_it_is_dead

    return both(
        both(patched(company, "tree_gone", stubborn), patched(company, "tree_killed", waiting)),
        patched(guard_company, "release_due_s", lambda _: lambda *_arguments: math.inf),
    )


def the_key_is_not_watched() -> AbstractContextManager[None]:
    """S6: as long as the session lives, it takes itself for the leader."""

    def make(renewed: Any) -> Any:
        def trusting(elector: Any, answer: Answered, now_s: float, aims: Any) -> Any:
            if isinstance(elector.phase, Leading) and isinstance(answer.result, Renewed):
                result = replace(answer.result, standing=elector.phase.held)
                answer = replace(answer, result=result)
            return renewed(elector, answer, now_s, aims)

        return trusting

    return patched(election_answers, "_renewed", make)


def no_takeover_delay() -> AbstractContextManager[None]:
    """S9: after a sudden end the next job starts at once."""
    return patched(election_rules, "takeover_delay_s", lambda _: lambda *_arguments: 0.0)


def an_orderly_end_is_believed_after_a_loss_of_data() -> AbstractContextManager[None]:
    """S9: the store has forgotten who led, and who led has not heard of it yet."""

    def make(claim: Any) -> Any:
        def forgetful(elector: Any, *rest: Any) -> Any:
            floor = elector.floor
            elector = replace(elector, floor=0, forgotten_until_s=-math.inf)
            elector, effects = claim(elector, *rest)
            return replace(elector, floor=max(floor, elector.floor)), effects

        return forgetful

    return patched(election_rules, "claim", make)


def tokens_begin_anew_after_a_loss_of_data() -> AbstractContextManager[None]:
    """S8: nobody remembers what was seen; what the guard remembers, it does not enforce."""

    def forgetful(step: Any) -> Any:
        def stepping(state: Any, *rest: Any) -> Any:
            state, effects = step(state, *rest)
            return replace(state, floor=0), effects

        return stepping

    def careless(step: Any) -> Any:
        def stepping(state: Any, *rest: Any) -> Any:
            state, effects = step(state, *rest)
            return replace(state, token_floor=0), effects

        return stepping

    return both(patched(election_core, "step", forgetful), patched(guard_core, "step", careless))
