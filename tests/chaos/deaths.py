"""Whole hosts that die or stand still, and leaders that are revoked while they cannot hear of it.

Of a host, all processes die at one instant. Their kernel lives on and closes their connections,
which that of a dead host would not; no server makes anything of that.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator

import psutil

from tests.chaos.strikes import CUT
from tests.chaos.team import Team

__all__ = [
    "cut_and_later_revoke",
    "freeze_next_kill_host",
    "just_renewed",
    "kill_at_once",
    "kill_host",
    "kill_two_hosts",
]

_WAKES_AFTER_TTLS = 3
_REVOKED_WITHIN_TTLS = 0.9


def kill_at_once(find: Callable[[], Iterable[psutil.Process]]) -> int:
    """Kill whoever ``find`` finds, in such a way that nobody acts on the death of another.

    ``find`` names parents before their children. Returns when, on CLOCK_MONOTONIC in ns.
    """
    victims, struck_ns = _stop_all(find)
    # Children go first: the kernel continues who is stopped in a group that a death orphans.
    for victim in reversed(victims):
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.kill()
    return struck_ns


def _stop_all(find: Callable[[], Iterable[psutil.Process]]) -> tuple[list[psutil.Process], int]:
    """Stop whoever ``find`` finds, until it finds nobody new; return them, and since when."""
    stopped: list[psutil.Process] = []
    new = list(find())
    struck_ns = time.monotonic_ns()
    while new:
        for process in new:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
        stopped += new
        # Who was about to fork has a child by now.
        new = [process for process in find() if process not in stopped]
    return stopped, struck_ns


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
    frozen, _ = _stop_all(following.everyone)
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
