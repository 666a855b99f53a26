"""What is done to a team. Each strike is undone when its block ends.

The block's value is the moment of the blow, on CLOCK_MONOTONIC in ns.
"""

from __future__ import annotations

import contextlib
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import psutil

from tests.chaos.instance import Instance
from tests.chaos.stores import EtcdStore, Member
from tests.chaos.team import Team

__all__ = [
    "CUT",
    "CUT_IN",
    "CUT_OUT",
    "Strike",
    "alarm_of_space",
    "both",
    "delete_key",
    "forget_tokens",
    "freeze_tree",
    "full_disk",
    "kill_members",
    "pause_members",
    "revoke",
    "send",
    "slow_wires",
    "step_clock",
    "stutter",
]

Strike = Callable[[Team], AbstractContextManager[int]]


# ── the processes of the leader ────────────────────────────────────────────────────────────────


def send(*, guard: int | None = None, elector: int | None = None, job: int | None = None) -> Strike:
    """Send signals to the leader's processes, all at once; who was stopped goes on at the end."""

    @contextlib.contextmanager
    def strike(team: Team) -> Iterator[int]:
        leader = team.leader()
        who = ((leader.elector, elector), (leader.job, job), (leader.guard, guard))
        victims = [(find(), signum) for find, signum in who if signum is not None]
        # All stand still first, lest one acts on what happens to another.
        struck_ns = time.monotonic_ns()
        for victim, _ in victims:
            victim.suspend()
        for victim, signum in victims:
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.send_signal(signum)
        yield struck_ns
        _go_on([victim for victim, signum in victims if signum == signal.SIGSTOP])

    return strike


@contextlib.contextmanager
def freeze_tree(team: Team) -> Iterator[int]:
    """Stop the leader's guard, elector, fuse and job, as if its host were paused; then thaw all.

    The job wakes first: the worst order.
    """
    leader = team.leader()
    guard, job = leader.guard(), leader.job()
    helpers = [child for child in guard.children() if child != job]
    struck_ns = time.monotonic_ns()
    for process in (guard, *helpers, job):
        process.suspend()
    yield struck_ns
    _go_on([job, *helpers, guard])


def _go_on(processes: list[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()


# ── the way to the store ───────────────────────────────────────────────────────────────────────


def _wires(*, outbound: bool, inbound: bool) -> Strike:
    """Let nothing through between the leader and any member, in these directions."""

    @contextlib.contextmanager
    def strike(team: Team) -> Iterator[int]:
        with _healed(leader := team.leader()):
            struck_ns = time.monotonic_ns()
            for wire in leader.wires:
                if outbound and inbound:
                    wire.black_hole()
                elif outbound:
                    wire.cut_outbound()
                else:
                    wire.cut_inbound()
            yield struck_ns

    return strike


CUT = _wires(outbound=True, inbound=True)
CUT_OUT = _wires(outbound=True, inbound=False)
CUT_IN = _wires(outbound=False, inbound=True)


def slow_wires(round_trip_s: float) -> Strike:
    """Let every question and answer of all three sidecars take so long, there and back."""

    @contextlib.contextmanager
    def strike(team: Team) -> Iterator[int]:
        instances, struck_ns = list(team.instances), time.monotonic_ns()
        for instance in instances:
            for wire in instance.wires:
                wire.delay_s = round_trip_s / 2
        yield struck_ns
        for instance in (*instances, *team.instances):
            for wire in instance.wires:
                wire.delay_s = 0.0

    return strike


@contextlib.contextmanager
def _healed(instance: Instance) -> Iterator[None]:
    try:
        yield
    finally:
        for wire in instance.wires:
            wire.heal()


# ── the members of the store ───────────────────────────────────────────────────────────────────


def kill_members(count: int) -> Strike:
    """SIGKILL the store's leader and as many others as make ``count``; start them again."""
    return _members(count, lambda member: member.kill(), lambda member: member.launch())


def pause_members(count: int) -> Strike:
    """SIGSTOP them instead."""
    return _members(count, lambda member: member.pause(), lambda member: member.resume())


def _members(count: int, down: Callable[[Member], None], up: Callable[[Member], None]) -> Strike:
    @contextlib.contextmanager
    def strike(team: Team) -> Iterator[int]:
        members = _leader_first(team)[:count]
        struck_ns = time.monotonic_ns()
        for member in members:
            down(member)
        try:
            yield struck_ns
        finally:
            for member in members:
                up(member)

    return strike


@contextlib.contextmanager
def stutter(team: Team) -> Iterator[int]:
    """Let every member stand still for four fifths of the time, as if for its disk."""
    over = threading.Event()

    def run() -> None:
        while not over.is_set():
            for member in team.store.members:
                member.pause()
            time.sleep(0.2)
            for member in team.store.members:
                member.resume()
            time.sleep(0.05)

    thread = threading.Thread(target=run)
    struck_ns = time.monotonic_ns()
    thread.start()
    try:
        yield struck_ns
    finally:
        over.set()
        thread.join()


def _leader_first(team: Team) -> list[Member]:
    leader = team.store.leader()
    return [leader, *(member for member in team.store.members if member is not leader)]


@contextlib.contextmanager
def alarm_of_space(team: Team) -> Iterator[int]:
    """Let etcd be out of space, and kill the leader's guard: nobody can be written down."""
    assert isinstance(team.store, EtcdStore)
    leader = team.leader()
    with team.store.out_of_space():
        struck_ns = time.monotonic_ns()
        leader.guard().kill()
        yield struck_ns


@contextlib.contextmanager
def full_disk(team: Team) -> Iterator[int]:
    """Let no elector write a file any more (RLIMIT_FSIZE), and kill the leader's guard."""
    electors = [instance.elector() for instance in team.instances]
    limits = [resource.prlimit(elector.pid, resource.RLIMIT_FSIZE) for elector in electors]
    for elector, (_, hard) in zip(electors, limits, strict=True):
        resource.prlimit(elector.pid, resource.RLIMIT_FSIZE, (0, hard))
    leader = team.leader()
    struck_ns = time.monotonic_ns()
    leader.guard().kill()
    yield struck_ns
    for elector, limit in zip(electors, limits, strict=True):
        if elector.is_running():
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(elector.pid, resource.RLIMIT_FSIZE, limit)


# ── the operator, and time ─────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def revoke(team: Team) -> Iterator[int]:
    """End the leader's session, or its being named; of `local:`, delete the lock file."""
    yield team.store.revoke(team.election)


@contextlib.contextmanager
def delete_key(team: Team) -> Iterator[int]:
    """Delete the leader's key, or the Lease."""
    yield team.store.delete_key(team.election)


@contextlib.contextmanager
def forget_tokens(team: Team) -> Iterator[int]:
    """Let every login to etcd expire at once."""
    assert isinstance(team.store, EtcdStore)
    struck_ns = time.monotonic_ns()
    team.store.forget_tokens()
    yield struck_ns


def step_clock(by_s: int) -> Strike:
    """Set the wall clock of all sidecars and jobs; set it right again at the end."""

    @contextlib.contextmanager
    def strike(team: Team) -> Iterator[int]:
        struck_ns = time.monotonic_ns()
        team.clock.step(by_s)
        yield struck_ns
        team.clock.step(0)

    return strike


def both(first: Strike, second: Strike) -> Strike:
    """One strike, and another while it lasts."""

    @contextlib.contextmanager
    def strike(team: Team) -> Iterator[int]:
        with first(team), second(team) as struck_ns:
            yield struck_ns

    return strike
