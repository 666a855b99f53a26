"""What is left by a dead guard: who may not be killed keeps nobody else from being killed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from coordsidecar.trees.mark import RUN_VARIABLE

_NOBODY = 65534
# As nobody, who may not kill the job; but its child is our own. It ends by itself in any case.
_BURY = f"""
import os, subprocess, sys, time
from coordsidecar.trees.mark import RUN_VARIABLE
from coordsidecar.trees.remains import Remains

job = int(sys.argv[1])
os.setresuid({_NOBODY}, {_NOBODY}, {_NOBODY})
alone = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
guard = subprocess.Popen(["sleep", "60"], **alone)
child = subprocess.Popen(["sleep", "60"], env={{RUN_VARIABLE: "mark"}}, **alone)
guard_pidfd = os.pidfd_open(guard.pid)
guard.kill()
remains = Remains(guard_pid=guard.pid, guard_pidfd=guard_pidfd, run="mark", leave_out=())
remains.job_is(job, os.pidfd_open(job))
while child.poll() is None:
    assert not remains.kill_pass()
    time.sleep(remains.pause_s)
print(remains.tree_is_gone)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_a_setuid_job_shields_none_of_its_children() -> None:
    """Two jobs at once, else: guard and elector dead, and the fuse's hunt refused at the first."""
    with subprocess.Popen(["sleep", "600"], env={RUN_VARIABLE: "mark"}) as job:
        try:
            done = subprocess.run(
                [sys.executable, "-c", _BURY, str(job.pid)],
                capture_output=True, text=True, timeout=120, check=False,
            )  # fmt: skip
        finally:
            job.kill()

    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr
