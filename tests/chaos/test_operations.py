"""A part of the sweep of operations, each cell with three sidecars and a real server.

All of it, in random order: ``python -m bench.chaos --sweep operations``.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.chaos.cells import parametrize
from tests.chaos.conftest import Lanes
from tests.chaos.operations import SWEEP, Cell

# The lanes run abreast, each some two minutes. Of each kind of operation the troubles that could
# hurt: what the leader needs to go on is refused or silent for good; what may be done late, or done
# and not heard of, is what gives the election, or an orderly end, to the wrong one. "Succeed" comes
# first: who has had to open another session, under another leader, asks for no office at once (S9).
_PLAYED = {
    "etcd 1": """
        resign: late, once, leader; the leader ends
        look: refused, from now on, leader; its key is deleted
        look: silent, from now on, both; nothing else
        keepalive: answer lost, from now on, leader; nothing else
        take office: refused, from now on, first standby; its guard and elector die
        resign: answer lost, once, leader; the leader ends
        open: 500 with a page, for 8 s, leader; its key is deleted
        keepalive: answer lost, from now on, both; its guard and elector die""",
    "etcd 2": """
        resign: answer cut, once, leader; the leader ends
        take office: late, once, first standby; its key is deleted
        campaign: late, once, leader; its key is deleted
        look: late, for 8 s, both; its key is deleted
        resign: late, for 8 s, leader; its key is deleted
        close: refused, once, leader; the leader ends
        watch: silent, from now on, first standby; the leader ends
        keepalive: 200 with rubbish, for 8 s, leader; its key is deleted""",
    "consul": """
        succeed: answer lost, once, first standby; the leader ends
        resign: late, once, leader; the leader ends
        look: refused, for 8 s, both; nothing else
        keepalive: silent, from now on, leader; nothing else""",
    "kubernetes": """
        succeed: answer lost, once, first standby; the leader ends
        campaign: late, once, leader; its key is deleted
        resign: answer lost, once, leader; the leader ends
        keepalive: answer lost, from now on, leader; nothing else
        keepalive: refused, for 8 s, leader; nothing else""",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    parametrize(metafunc, _PLAYED, SWEEP)


def test_one_job_at_a_time_and_soon_one_whatever_is_troubled(
    need_server: Callable[[str], None], sweep_lanes: Lanes, lane: str, cell: Cell
) -> None:
    need_server(lane.partition(" ")[0])

    outcome = sweep_lanes.outcome(lane, cell)

    assert not outcome.failures, "\n".join([*outcome.failures, outcome.log])
    assert outcome.hits, "nobody asked so while the trouble lasted: the cell has shown nothing"
