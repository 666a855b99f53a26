"""A start that comes too late: the guard was stopped between its decision and its order."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# In a process of its own, as the guard is: who forks must have no other thread.
_PROGRAM = """
import os, sys
from coordsidecar.children.forking import Dispositions
from coordsidecar.children.job_fuse import told_by_the_guard
from coordsidecar.guard.fuse import Fuse
from coordsidecar.guard.prefork import Prefork
from coordsidecar.linux import boottime_s
from coordsidecar.log import Log

ran, left_s = sys.argv[1:]
log = Log(fmt="text", election="team/job", node_id="here")
fuse = Fuse(log, *told_by_the_guard(), run_mark="a-mark", guard_pidfd=-1, reserve_s=1.0)
untouched = Dispositions(frozenset(), frozenset())
job = Prefork(untouched, ["touch", ran], environ=os.environ, too_late=fuse.has_burnt)
fuse.lasts_until(boottime_s() + float(left_s) if left_s else None)
job.order(late={}, keep_fds=[])
_, status = os.waitpid(job.pid, 0)
assert job.hear()
if job.not_started is not None:
    print(job.not_started)
    sys.exit(job.not_started.exit_code)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def start(ran: Path, left_s: str) -> subprocess.CompletedProcess[str]:
    """Order a job that was forked before its lease was told to last for so long."""
    return subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(ran), left_s],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_no_command_is_executed_once_its_lease_leaves_no_more_than_the_kill_reserve(
    tmp_path: Path,
) -> None:
    """It was forked long before, and sees the deadline as it stands when its order comes."""
    late = start(tmp_path / "late", "0.9")

    assert (late.returncode, late.stderr) == (125, "")
    assert "the lead was over before the job could start" in late.stdout
    assert not (tmp_path / "late").exists()


@pytest.mark.parametrize("left_s", ["", "600"], ids=["no lease", "a lease"])
def test_a_command_whose_lease_lasts_is_executed(tmp_path: Path, left_s: str) -> None:
    in_time = start(tmp_path / "in time", left_s)

    assert (in_time.returncode, in_time.stderr) == (0, "")
    assert (tmp_path / "in time").exists()


_UNUSED = """
import os, sys
from coordsidecar.children.forking import Dispositions
from coordsidecar.guard.prefork import Prefork

def acts():
    print("it acts", flush=True)
    return 0

untouched = Dispositions(frozenset(), frozenset())
for instead in (None, acts):
    words = ["echo", "it acts"]
    how = {"environ": os.environ, "too_late": lambda: False, "instead": instead}
    job = Prefork(untouched, words, **how)
    job._link.close()
    _, status = os.waitpid(job.pid, 0)
    print(os.waitstatus_to_exitcode(status))
"""


def test_who_is_never_told_to_start_does_not_take_the_end_of_its_guard_for_an_order() -> None:
    """The app of attach would go on, with nobody left to hold it."""
    done = subprocess.run(
        [sys.executable, "-c", _UNUSED], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.stdout, done.stderr) == ("125\n125\n", "")
