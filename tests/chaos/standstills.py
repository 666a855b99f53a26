"""Stand-stills: some of a leader's processes stop for a while, as under a debugger, and go on.

Every subset of them x how long x whether the guard is process 1. ``prefork`` is that of the first
standby: the process that is to become the next job. What must hold:

- never two jobs at once, and tokens rise. Where guard, elector and fuse all stood still, nothing
  was left to end the job in time (see the limits in ``docs/design.md``): then the referee must
  refuse all that it writes beside the next one;
- a stand-still of the guard that is longer than TTL, takeover delay and the time to step down takes
  the lead from it: another leads while it lasts, unless what stands still holds a lock file;
- once it is over, within that time, somebody leads, and soon all three are in order again.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.chaos.host import own_host, own_namespace
from tests.chaos.lane import Lane
from tests.chaos.matrix import Within
from tests.chaos.play import Outcome, judge
from tests.chaos.team import Team

__all__ = ["LANES", "STAND_STILLS", "StandStill", "play_stand_still", "stand_still_lane"]

_PARTS = ("guard", "elector", "fuse", "prefork", "job")
_LENGTHS_S = (0.2, 1.0, 3.0, 8.0, 20.0)
_NETS = {"guard", "elector", "fuse"}
# Consul ends a session when it likes within a second TTL, and grants no less than this.
_TTL_S = {"etcd": 5.0, "local": 5.0, "consul": 10.0, "kubernetes": 5.0}
_PID_ONE = "pid-1"
# Beside the bound, for a busy machine.
_SLACK_S = 20.0
# Whoever has stood still may find only now that its deadline has passed.
_WAKING_S = 1.0

LANES = tuple(f"{store} {how}" for store in _TTL_S for how in ("child", _PID_ONE))
"""A lane is a store, and whether each guard is process 1 of a PID namespace."""


@dataclass(frozen=True, slots=True)
class StandStill:
    """Who stands still, and for how long."""

    parts: tuple[str, ...]
    length_s: float

    @property
    def name(self) -> str:
        return f"{' + '.join(self.parts)}, {self.length_s:g} s"


STAND_STILLS = tuple(
    StandStill(parts, length_s)
    for count in range(1, len(_PARTS) + 1)
    for parts in itertools.combinations(_PARTS, count)
    for length_s in _LENGTHS_S
)


def stand_still_lane(name: str, folder: Path, **how: Any) -> Lane[StandStill]:
    """A lane on one server of its own; ``name`` is one of `LANES`, and a number if there are
    several."""
    store, guard, *_ = name.split()
    through = own_namespace() if guard == _PID_ONE else own_host() if store != "local" else ()
    how |= {"ttl_s": _TTL_S[store], "through": through}
    return Lane(store, folder, play=play_stand_still, alone=True, **how)


def play_stand_still(team: Team, played: StandStill) -> Outcome:
    """Stop them, let the time pass, let them go on in any order, wait, and judge.

    Failures are in the outcome. Raises `AssertionError` if something is waited for in vain.
    """
    outcome = Outcome(team.store.scheme, played.name)
    outcome.failures += judge(team.ledger.account())  # Of the time before.
    lease_s = Within.LEASE.bound_s(team.timing, team.store.scheme)
    bound_s = lease_s + team.timing.step_down_after_s
    began_ns = time.monotonic_ns()
    with _standing_still(team, played) as stopped:
        outcome.hits = len(stopped)
        team.hold(played.length_s)
        if _gives_way(team, played, bound_s) and not team.somebody_leads():
            outcome.failures.append("nobody leads while it lasts")
    over_ns = time.monotonic_ns()
    team.hold(_WAKING_S)
    team.wait_for(team.somebody_leads, "somebody to lead", within_s=bound_s + _SLACK_S)
    outcome.led_after_ms = (time.monotonic_ns() - over_ns) / 1e6
    team.settle(within_s=bound_s + _SLACK_S)
    outcome.account = team.ledger.account()
    outcome.kept = not outcome.account.stints
    since = [stint.first_ns for stint in outcome.account.stints if stint.first_ns > began_ns]
    outcome.took_ms = (since[0] - began_ns) / 1e6 if since else None
    outcome.failures += judge(outcome.account, wakes=set(played.parts) >= _NETS)
    return outcome


def _gives_way(team: Team, played: StandStill, bound_s: float) -> bool:
    """Whether by now another must lead. A job that stands still alone is left to who stopped it."""
    holds_lock = team.store.scheme == "local" and {"guard", "elector"} <= set(played.parts)
    return "guard" in played.parts and not holds_lock and played.length_s > bound_s + 5.0


@contextlib.contextmanager
def _standing_still(team: Team, played: StandStill) -> Iterator[list[psutil.Process]]:
    leader, standby = team.leader(), team.first_standby()
    find = {
        "guard": leader.guard,
        "elector": leader.elector,
        "fuse": leader.fuse,
        "prefork": lambda: standby.helper("job-to-be"),
        "job": leader.job,
    }
    processes = [find[part]() for part in played.parts]
    for process in processes:
        process.suspend()
    try:
        yield processes
    finally:
        # Whoever wakes first acts first.
        for process in team.dice.sample(processes, len(processes)):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()
