"""A part of the stand-stills, each cell with three sidecars; and what would be without a rule.

All of them, in random order: ``python -m bench.chaos --sweep stand-stills``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.broken import without
from tests.chaos.cells import parametrize
from tests.chaos.conftest import Lanes
from tests.chaos.host import own_namespace
from tests.chaos.standstills import STAND_STILLS, StandStill, play_stand_still
from tests.chaos.stores import open_store
from tests.chaos.team import team_on

# The lanes run abreast. Each of the nets alone, and each pair; with a lease and with a lock; with a
# guard that can be killed and with one that cannot.
_PLAYED = {
    "etcd child": """
        guard, 20 s
        guard + elector, 8 s
        guard + elector + fuse + job, 8 s
        elector + fuse, 3 s""",
    "etcd pid-1": """
        guard + elector + job, 8 s
        guard, 8 s
        elector + prefork, 1 s""",
    "local child": """
        guard, 3 s
        guard + elector + job, 8 s
        guard + prefork, 3 s
        job, 3 s""",
    "local pid-1": """
        guard, 8 s
        guard + fuse, 3 s
        elector, 3 s""",
    "consul child": """
        guard + elector, 20 s
        guard + fuse + prefork, 3 s""",
    "kubernetes child": """
        guard + elector, 20 s
        elector + fuse, 3 s""",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    parametrize(metafunc, _PLAYED, STAND_STILLS)


def test_one_job_at_a_time_and_soon_one_whoever_stands_still(
    need_server: Callable[[str], None], stand_still_lanes: Lanes, lane: str, cell: StandStill
) -> None:
    store, guard = lane.split()
    if store != "local":
        need_server(store)
    if guard == "pid-1" and not own_namespace():
        pytest.skip("nobody may make a PID namespace here")

    outcome = stand_still_lanes.outcome(lane, cell)

    assert not outcome.failures, "\n".join([*outcome.failures, outcome.log])


def test_without_a_fuse_that_burns_a_job_goes_on_beside_the_next(
    need_server: Callable[[str], None], tmp_path: Path
) -> None:
    need_server("etcd")
    if not own_namespace():
        pytest.skip("the next leader would find the job on its own host")
    file, rule = "children/job_fuse.py", "boottime_s() >= self._told[BURNS_AT]"
    environ = without(rule, "False", file=file, folder=tmp_path)
    with (
        open_store("etcd", tmp_path / "store", alone=True) as store,
        team_on(store, tmp_path / "team", ttl_s=5.0, environ=environ) as team,
    ):
        outcome = play_stand_still(team, StandStill(("guard", "elector"), 14.0))

    assert "two jobs at once" in " ".join(outcome.failures)


def test_without_an_elector_that_buries_a_guard_that_stands_still_keeps_the_lock(
    tmp_path: Path,
) -> None:
    """Where the fuse stands still with it, which would end both."""
    file, rule = "core/election/company.py", "    if may_run(elector.phase):\n        return kill"
    environ = without(rule, f"    return elector, []\n{rule}", file=file, folder=tmp_path)
    with (
        open_store("local", tmp_path / "store", alone=True) as store,
        team_on(store, tmp_path / "team", ttl_s=5.0, environ=environ) as team,
    ):
        outcome = play_stand_still(team, StandStill(("guard", "fuse", "job"), 18.0))

    assert outcome.failures == ["nobody leads while it lasts"]
