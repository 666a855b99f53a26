"""A part of the fault matrix, each cell with three sidecars and a real cluster.

The whole matrix, for as long as you like: ``python -m bench.chaos``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tests.chaos.clock import can_be_stepped
from tests.chaos.conftest import Lanes
from tests.chaos.matrix import Fault, named

# The stores' lanes run abreast, so what counts is the longest: some three minutes. etcd, the store
# that most will use, plays one of each kind: each process alone, the pairs in which nobody is left
# to resign, each way of being cut off, each trouble of the cluster, each of the operator's. The
# others play those in which they differ. `local:` has no TTL: what ends or keeps its lock. Consul
# has an expiry, a lock-delay and a raft of its own. The gRPC transport shares etcd's recipe: what
# its connections alone decide.
_PLAYED = {
    "etcd": """
        kill guard, kill elector, kill job, stop guard, stop elector, stop job,
        kill guard + kill elector, stop guard + stop elector, stop guard + kill elector,
        stop elector + kill job, freeze and thaw all,
        kill host, kill host + next host, freeze next host + kill host,
        kill host + kill store leader, kill host + pause store leader,
        cut both ways, cut questions, cut answers, slow: 2 s,
        kill store leader, pause store leader, kill majority, out of space,
        revoke lease, delete key, revoke while cut off, revoke while cut off since a renewal,
        revoke while cut off for some time, logins expire, clock + 1 h""",
    "consul": """
        kill guard, stop guard + stop elector, freeze and thaw all,
        kill host, kill host + next host, freeze next host + kill host,
        kill host + kill store leader, kill host + pause store leader,
        cut both ways, pause store leader, kill majority,
        destroy session, delete key, revoke while cut off, revoke while cut off since a renewal,
        revoke while cut off for some time""",
    "local": """
        kill guard, kill elector, kill job, stop guard, kill guard + kill elector,
        stop guard + stop elector, kill elector + kill job, freeze and thaw all,
        kill host, freeze next host + kill host,
        full disk, delete lock file, clock - 1 h""",
    "etcd+grpc": """
        kill elector, kill host, cut both ways, kill store leader, revoke lease, logins expire""",
    "kubernetes": """
        kill guard, stop guard + stop elector, freeze and thaw all,
        kill host, kill host + next host, freeze next host + kill host, kill host + pause majority,
        cut both ways, cut questions, cut answers, slow: 2 s, kill majority, pause majority,
        clear holder, delete Lease, delete Lease while cut off since a renewal,
        revoke while cut off, revoke while cut off since a renewal,
        revoke while cut off for some time""",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    stores = [*_PLAYED]
    if not metafunc.config.getoption("--kubernetes"):
        stores.remove("kubernetes")
    metafunc.parametrize(("lane", "cell"), _cells(stores))


def _cells(stores: Iterable[str]) -> list[Any]:
    names = [(store, name.strip()) for store in stores for name in _PLAYED[store].split(",")]
    return [pytest.param(store, named(name), id=f"{store}-{name}") for store, name in names]


def test_one_job_at_a_time_and_soon_one(
    request: pytest.FixtureRequest,
    need_server: Callable[[str], None],
    lanes: Lanes,
    lane: str,
    cell: Fault,
) -> None:
    if lane == "kubernetes":
        request.getfixturevalue("need_kubernetes")
    elif lane != "local":
        need_server(lane.partition("+")[0])
    if cell.needs_cc and not can_be_stepped():
        pytest.skip("no C compiler here to make a wall clock with that can be stepped")

    outcome = lanes.outcome(lane, cell)

    assert not outcome.failures, "\n".join([*outcome.failures, outcome.log])
