"""A Lease that an operator deletes takes along all that it told of its leader."""

from __future__ import annotations

from tests.e2e.arena import Arena
from tests.e2e.sidecars import wait_for
from tests.servers.leases import OperatedLease


def test_who_finds_no_lease_waits_for_a_leader_that_may_not_know_it(
    arena: Arena, lease: OperatedLease
) -> None:
    """Nobody stood by, so nobody knows of the leader; and it is cut off, and so runs on."""
    arena.ttl = "12s"
    wire = arena.proxy()
    leader = arena.start(by=wire)
    arena.stamps.wait_for_stints(1)

    wire.black_hole()
    lease.delete()
    arena.start()

    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()
    assert not leader.leads()


def test_a_leader_whose_lease_is_deleted_stops_at_once(arena: Arena, lease: OperatedLease) -> None:
    arena.pair()

    lease.delete()

    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()
    wait_for(lambda: lease.holder(), "the Lease to be there again, and held")
