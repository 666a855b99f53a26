"""Cores without one of the rules on until when a job may run (S1, S2, S5, S7, S17)."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from typing import Any

from coordsidecar.core.election import answers as election_answers
from coordsidecar.core.election import phases as election_phases
from coordsidecar.core.election import rules as election_rules
from coordsidecar.core.election.moves import Answered, Refused, Renew, Renewed, Silent
from coordsidecar.core.election.phases import Elector, Leading, Resigning
from coordsidecar.core.guard import deadlines as guard_deadlines
from coordsidecar.core.guard import moves as guard_moves
from coordsidecar.core.guard import rules as guard_rules
from coordsidecar.core.guard import step as guard_core
from coordsidecar.value import replace
from tests.sim import guard_process
from tests.sim.breaking import both, patched
from tests.sim.fuse import Fuse

__all__ = [
    "a_late_yes_is_used",
    "a_session_that_lives_is_proof",
    "deadline_from_the_answers_time",
    "deadlines_move_backwards",
    "messages_before_the_clock",
    "silence_is_a_yes",
    "the_fuse_does_not_burn",
    "the_fuse_gives_the_guard_time_first",
    "the_guard_does_not_kill",
    "ttl_asked_for",
]


def deadline_from_the_answers_time() -> AbstractContextManager[None]:
    """S1: counts the lease from when the answer came, not from when the question was sent."""

    def make(renewed: Any) -> Any:
        def late(elector: Any, answer: Answered, now_s: float, aims: Any) -> Any:
            return renewed(elector, replace(answer, sent_at_s=now_s), now_s, aims)

        return late

    return patched(election_answers, "_renewed", make)


def ttl_asked_for() -> AbstractContextManager[None]:
    """S1: reckons with the TTL it asked for, not with the one that was granted."""

    return patched(election_phases, "lasting_s", lambda _: lambda _session, timing: timing.ttl_s)


def messages_before_the_clock() -> AbstractContextManager[None]:
    """S2: a renewal that was read late revives a lease that has lapsed."""

    def make(step: Any) -> Any:
        def unordered(guard: Any, event: Any, now_s: float, plan: Any) -> Any:
            if not isinstance(event, guard_moves.Heard):
                return step(guard, event, now_s, plan)
            with patched(guard_core, "_enforce_deadlines", lambda _: lambda g, *_, **__: (g, [])):
                return step(guard, event, now_s, plan)

        return unordered

    def messages_first(decide: Any) -> Any:
        def unordered(self: Any, event: Any) -> Any:
            if isinstance(event, guard_moves.Tick) and self.inbox:
                return []
            return decide(self, event)

        return unordered

    return both(
        patched(guard_core, "step", make),
        patched(guard_process.GuardProcess, "_decide", messages_first),
    )


def a_late_yes_is_used() -> AbstractContextManager[None]:
    """S5: the job starts however little of the lease is left."""

    def make_lead(lead: Any) -> Any:
        def lavish(elector: Any, held: Any, now_s: float, aims: Any) -> Any:
            elector, effects = lead(elector, held, now_s, aims)
            if isinstance(elector.phase, Resigning):
                elector = elector.to(Leading(held))
                effects = [election_rules.tell_lease(elector, held.token, aims)]
            return elector, effects

        return lavish

    def make_begin(begin: Any) -> Any:
        def lavish(guard: Any, idle: Any, lease: Any, now_s: float, plan: Any) -> Any:
            lease = replace(lease, step_down_at_s=max(lease.step_down_at_s, now_s + 1e-3))
            return begin(guard, idle, lease, now_s, plan)

        return lavish

    return both(
        patched(election_rules, "lead", make_lead),
        patched(guard_rules, "begin_leading", make_begin),
    )


def silence_is_a_yes() -> AbstractContextManager[None]:
    """S7: a renewal that was not answered counts as if it had been."""

    def make(unanswered: Any) -> Any:
        def trusting(elector: Any, answer: Any, result: Any, now_s: float, aims: Any) -> Any:
            if isinstance(answer.op, Renew) and isinstance(result, Silent):
                held = elector.phase.held if isinstance(elector.phase, Leading) else None
                answer = replace(answer, result=Renewed(elector.session.ttl_s, held))
                return election_answers._renewed(elector, answer, now_s, aims)
            return unanswered(elector, answer, result, now_s, aims)

        return trusting

    return patched(election_answers, "_unanswered", make)


def a_session_that_lives_is_proof() -> AbstractContextManager[None]:
    """S17: a look that is refused is passed over, for the session was renewed."""

    def make(unanswered: Any) -> Any:
        def trusting(elector: Any, answer: Any, result: Any, now_s: float, aims: Any) -> Any:
            if isinstance(result, Refused) and isinstance(elector.phase, Leading):
                renewed = Renewed(elector.session.ttl_s, elector.phase.held)
                answer = replace(answer, result=renewed)
                return election_answers._renewed(elector, answer, now_s, aims)
            return unanswered(elector, answer, result, now_s, aims)

        return trusting

    return patched(election_answers, "_unanswered", make)


def deadlines_move_backwards() -> AbstractContextManager[None]:
    """S1: a guard that believes the last message, and an elector that repeats an old one."""

    def make(tell_lease: Any) -> Any:
        def stuttering(elector: Elector, token: int, aims: Any) -> Any:
            effect = tell_lease(elector, token, aims)
            if int(elector.renewed_at_s * 1000) % 2:
                run_until_s = effect.message.run_until_s - aims.timing.renew_every_s * 2
                effect = replace(effect, message=replace(effect.message, run_until_s=run_until_s))
            return effect

        return stuttering

    return both(
        patched(election_rules, "tell_lease", make),
        patched(guard_core, "max", lambda _: lambda _known, offered: offered),
    )


def the_guard_does_not_kill() -> AbstractContextManager[None]:
    """S2: whatever ignores the stop signal may run on, as long as `--stop-timeout` says."""

    def make(_: Any) -> Any:
        def patient(kill_at_s: float, lease: Any, plan: Any) -> float:
            return math.inf

        return patient

    return patched(guard_deadlines, "kill_due_s", make)


def the_fuse_does_not_burn() -> AbstractContextManager[None]:
    """Guard and elector are out of action, and nobody ends the job."""
    return patched(Fuse, "_kill_trees", lambda _: lambda _self: False)


def the_fuse_gives_the_guard_time_first() -> AbstractContextManager[None]:
    """To end the job itself; as if a fuse that wakes late were never a starved one."""

    def make(spare_guard: Any) -> Any:
        def wait_first(fuse: Any, deadline_s: float, until_s: float) -> None:
            fuse._world.at(until_s, lambda: spare_guard(fuse, deadline_s, until_s))

        return wait_first

    return patched(Fuse, "_spare_guard", make)
