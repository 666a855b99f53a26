"""Plays one cell: a fault befalls whoever leads, and afterwards all accounts must be in order."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from tests.chaos.instance import Gauge
from tests.chaos.ledger import Account, Stint
from tests.chaos.matrix import Fault, Then
from tests.chaos.team import Team

__all__ = ["Outcome", "judge", "play", "quiet"]

# However long the documentation allows, and this much for a busy machine.
_SLACK_S = 60.0
# A job stamps every two milliseconds; nobody leads if none has for so long.
_NOBODY_NS = 2e9
# The fault lasts on for so long beside the next job, lest its end saves an old one that lives on.
_LOOK_S = 0.5
# Connections come and go, and a leader holds more than a standby; a leak shows over many faults.
_SPARE_DESCRIPTORS = 16
_SPARE_KB = 16 * 1024


@dataclass(slots=True)
class Outcome:
    """What became of one cell."""

    store: str
    fault: str
    account: Account = field(default_factory=Account)
    drawn: str = ""
    """What the fault has drawn, if it draws."""
    kept: bool = False
    """The same job went on."""
    took_ms: float | None = None
    """From the fault, or where nobody can lead from its end, to the next job's first stamp."""
    hits: int = 0
    """Of the sweep: how many requests the trouble has befallen."""
    led_after_ms: float = 0.0
    """Of the sweep: from the end of the trouble until somebody led."""
    gauges: dict[int, Gauge] = field(default_factory=dict)
    """What guards and electors hold afterwards, by pid."""
    quiet_s: float = 0.0
    """How long nothing was done before."""
    restless: int = 0
    """How often the lead changed meanwhile, for no reason."""
    failures: list[str] = field(default_factory=list)
    log: str = ""
    """Of a failure: the last lines of every sidecar."""


def play(team: Team, fault: Fault) -> Outcome:
    """Strike, wait for what must follow, undo it, wait until the team has settled, and judge.

    Failures are in the outcome. Raises `AssertionError` if something is waited for in vain.
    """
    outcome = Outcome(team.store.scheme, fault.name)
    then, within = fault.outcome(team.store.scheme)
    patience_s = 2 * within.bound_s(team.timing, team.store.scheme) + _SLACK_S
    gauges = team.gauges()
    outcome.failures += judge(team.ledger.account())  # Of the time before.
    before = team.ledger.newest()
    with fault.strike(team) as began_ns:
        match then:
            case Then.NEXT:
                _wait_for_another(team, before, patience_s)
                team.hold(_LOOK_S)
            case Then.NOBODY:
                # One that was elected just before may still begin, for as long as its lease lasts.
                team.wait_for(lambda: _is_silent(team), "every job to end")
                before = team.ledger.latest
            case Then.STAYS:
                team.hold(team.timing.ttl_s)
        if then is Then.NOBODY:
            began_ns = time.monotonic_ns()
    if then is Then.NOBODY:
        _wait_for_another(team, before, patience_s)
    elif then is Then.STAYS:
        team.hold(_LOOK_S)  # Whoever was frozen may find only now that its deadline has passed.
    team.settle(within_s=patience_s)
    outcome.account = team.ledger.account()
    _judge(outcome, fault, began_ns)
    outcome.gauges = team.gauges()
    _judge_growth(outcome, gauges)
    return outcome


def quiet(team: Team, length_s: float) -> int:
    """Do nothing for so long; return how often the lead changed for no reason."""
    before = team.ledger.newest()
    team.hold(length_s)
    return int(team.ledger.newest() is not before)


def _is_silent(team: Team) -> bool:
    latest = team.ledger.newest()
    return latest is None or time.monotonic_ns() - latest.last_ns > _NOBODY_NS


def _wait_for_another(team: Team, before: Stint | None, patience_s: float) -> None:
    def another() -> bool:
        return team.ledger.newest() is not before

    team.wait_for(another, "the next job", within_s=patience_s)


def _judge(outcome: Outcome, fault: Fault, began_ns: int) -> None:
    stints = outcome.account.stints
    outcome.kept = not stints
    since = [stint.first_ns for stint in stints if stint.first_ns > began_ns]
    if since:
        outcome.took_ms = (since[0] - began_ns) / 1e6
    outcome.failures += judge(outcome.account, wakes=fault.wakes)


def judge(account: Account, *, wakes: bool = False) -> list[str]:
    """Everything that must not be. ``wakes``: late writes may be, if they are refused."""
    found = [f"the token went back: {what}" for what in account.backward]
    for overlap in account.overlaps:
        pair = f"{overlap.old.token} beside {overlap.new.token}"
        if not wakes:
            found.append(f"two jobs at once for {overlap.ms:.1f} ms: {pair}")
        elif overlap.accepted:
            found.append(f"{overlap.accepted} late writes were accepted: {pair}")
    return found


def _judge_growth(outcome: Outcome, before: dict[int, Gauge]) -> None:
    for pid, now in outcome.gauges.items():
        was = before.get(pid, now)
        if now.descriptors > was.descriptors + _SPARE_DESCRIPTORS:
            what = f"from {was.descriptors} to {now.descriptors} descriptors"
            outcome.failures.append(f"the {now.kind} went {what}")
        if now.own_kb > was.own_kb + _SPARE_KB:
            outcome.failures.append(f"the {now.kind} went from {was.own_kb} to {now.own_kb} KB")
