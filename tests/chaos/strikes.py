"""What is done to a team. Each strike is undone when its block ends."""

from __future__ import annotations

import contextlib
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import psutil

from tests.chaos.stores import EtcdStore
from tests.chaos.team import Instance, Team
from tests.servers import ConsulServer, EtcdServer

__all__ = [
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
    "wires",
]

Strike = Callable[[Team], AbstractContextManager[None]]


# ── the processes of the leader ────────────────────────────────────────────────────────────────


def send(
    *, guard: int | None = None, elector: int | None = None, job: int | None = None
) -> Strike:
    """Send signals to the leader's processes, all at once; who was stopped goes on at the end."""

    @contextlib.contextmanager
    def strike(team: Team) -> Iterator[None]:
        leader = team.leader()
        who = ((leader.elector, elector), (leader.job, job), (leader.guard, guard))
        victims = [(find(), signum) for find, signum in who if signum is not None]
        # Whom we stop, first, lest they act on what happens to the others; the guard's death last.
        for victim, signum in sorted(victims, key=lambda each: each[1] != signal.SIGSTOP):
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.send_signal(signum)
        yield
        _go_on([victim for victim, signum in victims if signum == signal.SIGSTOP])

    return strike


@contextlib.contextmanager
def freeze_tree(team: Team) -> Iterator[None]:
    """Stop the leader's guard, elector, fuse and job, as if its host were paused; then thaw all.

    The job wakes first: the worst order.
    """
    leader = team.leader()
    guard, job = leader.guard(), leader.job()
    helpers = [child for child in guard.children() if child != job]
    for process in (guard, *helpers, job):
        process.suspend()
    yield
    _go_on([job, *helpers, guard])


def _go_on(processes: list[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()


# ── the way to the store ───────────────────────────────────────────────────────────────────────


def wires(*, outbound: bool, inbound: bool) -> Strike:
    """Let nothing through between the leader and any member, in these directions."""

    @contextlib.contextmanager
    def strike(team: Team) -> Iterator[None]:
        with _healed(leader := team.leader()):
            for wire in leader.wires:
                if outbound and inbound:
                    wire.black_hole()
                elif outbound:
                    wire.cut_outbound()
                else:
                    wire.cut_inbound()
            yield

    return strike


def slow_wires(round_trip_s: float) -> Strike:
    """Let every question and answer of all three sidecars take so long, there and back."""

    @contextlib.contextmanager
    def strike(team: Team) -> Iterator[None]:
        instances = list(team.instances)
        for instance in instances:
            for wire in instance.wires:
                wire.delay_s = round_trip_s / 2
        yield
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

    @contextlib.contextmanager
    def strike(team: Team) -> Iterator[None]:
        members = _leader_first(team)[:count]
        for member in members:
            member.kill()
        try:
            yield
        finally:
            for member in members:
                member.launch()

    return strike


def pause_members(count: int) -> Strike:
    """SIGSTOP them instead."""

    @contextlib.contextmanager
    def strike(team: Team) -> Iterator[None]:
        members = _leader_first(team)[:count]
        for member in members:
            member.pause()
        try:
            yield
        finally:
            for member in members:
                member.resume()

    return strike


def _leader_first(team: Team) -> list[EtcdServer | ConsulServer]:
    leader = team.store.leader()
    return [leader, *(member for member in team.store.members if member is not leader)]


@contextlib.contextmanager
def alarm_of_space(team: Team) -> Iterator[None]:
    """Let etcd be out of space, and kill the leader's guard: nobody can be written down."""
    assert isinstance(team.store, EtcdStore)
    leader = team.leader()
    with team.store.out_of_space():
        leader.guard().kill()
        yield


@contextlib.contextmanager
def full_disk(team: Team) -> Iterator[None]:
    """Let no elector write a file any more (RLIMIT_FSIZE), and kill the leader's guard."""
    electors = [instance.elector() for instance in team.instances]
    limits = [resource.prlimit(elector.pid, resource.RLIMIT_FSIZE) for elector in electors]
    for elector, (_, hard) in zip(electors, limits, strict=True):
        resource.prlimit(elector.pid, resource.RLIMIT_FSIZE, (0, hard))
    team.leader().guard().kill()
    yield
    for elector, limit in zip(electors, limits, strict=True):
        if elector.is_running():
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(elector.pid, resource.RLIMIT_FSIZE, limit)


# ── the operator, and time ─────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def revoke(team: Team) -> Iterator[None]:
    """End the leader's session; of `local:`, delete the lock file."""
    team.store.revoke(team.election)
    yield


@contextlib.contextmanager
def delete_key(team: Team) -> Iterator[None]:
    """Delete the leader's key."""
    team.store.delete_key(team.election)
    yield


@contextlib.contextmanager
def forget_tokens(team: Team) -> Iterator[None]:
    """Let every login to etcd expire at once."""
    assert isinstance(team.store, EtcdStore)
    team.store.forget_tokens()
    yield


def step_clock(by_s: int) -> Strike:
    """Set the wall clock of all sidecars and jobs; set it right again at the end."""

    @contextlib.contextmanager
    def strike(team: Team) -> Iterator[None]:
        team.clock.step(by_s)
        yield
        team.clock.step(0)

    return strike


def both(first: Strike, second: Strike) -> Strike:
    """One strike, and another while it lasts."""

    @contextlib.contextmanager
    def strike(team: Team) -> Iterator[None]:
        with first(team), second(team):
            yield

    return strike
