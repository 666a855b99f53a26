"""The fuse of a job that ran before it led: a deadline comes with the lead, and then it burns."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.e2e.arena import Arena
from tests.e2e.sidecars import Sidecar, Stamps, wait_for
from tests.guard.test_obedience import JOB, OPTIONS
from tests.guard.test_pid_one import UNSHARE, elector_of, guard_of

# A guard in a process of its own, for whoever is below it is ended.
_GUARD = """
import os, subprocess, sys
from coordsidecar.children.job_fuse import told_by_the_guard
from coordsidecar.guard.fuse import Fuse
from coordsidecar.linux import boottime_s
from coordsidecar.log import Log

log, pidfd = Log(fmt="text", election="e", node_id="n"), os.pidfd_open(os.getpid())
fuse = Fuse(log, *told_by_the_guard(), run_mark="none", guard_pidfd=pidfd, reserve_s=0.0)
fuse.lasts_until(None)
job = subprocess.Popen(["sleep", "600"])
fuse.start(job.pid)
print(fuse.pid, flush=True)
sys.stdin.readline()
fuse.lasts_until(boottime_s())
job.wait()
fuse.lasts_until(None)
"""


def test_it_wakes_for_a_deadline_that_comes_while_it_has_none() -> None:
    words = [sys.executable, "-c", _GUARD]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as guard:
        assert guard.stdout is not None
        fuse = psutil.Process(int(guard.stdout.readline()))
        try:
            wchan = Path(f"/proc/{fuse.pid}/wchan")
            wait_for(lambda: "poll" in wchan.read_text(), "it to sleep")

            _, said = guard.communicate("\n", timeout=60)
        finally:
            for process in (guard, fuse):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()

    assert "fuse: guard and elector let the deadline pass; ending the job" in said


@pytest.mark.parametrize("through", [(), UNSHARE], ids=["a process", "process 1"])
def test_guard_and_elector_stopped_at_once_cannot_keep_a_job_alive_that_was_told_that_it_leads(
    through: tuple[str, ...], etcd_arena: Arena
) -> None:
    arena, stamps = etcd_arena, Stamps(etcd_arena.folder / "kept")
    first = arena.start()
    arena.stamps.wait_for_stints(1)
    command = [sys.executable, "-I", "-S", str(JOB), str(stamps.path), "prompt"]
    kept = arena.start(*OPTIONS, command=command, through=through)
    wait_for(stamps.path.exists, "the job to listen")
    first.signal(signal.SIGTERM)
    stamps.wait_for_stints(1)
    arena.start(through=UNSHARE)  # From there it cannot sweep up after who led before, either.
    guard, elector = of(kept, through)

    elector.suspend()
    guard.suspend()

    after = arena.stamps.wait_for_stints(2)[1]
    size = arena.stamps.path.stat().st_size
    wait_for(lambda: arena.stamps.path.stat().st_size > size + 10_000, "the next one to work")
    assert stamps.stints()[-1].last_ns < after.first_ns


def of(sidecar: Sidecar, through: tuple[str, ...]) -> tuple[psutil.Process, psutil.Process]:
    """Its guard and its elector."""
    if not through:
        return psutil.Process(sidecar.pid), sidecar.elector()
    guard = guard_of(sidecar)
    return guard, elector_of(guard)
