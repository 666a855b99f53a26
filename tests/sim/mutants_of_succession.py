"""Cores that misunderstand what it is to be appointed by whoever resigns, each with its story."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from coordsidecar.core.election import rules as election_rules
from coordsidecar.core.election import step as election_core
from coordsidecar.core.election.phases import Waiting
from coordsidecar.value import replace
from tests.sim.breaking import Mutant, patched

__all__ = ["OF_SUCCESSION", "SUCCESSION_SHOWN_BY"]


def _appointed_with(change: Any) -> AbstractContextManager[None]:
    """What the elector knows is another as it takes an appointment."""

    def make(appointed: Any) -> Any:
        def changed(elector: Any, held: Any, now_s: float, aims: Any) -> Any:
            return appointed(replace(elector, **change(elector, now_s)), held, now_s, aims)

        return changed

    return patched(election_rules, "appointed", make)


def a_renewal_that_looked_at_nothing_is_one_to_lead_by() -> AbstractContextManager[None]:
    """It was appointed, its key was deleted, and then it renewed a session without a key."""
    return _appointed_with(lambda elector, _now_s: {"behind_from_s": elector.renewed_at_s})


def an_appointment_counts_from_when_it_is_seen() -> AbstractContextManager[None]:
    """A watch may be late by more than a TTL."""
    return _appointed_with(lambda _elector, now_s: {"behind_from_s": now_s})


def an_appointment_of_long_ago_is_news() -> AbstractContextManager[None]:
    """It was appointed, lost its key, and stands behind somebody else since."""

    def make(_is_news: Any) -> Any:
        return lambda elector, _handle, _appointed: isinstance(elector.phase, Waiting)

    return patched(election_core, "_is_news", make)


OF_SUCCESSION: dict[str, Mutant] = {
    mutant.__name__: mutant
    for mutant in (
        a_renewal_that_looked_at_nothing_is_one_to_lead_by,
        an_appointment_counts_from_when_it_is_seen,
        an_appointment_of_long_ago_is_news,
    )
}

SUCCESSION_SHOWN_BY: dict[str, tuple[int, str]] = {
    "a_renewal_that_looked_at_nothing_is_one_to_lead_by": (
        585,
        "0.5 delay_watches standby 1.6; 0.3 kill_job leader 0.13; 0.11 delete_key leader 0.07; "
        "0.09 cut standby 0.8",
    ),
    "an_appointment_counts_from_when_it_is_seen": (
        277,
        "0.4 suspend_host standby 2.4; 0.02 kill_job leader 0",
    ),
    "an_appointment_of_long_ago_is_news": (
        139,
        "0.27 delay_watches standby 3.25; 0.12 kill_job leader 0.05; 0.05 delete_key leader 0.05",
    ),
}
