"""Bugs that the simulator found, put back one at a time. What shows each again is in `stories`."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from typing import Any

from coordsidecar.core import messages as msg
from coordsidecar.core.election import company
from coordsidecar.core.election import rules as election_rules
from coordsidecar.core.election import step as election_core
from coordsidecar.core.election.phases import (
    Adopting,
    Elector,
    Joining,
    Killing,
    Opening,
    Resigning,
)
from coordsidecar.core.guard import company as guard_company
from coordsidecar.core.guard import rules as guard_rules
from coordsidecar.core.guard.brought import Brought
from coordsidecar.core.guard.moves import KillTree, StopTree
from coordsidecar.core.guard.phases import Idle, Stopping
from coordsidecar.store.office import Office
from coordsidecar.value import replace
from tests.sim import guard_process
from tests.sim.breaking import Mutant, both, patched

__all__ = ["BUGS"]


def the_rest_of_a_frozen_tree_was_woken() -> AbstractContextManager[None]:
    """Its main process died; the rest got a stop signal and SIGCONT while somebody else led."""

    def make(job_ended: Any) -> Any:
        def waking(guard: Any, exit_code: int, now_s: float, plan: Any, **more: Any) -> Any:
            was = guard.phase
            guard, effects = job_ended(guard, exit_code, now_s, plan, **more)
            if was == Idle("frozen") and isinstance(guard.phase, Stopping):
                kill_at_s = now_s + plan.stop_timeout_s
                guard = guard.to(replace(guard.phase, kill_at_s=kill_at_s, killing=False))
                effects = [StopTree(15) if e == KillTree() else e for e in effects]
            return guard, effects

        return waking

    return patched(guard_rules, "job_ended", make)


def the_takeover_delay_ignored_the_ttl_granted() -> AbstractContextManager[None]:
    """A server that grants longer TTLs lets a deposed leader run for longer than the delay."""
    return patched(
        election_rules,
        "takeover_delay_s",
        lambda _: lambda _elector, aims, _last=None: aims.timing.takeover_delay_s,
    )


def the_takeover_delay_ignored_the_leaders_own_ttl() -> AbstractContextManager[None]:
    """Whoever is started with a shorter TTL did not wait for one that had a longer one."""

    def make(takeover_delay_s: Any) -> Any:
        return lambda elector, aims, _last=None: takeover_delay_s(
            replace(elector, rival=None), aims
        )

    return patched(election_rules, "takeover_delay_s", make)


def an_earlier_vacancy_was_counted() -> AbstractContextManager[None]:
    """Our key was deleted, another one led and was deposed: the delay seemed to be over already."""

    def make(step: Any) -> Any:
        def remembering(was: Any, *rest: Any) -> Any:
            elector, effects = step(was, *rest)
            if isinstance(elector.phase, Joining | Opening) and elector.vacant_since_s is None:
                elector = replace(elector, vacant_since_s=was.vacant_since_s)
            return elector, effects

        return remembering

    return both(patched(election_core, "step", make), an_unwatched_vacancy_was_counted())


def an_unwatched_vacancy_was_counted() -> AbstractContextManager[None]:
    """Cut off between two looks, a candidate did not see that another led, and was deposed."""

    def make(vacant_since: Any) -> Any:
        def blind(elector: Any, last_led: int, now_s: float) -> Any:
            seen = elector.vacant_since_s is not None
            return vacant_since(elector, elector.vacant_led if seen else last_led, now_s)

        return blind

    return patched(election_rules, "vacant_since", make)


def a_session_was_left_without_a_word() -> AbstractContextManager[None]:
    """Stopped for longer than the TTL, the elector gave up before it had asked once."""

    def make(resign: Any) -> Any:
        def hopeless(elector: Any, *rest: Any, leave: bool, now_s: float, aims: Any) -> Any:
            was = elector.phase
            elector, effects = resign(elector, *rest, leave=leave, now_s=now_s, aims=aims)
            if isinstance(elector.phase, Resigning) and elector.phase is not was and not leave:
                give_up_at_s = max(now_s, elector.renewed_at_s + aims.timing.ttl_s)
                elector = elector.to(replace(elector.phase, give_up_at_s=give_up_at_s))
            return elector, effects

        return hopeless

    return patched(election_rules, "resign", make)


def a_new_elector_trusted_a_hanging_guard() -> AbstractContextManager[None]:
    """While it adopted the session, it forgot what was left of the lease."""

    def make(bury_at_s: Any) -> Any:
        def trusting(elector: Any, aims: Any) -> float:
            if isinstance(elector.phase, Adopting):
                return float(elector.guard_lost_s)
            return float(bury_at_s(elector, aims))

        return trusting

    return patched(company, "bury_at_s", make)


def a_session_being_given_up_was_adopted() -> AbstractContextManager[None]:
    """A dead elector's late request to resign ended the leadership of its successor."""

    def make(step: Any) -> Any:
        def keeping(*arguments: Any) -> Any:
            elector, effects = step(*arguments)
            forget = msg.Released(0)
            return elector, [e for e in effects if getattr(e, "message", None) != forget]

        return keeping

    return both(patched(election_core, "step", make), an_unwatched_vacancy_was_counted())


def a_kernel_lock_was_trusted_for_ever() -> AbstractContextManager[None]:
    """Its file was deleted while the elector hung: the guard started an ended job once more."""

    def make(_: Any) -> Any:
        return lambda elector, timing: (
            elector.renewed_at_s + elector.session.ttl_s - timing.margin_s
        )

    return patched(Elector, "lease_until_s", make)


def a_guard_that_was_suspended_stopped_its_burial() -> AbstractContextManager[None]:
    """Its elector was killing the tree, and took Ctrl-Z for that of a standby: it released."""

    def make(suspended: Any) -> Any:
        def hasty(elector: Any, now_s: float, aims: Any) -> Any:
            if isinstance(elector.phase, Killing):
                return election_rules.resign(elector, None, 0.0, leave=True, now_s=now_s, aims=aims)
            return suspended(elector, now_s, aims)

        return hasty

    return patched(company, "guard_suspended", make)


def a_term_that_was_given_back_was_begun() -> AbstractContextManager[None]:
    """Clearing what stood by took past the deadline; then a lease on the same term was read."""
    return patched(
        guard_rules,
        "given_back",
        lambda _: lambda guard, lease, _plan: replace(guard, unreleased=lease.token),
    )


def an_offer_below_the_floor_was_dropped_without_a_word() -> AbstractContextManager[None]:
    """The store lost its data: an elector led under a token at which its guard started nothing."""

    def forgetful(step: Any) -> Any:
        def stepping(state: Any, *rest: Any) -> Any:
            state, effects = step(state, *rest)
            return replace(state, floor=0), effects

        return stepping

    return both(
        patched(election_core, "step", forgetful),
        patched(guard_company, "refuse_term", lambda _: lambda guard, _offer: (guard, [])),
    )


def a_term_was_resigned_by_its_token_alone() -> AbstractContextManager[None]:
    """The store lost its data: who resigned marked another run's term as over, which lived on."""

    def make(resigned: Any) -> Any:
        def by_token(office: Office, token: int | None, *, run: str) -> Office:
            return resigned(office, token, run=office.run)  # type: ignore[no-any-return]

        return by_token

    return patched(Office, "resigned", make)


def a_job_began_however_late_its_order_was_carried_out() -> AbstractContextManager[None]:
    """PID 1 was stopped before the order, its elector released, and then there were two jobs."""
    return patched(
        guard_process.GuardProcess, "_is_too_late", lambda _: lambda _self, _token: False
    )


def the_rest_of_an_ended_job_was_trusted_to_stand_by() -> AbstractContextManager[None]:
    """Its main process was dead, the signal reached nobody, and the lead was handed back."""

    def make(lose: Any) -> Any:
        return lambda *arguments, **_: lose(*arguments)

    return patched(guard_rules, "lose", make)


def a_decision_was_made_before_the_last_was_carried_out() -> AbstractContextManager[None]:
    """What was left of the last, a start of the job, was then done under a term that was over."""

    def make(carry_out: Any) -> Any:
        def nested(guard: Any, effects: Any) -> Any:
            for effect in effects:
                yield from carry_out(guard, [effect])
                for event in guard._brought.take():
                    yield from nested(guard, guard._decide(event))

        return nested

    return patched(guard_process.GuardProcess, "_carry_out", make)


def a_tree_that_was_empty_before_a_start_was_taken_for_the_job() -> AbstractContextManager[None]:
    """What a kill had found was decided upon after the next job's start, as if of that one."""
    return patched(Brought, "outdate", lambda _: lambda _brought, _effect: None)


def a_clean_end_after_a_loss_vouched_for_those_before() -> AbstractContextManager[None]:
    """Who led and resigned had begun when the store had lost its data, and knew of nobody else."""

    def trusting(step: Any) -> Any:
        def stepping(state: Any, *rest: Any) -> Any:
            state, effects = step(state, *rest)
            return replace(state, rival=None), effects

        return stepping

    return patched(election_core, "step", trusting)


def a_new_session_vouched_for_a_store_that_had_lost_its_data() -> AbstractContextManager[None]:
    """Another run had led and resigned since, under the very token of the one that we knew of."""

    def trusting(step: Any) -> Any:
        def stepping(state: Any, *rest: Any) -> Any:
            state, effects = step(state, *rest)
            return replace(state, forgotten_until_s=-math.inf), effects

        return stepping

    return patched(election_core, "step", trusting)


BUGS: dict[str, Mutant] = {
    bug.__name__: bug
    for bug in (
        the_rest_of_a_frozen_tree_was_woken,
        the_takeover_delay_ignored_the_ttl_granted,
        the_takeover_delay_ignored_the_leaders_own_ttl,
        an_earlier_vacancy_was_counted,
        an_unwatched_vacancy_was_counted,
        a_term_that_was_given_back_was_begun,
        a_session_was_left_without_a_word,
        a_new_elector_trusted_a_hanging_guard,
        a_session_being_given_up_was_adopted,
        a_new_session_vouched_for_a_store_that_had_lost_its_data,
        a_kernel_lock_was_trusted_for_ever,
        a_guard_that_was_suspended_stopped_its_burial,
        an_offer_below_the_floor_was_dropped_without_a_word,
        a_term_was_resigned_by_its_token_alone,
        a_job_began_however_late_its_order_was_carried_out,
        the_rest_of_an_ended_job_was_trusted_to_stand_by,
        a_decision_was_made_before_the_last_was_carried_out,
        a_tree_that_was_empty_before_a_start_was_taken_for_the_job,
        a_clean_end_after_a_loss_vouched_for_those_before,
    )
}
