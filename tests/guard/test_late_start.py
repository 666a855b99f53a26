"""A start that comes too late: the guard was stopped between its decision and its order."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from coordsidecar.children.forking import Dispositions
from coordsidecar.guard.fuse import Fuse
from coordsidecar.guard.prefork import NotStartedError, Prefork
from coordsidecar.linux import boottime_s
from coordsidecar.log import Log

UNTOUCHED = Dispositions(frozenset(), frozenset())


@pytest.fixture
def fuse() -> Fuse:
    log = Log(fmt="text", election="team/job", node_id="here")
    return Fuse(log, run_mark="a-mark", guard_pidfd=-1, reserve_s=1.0)


def job_to_be(fuse: Fuse, ran: Path) -> Prefork:
    command = ["touch", str(ran)]
    return Prefork(UNTOUCHED, command, environ=os.environ, too_late=fuse.has_burnt)


def test_no_command_is_executed_once_its_lease_leaves_no_more_than_the_kill_reserve(
    fuse: Fuse, tmp_path: Path
) -> None:
    """It was forked long before, and sees the deadline as it stands when its order comes."""
    late = job_to_be(fuse, tmp_path / "late")
    fuse.lasts_until(boottime_s() + 0.9)

    with pytest.raises(NotStartedError, match="the lead was over before the job could start") as no:
        late.execute(late={}, keep_fds=[])

    assert no.value.exit_code == 125
    assert not (tmp_path / "late").exists()


@pytest.mark.parametrize("left_s", [None, 600.0], ids=["no lease", "a lease"])
def test_a_command_whose_lease_lasts_is_executed(
    fuse: Fuse, tmp_path: Path, left_s: float | None
) -> None:
    in_time = job_to_be(fuse, tmp_path / "in time")
    fuse.lasts_until(None if left_s is None else boottime_s() + left_s)

    in_time.execute(late={}, keep_fds=[])

    assert os.waitpid(in_time.pid, 0)[1] == 0
    assert (tmp_path / "in time").exists()
