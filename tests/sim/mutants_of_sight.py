"""Cores and stores without one of the rules of leadership by sight (S16), each with its story."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from coordsidecar.core.election import answers as election_answers
from coordsidecar.core.election import candidate
from coordsidecar.core.election import sight as election_sight
from coordsidecar.core.election.phases import limits_of
from coordsidecar.store.protocol import Behind, Held
from coordsidecar.value import replace
from tests.sim.breaking import Mutant, patched
from tests.sim.store_etcd import EtcdLike
from tests.sim.store_model import ModelStore

__all__ = ["OF_SIGHT", "SIGHT_SHOWN_BY"]

_A_MOMENT_S = 1e-6


def a_late_renewal_revives_a_term() -> AbstractContextManager[None]:
    """S16: D is over, and the next one counts on it; then a renewal is answered after all."""

    def reviving(renewed: Any) -> Any:
        def in_time(elector: Any, answer: Any, now_s: float, aims: Any) -> Any:
            until_s = elector.term_until_s(aims.timing) - _A_MOMENT_S
            return renewed(elector, answer, min(now_s, until_s), aims)

        return in_time

    return patched(election_answers, "_renewed", reviving)


def a_silence_is_judged_by_our_own_ttl() -> AbstractContextManager[None]:
    """The leader was started with a longer one."""

    def make(stand: Any) -> Any:
        def selfish(elector: Any, standing: Any, sent_at_s: float, now_s: float, aims: Any) -> Any:
            ours = limits_of(elector.session, aims.timing)
            match standing:
                case Behind(limits=limits) if limits:
                    standing = replace(standing, limits=ours)
                case Held(last_limits=limits) if limits:
                    standing = replace(standing, last_limits=ours)
                case _:
                    pass
            return stand(elector, standing, sent_at_s, now_s, aims)

        return selfish

    return patched(candidate, "stand", make)


def a_short_silence_is_proof() -> AbstractContextManager[None]:
    """Less than D: the leader was cut off for a while, renews again, and is revoked."""

    def make(seen: Any) -> Any:
        def hasty(was: Any, standing: Any, sent_at_s: float, now_s: float) -> Any:
            field = "last_limits" if isinstance(standing, Held) else "limits"
            limits = getattr(standing, field)
            if limits is not None and limits.quiet_s is not None:
                limits = replace(limits, quiet_s=0.01 * limits.quiet_s)
            return seen(was, replace(standing, **{field: limits}), sent_at_s, now_s)

        return hasty

    return patched(election_sight, "seen", make)


def evidence_is_carried_across_a_change_of_term() -> AbstractContextManager[None]:
    """A member of etcd that was deposed tells of a lease from its old memory."""

    def make(seen: Any) -> Any:
        def credulous(store: Any, standing: Any, handle: str, told: Any) -> Any:
            if told is not None:
                era = store._era
                told = replace(told, before=era, era=era)
            return seen(store, standing, handle, told)

        return credulous

    return patched(EtcdLike, "_seen", make)


def a_renewal_by_a_deposed_member_counts() -> AbstractContextManager[None]:
    """The leader renews where nobody sees it any more."""
    return patched(EtcdLike, "_renew_and_look", lambda _: ModelStore._renew_and_look)


OF_SIGHT: dict[str, Mutant] = {
    mutant.__name__: mutant
    for mutant in (
        a_late_renewal_revives_a_term,
        a_silence_is_judged_by_our_own_ttl,
        a_short_silence_is_proof,
        evidence_is_carried_across_a_change_of_term,
        a_renewal_by_a_deposed_member_counts,
    )
}

SIGHT_SHOWN_BY: dict[str, tuple[int, str]] = {
    "a_silence_is_judged_by_our_own_ttl": (
        7,
        "mixed; 0.4 cut leader 3",
    ),
    "a_short_silence_is_proof": (
        57,
        "0.4 cut leader 0.35; 0.36 cut_and_revoke leader 2",
    ),
    "evidence_is_carried_across_a_change_of_term": (
        14,
        "0.3 depose_member leader 2; 0.7 cut_and_revoke leader 2",
    ),
    "a_renewal_by_a_deposed_member_counts": (2, "0.3 depose_member leader 2"),
}
"""By mutant: a seed, and a schedule.

Of `a_late_renewal_revives_a_term` no story is known any more, after 14,000 tries: looks at the
leader are too rare for one just before such a renewal. `tests/core/election/test_end_of_term.py`
does.
"""
