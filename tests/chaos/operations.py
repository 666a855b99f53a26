"""Trouble with one kind of operation alone: what is asked x what becomes of it x how long x who.

A team of three, each behind a gate that reads its requests. While a trouble lasts, something
happens that makes the operation matter: the leader ends, dies, or loses its key. What must hold:

- never two jobs at once, and tokens rise;
- one of the three has no trouble, so somebody leads, even if the trouble lasts for ever: once the
  TTL, the takeover delay and the time to step down have passed, and the first two again should
  the one in trouble be the next in line;
- so once it is over, and soon all three are in order again.
"""

from __future__ import annotations

import contextlib
import itertools
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import psutil

from tests.chaos.instance import Instance
from tests.chaos.lane import Lane
from tests.chaos.matrix import Within
from tests.chaos.play import Outcome, judge
from tests.chaos.team import Team
from tests.servers import Gate, Operation, Trouble

__all__ = ["SWEEP", "Cell", "Length", "Meanwhile", "Who", "sweep_lane"]

_WHILE_S = 8.0
_PLAYS_MORE = 2
# Consul ends a session when it likes within a second TTL, and grants no less than this.
_TTL_S = {"etcd": 5.0, "consul": 10.0, "kubernetes": 5.0}
# Beside the bound, for a busy machine.
_SLACK_S = 20.0


class Length(Enum):
    ONCE = "once"
    WHILE = "for 8 s"
    EVER = "from now on"


class Who(Enum):
    LEADER = "leader"
    STANDBY = "first standby"
    BOTH = "both"


class Meanwhile(Enum):
    NOTHING = "nothing else"
    ENDS = "the leader ends"
    DIES = "its guard and elector die"
    DELETED = "its key is deleted"


LEADER, STANDBY, BOTH = Who
NOTHING, ENDS, DIES, DELETED = Meanwhile
# Who asks so in these stores (a Lease is not opened, nor closed), and what makes them ask, or makes
# it matter that they do.
_ROWS = {
    Operation.OPEN: ((LEADER, DELETED),),
    Operation.KEEPALIVE: ((LEADER, NOTHING), (LEADER, DELETED), (STANDBY, NOTHING), (BOTH, DIES)),
    Operation.LOOK: (
        *((LEADER, NOTHING), (LEADER, DELETED), (BOTH, NOTHING), (BOTH, DELETED)),
        *((STANDBY, ENDS), (STANDBY, DIES), (STANDBY, DELETED)),
    ),
    Operation.CAMPAIGN: ((LEADER, DELETED), (STANDBY, DIES)),
    Operation.SUCCEED: ((STANDBY, ENDS), (STANDBY, DIES), (BOTH, DELETED)),
    Operation.TAKE_OFFICE: ((STANDBY, DIES), (STANDBY, DELETED)),
    Operation.RESIGN: ((LEADER, ENDS), (LEADER, DELETED)),
    Operation.CLOSE: ((LEADER, ENDS), (LEADER, DELETED)),
    Operation.WATCH: ((LEADER, NOTHING), (LEADER, DELETED), (STANDBY, ENDS), (BOTH, DELETED)),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One trouble, and what happens meanwhile."""

    operation: Operation
    trouble: Trouble
    length: Length
    who: Who
    meanwhile: Meanwhile

    @property
    def name(self) -> str:
        what = (
            f"{self.operation.value}: {self.trouble.value}, {self.length.value}, {self.who.value}"
        )
        return f"{what}; {self.meanwhile.value}"


SWEEP = tuple(
    Cell(operation, trouble, length, who, meanwhile)
    for operation, rows in _ROWS.items()
    for trouble, length, (who, meanwhile) in itertools.product(Trouble, Length, rows)
)


def sweep_lane(name: str, folder: Path, **how: Any) -> Lane[Cell]:
    """A lane on one server of its own; ``name`` is its store, and a number if there are several."""
    store = name.partition(" ")[0]
    return Lane(store, folder, play=play_cell, ttl_s=_TTL_S[store], alone=True, gated=True, **how)


def play_cell(team: Team, played: Cell) -> Outcome:
    """Play it; again, if nobody asked so meanwhile: who is next in line may change."""
    outcome = _play(team, played)
    for _ in range(_PLAYS_MORE):
        if outcome.hits or outcome.failures:
            break
        outcome = _play(team, played)
    return outcome


def _play(team: Team, played: Cell) -> Outcome:
    """Give the trouble, let happen what happens meanwhile, end it, wait, and judge.

    Failures are in the outcome. Raises `AssertionError` if something is waited for in vain.
    """
    outcome = Outcome(team.store.scheme, played.name)
    outcome.failures += judge(team.ledger.account())  # Of the time before.
    began_ns = time.monotonic_ns()
    lease_s = Within.LEASE.bound_s(team.timing, team.store.scheme)
    # Whoever is next may be refused as well, and makes way; then the one after waits for a delay.
    bound_s = 2 * lease_s + team.timing.step_down_after_s
    with _trouble(team, played) as gates:
        _happen(team, played.meanwhile)
        match played.length:
            case Length.ONCE:
                _hold_until_hit(team, gates)
            case Length.WHILE:
                team.hold(_WHILE_S)
            case Length.EVER:
                team.hold(bound_s)
                _wait_for_a_leader(team, "while the trouble lasts", _SLACK_S)
        outcome.hits = sum(gate.hits for gate in gates)
    over_ns = time.monotonic_ns()
    _wait_for_a_leader(team, "once the trouble is over", bound_s + _SLACK_S)
    outcome.led_after_ms = (time.monotonic_ns() - over_ns) / 1e6
    team.settle(within_s=bound_s + _SLACK_S)
    outcome.account = team.ledger.account()
    outcome.kept = not outcome.account.stints
    since = [stint.first_ns for stint in outcome.account.stints if stint.first_ns > began_ns]
    outcome.took_ms = (since[0] - began_ns) / 1e6 if since else None
    outcome.failures += judge(outcome.account)
    return outcome


@contextlib.contextmanager
def _trouble(team: Team, played: Cell) -> Iterator[list[Gate]]:
    gates = [gate for victim in _victims(team, played.who) for gate in victim.gates]
    for gate in gates:
        gate.trouble(played.operation, played.trouble, once=played.length is Length.ONCE)
    try:
        yield gates
    finally:
        for gate in gates:
            gate.heal()


def _victims(team: Team, who: Who) -> list[Instance]:
    match who:
        case Who.LEADER:
            return [team.leader()]
        case Who.STANDBY:
            return [team.first_standby()]
        case Who.BOTH:
            return [team.leader(), team.first_standby()]


def _happen(team: Team, meanwhile: Meanwhile) -> None:
    match meanwhile:
        case Meanwhile.NOTHING:
            pass
        case Meanwhile.ENDS:
            team.leader().guard().send_signal(signal.SIGTERM)
        case Meanwhile.DIES:
            leader = team.leader()
            both = [leader.elector(), leader.guard()]
            for process in both:
                process.suspend()
            for process in both:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        case Meanwhile.DELETED:
            team.store.delete_key(team.election)


def _hold_until_hit(team: Team, gates: list[Gate]) -> None:
    """Until the trouble has befallen each of them; or for a while, since it may not."""
    until_s = time.monotonic() + team.timing.ttl_s + team.timing.takeover_delay_s
    while time.monotonic() < until_s and not all(gate.hits for gate in gates):
        team.hold(0.02)


def _wait_for_a_leader(team: Team, when: str, within_s: float) -> None:
    team.wait_for(team.somebody_leads, f"somebody to lead {when}", within_s=within_s)
