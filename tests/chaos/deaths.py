"""Whole hosts that die or stand still, and leaders that are revoked while they cannot hear of it.

Of a host, all processes die at one instant. Their kernel lives on and closes their connections,
which that of a dead host would not; no server makes anything of that.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import psutil

from tests.chaos.strikes import CUT
from tests.chaos.team import Team
from tests.e2e.at_once import kill_at_once, stop_all

__all__ = [
    "cut_and_later_revoke",
    "freeze_next_kill_host",
    "just_renewed",
    "kill_host",
    "kill_two_hosts",
]

_WAKES_AFTER_TTLS = 3
_REVOKED_WITHIN_TTLS = 0.9


# ── whole hosts ────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def kill_host(team: Team) -> Iterator[int]:
    """Kill all of the leader's processes."""
    yield kill_at_once(team.leader().everyone)


@contextlib.contextmanager
def kill_two_hosts(team: Team) -> Iterator[int]:
    """Kill all processes of the leader, and of whoever is next in line."""
    leader, following = team.leader(), team.first_standby()
    yield kill_at_once(lambda: [*leader.everyone(), *following.everyone()])


@contextlib.contextmanager
def freeze_next_kill_host(team: Team) -> Iterator[int]:
    """Stop all processes of whoever is next in line, and kill the leader's.

    Who was stopped wakes when whatever it knew has been out of date for long.
    """
    leader, following = team.leader(), team.first_standby()
    frozen, _ = stop_all(following.everyone)
    try:
        struck_ns = kill_at_once(leader.everyone)
        yield struck_ns
        wakes_s = struck_ns / 1e9 + _WAKES_AFTER_TTLS * team.timing.ttl_s
        team.hold(wakes_s - time.monotonic())
    finally:
        for process in reversed(frozen):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()


# ── a leader that is cut off does not hear that it was revoked ─────────────────────────────────


@contextlib.contextmanager
def just_renewed(team: Team) -> Iterator[int]:
    """Wait until the leader has renewed: from then on it may go on for longest."""
    leader = team.leader()
    before_s = leader.run_until_s()
    team.wait_for(lambda: leader.run_until_s() != before_s, "the leader to renew")
    yield time.monotonic_ns()


@contextlib.contextmanager
def cut_and_later_revoke(team: Team) -> Iterator[int]:
    """Cut the leader off, and end its session some time later, before it ends by itself.

    By then who is next in line may have seen that the leader is silent, or not yet.
    """
    revoke = team.store.revocation(team.election)
    later_s = team.dice.uniform(0.0, _REVOKED_WITHIN_TTLS * team.timing.ttl_s)
    team.drawn = f"after {later_s:.1f} s"
    with CUT(team) as struck_ns:
        team.hold(later_s)
        revoke()
        yield struck_ns
