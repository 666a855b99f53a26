"""The fault matrix: what is done to whoever leads, and what must follow. One page, all of it.

``NEXT``    another job takes over while the fault lasts
``NOBODY``  the job ends, and nobody can lead until the fault is over; then somebody does
``STAYS``   the fault need not disturb the job; if it does, another takes over

For how long the next one may take, the documentation has four answers:

``SOON``    no time-out has to pass
``HANG``    the elector's patience with a guard that does not answer has to pass
``TTL``     the leader was silent until its lease ran out, and was seen to be: the TTL has to pass
``LEASE``   the lease may have ended in another way: the TTL has to pass, then the takeover delay

In every cell: never two jobs at once, tokens rise, somebody leads again, nothing is left behind.

What cannot be had is played as nearly as we can. ``out of space``: etcd's alarm is raised by its
API, not by filling a disk. ``full disk``: the electors may write no file (RLIMIT_FSIZE), and so get
EFBIG, not ENOSPC. ``slow store``: its members stand still for most of the time, not their disk
alone. ``clock``: of sidecars and jobs only; the servers ask the kernel. Consul's disk is left out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from signal import SIGKILL as KILL
from signal import SIGSTOP as STOP
from typing import Literal

from coordsidecar.core.timing import Timing
from tests.chaos import deaths
from tests.chaos import strikes as do
from tests.chaos.stores import STORES
from tests.chaos.team import Team

__all__ = ["MATRIX", "Fault", "Then", "Within", "named"]


class Then(Enum):
    NEXT = "next"
    NOBODY = "nobody"
    STAYS = "stays"


class Within(Enum):
    SOON = "at once"
    HANG = "guard's silence"
    TTL = "TTL"
    LEASE = "TTL + delay"

    def bound_s(self, timing: Timing, store: str) -> float:
        """What the documentation promises, without what the processes themselves take."""
        match self:
            case Within.SOON:
                return 0.0
            case Within.HANG:
                return timing.guard_silence_s
            case Within.TTL:
                return timing.ttl_s
            case Within.LEASE:
                # Consul ends a session between one and two TTLs after the last renewal.
                ttl_s = timing.ttl_s * (2 if store == "consul" else 1)
                return ttl_s + timing.takeover_delay_s


NEXT, NOBODY, STAYS = Then
SOON, HANG, TTL, LEASE = Within
ALL = frozenset(STORES)
ETCD, LOCAL = frozenset({"etcd", "etcd+grpc"}), frozenset({"local"})
CONSUL, KUBERNETES = frozenset({"consul"}), frozenset({"kubernetes"})
NETWORK = ETCD | CONSUL | KUBERNETES
# Of an API server there is one here, and so no other to go on: it is its own majority.
CLUSTERS = ETCD | CONSUL


@dataclass(frozen=True, slots=True)
class Fault:
    """One row. ``on_local``: what follows at once where the kernel holds the lock."""

    name: str
    strike: do.Strike
    then: Then
    within: Within
    stores: frozenset[str] = ALL
    on_local: Then | None = None
    wakes: bool = False
    """The old job acts for an instant when it wakes; the referee must refuse all that it writes."""
    ends_sidecar: bool = False
    """The leader's guard does not survive."""

    hits: Literal["network", "processes"] | None = None
    """For ``two at once``, which combines one of each."""
    needs_cc: bool = False
    """A C compiler must be there."""

    def outcome(self, store: str) -> tuple[Then, Within]:
        """What must follow on this store."""
        if store == "local" and self.on_local is not None:
            return self.on_local, SOON
        return self.then, self.within


def _process(name: str, then: Then, within: Within, **signals: int) -> Fault:
    """A row of the part about processes."""
    # A guard that is killed, or found frozen; one whose job is killed follows it.
    ends = "guard" in signals or signals.get("job") == KILL
    # The lock of `local:` does not run out: it is held for as long as the guard or elector lives,
    # and a guard that lives kills an elector that is stopped.
    on_local = None
    if within is TTL:
        held = signals.get("guard") == STOP or (
            signals.get("elector") == STOP and "guard" in signals
        )
        on_local = STAYS if held else NEXT
    strike = do.send(**signals)
    return Fault(name, strike, then, within, ALL, on_local, ends_sidecar=ends, hits="processes")


def _network(
    name: str, strike: do.Strike, then: Then, within: Within, stores: frozenset[str] = NETWORK
) -> Fault:
    """A row of the part about the way to the store, and its members."""
    return Fault(name, strike, then, within, stores, hits="network")


def _host(name: str, strike: do.Strike, within: Within, stores: frozenset[str] = ALL) -> Fault:
    """A row of the part about hosts that die; the kernel frees the lock of `local:` at once."""
    return Fault(name, strike, NEXT, within, stores, on_local=NEXT, ends_sidecar=True)


@contextlib.contextmanager
def _two_at_once(team: Team) -> Iterator[int]:
    """A trouble on the way to the store or in it, and one of the leader's processes meanwhile."""
    store = team.store.scheme
    others = [fault for fault in MATRIX if store in fault.stores and fault.hits is not None]
    first, second = (
        team.dice.choice([fault for fault in others if fault.hits == hits])
        for hits in ("network", "processes")
    )
    team.drawn = f"{first.name} and {second.name}"
    with first.strike(team), second.strike(team) as struck_ns:
        yield struck_ns


# fmt: off
MATRIX = (
    #        what                                      then    within
    _process("kill guard",                             NEXT,   SOON,  guard=KILL),
    _process("kill elector",                           STAYS,  SOON,  elector=KILL),
    _process("kill job",                               NEXT,   SOON,  job=KILL),
    _process("stop guard",                             NEXT,   HANG,  guard=STOP),
    _process("stop elector",                           STAYS,  SOON,  elector=STOP),
    _process("stop job",                               STAYS,  SOON,  job=STOP),
    _process("kill guard + kill elector",              NEXT,   TTL,   guard=KILL, elector=KILL),
    # Or at once: the kernel continues what is stopped in a group that the guard's death orphans.
    _process("kill guard + stop elector",              NEXT,   TTL,   guard=KILL, elector=STOP),
    _process("kill guard + kill job",                  NEXT,   SOON,  guard=KILL, job=KILL),
    _process("kill guard + stop job",                  NEXT,   SOON,  guard=KILL, job=STOP),
    _process("stop guard + kill elector",              NEXT,   TTL,   guard=STOP, elector=KILL),
    _process("stop guard + stop elector",              NEXT,   TTL,   guard=STOP, elector=STOP),
    _process("stop guard + kill job",                  NEXT,   HANG,  guard=STOP, job=KILL),
    _process("stop guard + stop job",                  NEXT,   HANG,  guard=STOP, job=STOP),
    _process("kill elector + kill job",                NEXT,   SOON,  elector=KILL, job=KILL),
    _process("kill elector + stop job",                STAYS,  SOON,  elector=KILL, job=STOP),
    _process("stop elector + kill job",                NEXT,   HANG,  elector=STOP, job=KILL),
    _process("stop elector + stop job",                STAYS,  SOON,  elector=STOP, job=STOP),
    Fault("freeze and thaw all", do.freeze_tree,       NEXT,   TTL,   on_local=STAYS, wakes=True),

    _host("kill host",                     deaths.kill_host,             TTL),
    _host("kill host + next host",         deaths.kill_two_hosts,        TTL),
    _host("freeze next host + kill host",  deaths.freeze_next_kill_host, TTL),
    _host("kill host + kill store leader",
          do.both(do.kill_members(1), deaths.kill_host),           LEASE, CLUSTERS),
    _host("kill host + pause store leader",
          do.both(do.pause_members(1), deaths.kill_host),          LEASE, CLUSTERS),

    Fault("kill host + pause majority", do.both(do.pause_members(2), deaths.kill_host),
                                                       NOBODY, LEASE, NETWORK, ends_sidecar=True),

    _network("cut both ways",        do.CUT,               NEXT,   TTL),
    _network("cut questions",        do.CUT_OUT,           NEXT,   TTL),
    _network("cut answers",          do.CUT_IN,            NEXT,   TTL),
    _network("slow: 500 ms",         do.slow_wires(0.5),   STAYS,  LEASE),
    _network("slow: 2 s",            do.slow_wires(2.0),   NOBODY, LEASE),

    _network("kill store leader",    do.kill_members(1),   STAYS,  LEASE, CLUSTERS),
    _network("pause store leader",   do.pause_members(1),  STAYS,  LEASE, CLUSTERS),
    _network("kill majority",        do.kill_members(2),   NOBODY, LEASE),
    _network("pause majority",       do.pause_members(2),  NOBODY, LEASE),
    _network("slow store",           do.stutter,           STAYS,  LEASE),
    Fault("out of space",        do.alarm_of_space,    NOBODY, LEASE, ETCD, ends_sidecar=True),
    Fault("full disk",           do.full_disk,         NOBODY, SOON,  LOCAL, ends_sidecar=True),

    # etcd's old leader mends the record; Consul's lock-delay, and a lock file that is held by
    # another, do not let it.
    Fault("revoke lease",        do.revoke,            NEXT,   SOON,  ETCD),
    Fault("destroy session",     do.revoke,            NEXT,   LEASE, CONSUL),
    Fault("clear holder",        do.revoke,            NEXT,   SOON,  KUBERNETES),
    Fault("delete key",          do.delete_key,        NEXT,   SOON,  CLUSTERS),
    # With it goes what it told of its leader.
    Fault("delete Lease",        do.delete_key,        NEXT,   LEASE, KUBERNETES),
    Fault("delete lock file",    do.delete_key,        NEXT,   LEASE, LOCAL),
    Fault("revoke while cut off", do.both(do.CUT, do.revoke),
                                                       NEXT,   LEASE, NETWORK),
    Fault("revoke while cut off since a renewal",
          do.both(deaths.just_renewed, do.both(do.CUT, do.revoke)),
                                                       NEXT,   LEASE, NETWORK),
    Fault("revoke while cut off for some time", deaths.cut_and_later_revoke,
                                                       NEXT,   LEASE, NETWORK),
    Fault("delete Lease while cut off since a renewal",
          do.both(deaths.just_renewed, do.both(do.CUT, do.delete_key)),
                                                       NEXT,   LEASE, KUBERNETES),
    Fault("logins expire",       do.forget_tokens,     STAYS,  SOON,  ETCD),
    Fault("clock + 1 h",         do.step_clock(+3600), STAYS,  SOON, needs_cc=True),
    Fault("clock - 1 h",         do.step_clock(-3600), STAYS,  SOON, needs_cc=True),
    Fault("two at once",         _two_at_once,         STAYS,  LEASE, NETWORK, ends_sidecar=True),
)
# fmt: on


def named(name: str) -> Fault:
    """The row of this name; `ValueError` if there is none."""
    for fault in MATRIX:
        if fault.name == name:
            return fault
    raise ValueError(f"there is no fault {name!r}; there are: {', '.join(f.name for f in MATRIX)}")
