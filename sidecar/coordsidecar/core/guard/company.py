"""The guard and its elector: terms that are over, and are to be released by somebody."""

from __future__ import annotations

from coordsidecar.core import messages as msg
from coordsidecar.core.guard.moves import Effect, Plan, Report, Tell
from coordsidecar.core.guard.phases import Guard
from coordsidecar.store.history import LONGEST_WHY
from coordsidecar.value import replace

Step = tuple[Guard, list[Effect]]


def given_back(guard: Guard, lease: msg.Leased, plan: Plan, rest_s: float = 0.0) -> Guard:
    """The term is over, to be released by an elector; a lease on it may still be on its way.

    We do not stand again for ``rest_s``, whatever becomes of the elector.
    """
    return replace(
        guard,
        unreleased=lease.token,
        token_floor=max(guard.token_floor, lease.token),
        release_due_s=release_due_s(guard, lease.run_until_s, plan),
        rest_until_s=guard.last_step_s + rest_s,
    )


def release_due_s(guard: Guard, run_until_s: float, plan: Plan) -> float:
    """When an elector must have released: it gives up itself once the session is over."""
    timing = plan.timing
    over_s = max(guard.last_step_s, run_until_s + timing.margin_s)
    return over_s + 2 * timing.rpc_timeout_s + timing.elector_silence_s


def refuse_term(guard: Guard, offer: msg.Leased) -> Step:
    """No job under a token that is not above all that were seen: not a word of it would be wrong,
    for the elector would lead without a job, for ever."""
    if offer.token == guard.unreleased:
        return guard, []  # It was on its way when the term was given back.
    why = f"token {offer.token} is not above {guard.token_floor}, which was seen here; releasing it"
    refused = because(replace(guard, why=""), "its token was seen before")
    release = release_effects(refused, offer.token, 0.0, leave=False)
    return guard, [Report("token-refused", why, offer.token), *release]


def unfit(guard: Guard) -> str:
    """Why we do not stand; nor may a lead begin that was on its way when we heard of it."""
    return f"it is unhealthy: {guard.condition.why}"


def because(guard: Guard, why: str) -> Guard:
    """Note why the lead ends, unless something else came first."""
    return guard if guard.why else replace(guard, why=why[:LONGEST_WHY])


def release_effects(guard: Guard, token: int, rest_s: float, *, leave: bool) -> list[Effect]:
    return [Tell(msg.TreeGone(token, rest_s, leave, guard.why))]
