"""The fuse, once its time has come: the job first, then words, and its guard last of all."""

from __future__ import annotations

import contextlib
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from coordsidecar.children.job_fuse import (
    BURNS_AT,
    DEADLINE_PASSED,
    GUARD_IS_DEAD,
    JobFuse,
    told_by_the_guard,
)
from coordsidecar.linux import boottime_s, run_first
from coordsidecar.log import Log
from tests.e2e.sidecars import has_ended, wait_for

# A guard that does nothing but reap, and a job that has a daemon.
_GUARD = """
import os, subprocess, sys
from coordsidecar.linux import become_subreaper

become_subreaper()
shell = "setsid sleep 600 & echo $!; exec sleep 600"
job = subprocess.Popen(["sh", "-c", shell], start_new_session=True)
os.write(1, b"%d\\n" % job.pid)  # In one piece: the shell writes there, too.
while True:
    try:
        os.wait()
    except ChildProcessError:
        sys.stdin.read()
"""


class _Sidecar:
    """A guard, its job, and their fuse, whose deadline has passed; in place of its log, us."""

    def __init__(self, guard: subprocess.Popen[str]) -> None:
        assert guard.stdout is not None
        first, second = int(guard.stdout.readline()), int(guard.stdout.readline())
        self.guard = psutil.Process(guard.pid)
        self.job = [psutil.Process(first), psutil.Process(second)]
        self.told, news_fd = told_by_the_guard()
        self.told[BURNS_AT] = boottime_s()
        self.said: list[str] = []
        self.fuse = JobFuse(
            _Words(self),
            self.told,
            news_fd,
            guard=guard.pid,
            guard_pidfd=os.pidfd_open(guard.pid),
            run_mark="none",
        )
        job_pid = next(one.pid for one in self.job if os.getpgid(one.pid) == one.pid)
        self.fuse.guards(job_pid)

    def wait_for_the_end_of_the_job(self) -> None:
        wait_for(lambda: all(has_ended(one) for one in self.job), "the job to end")


class _Words(Log):
    def __init__(self, sidecar: _Sidecar) -> None:
        super().__init__(fmt="text", election="e", node_id="n", stream=None)
        self._sidecar = sidecar

    def event(self, name: str, message: str, /, **fields: object) -> None:
        self._sidecar.wait_for_the_end_of_the_job()
        self._sidecar.said.append(f"{name}: {message}")


@pytest.fixture
def sidecar() -> Iterator[_Sidecar]:
    with subprocess.Popen(
        [sys.executable, "-c", _GUARD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as guard:
        job: list[psutil.Process] = []
        try:
            made = _Sidecar(guard)
            job = made.job
            yield made
        finally:
            guard.kill()
            for process in job:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()


def test_the_job_is_dead_before_a_word_is_said_and_a_guard_that_reacts_is_spared(
    sidecar: _Sidecar,
) -> None:
    """A log may be slow, and we late. The guard was slow, or slept with the whole host, and may
    stand by again."""

    def it_reacts(seconds: float) -> None:
        sidecar.told[BURNS_AT] = math.inf

    burnt = sidecar.fuse.burn(DEADLINE_PASSED, it_reacts)

    assert not burnt
    assert sidecar.said == ["fuse: guard and elector let the deadline pass; ending the job"]
    assert not has_ended(sidecar.guard)


@pytest.mark.parametrize("why", [DEADLINE_PASSED, GUARD_IS_DEAD])
def test_a_guard_that_does_not_react_ends_after_its_job(sidecar: _Sidecar, why: str) -> None:
    sidecar.guard.suspend()

    burnt = sidecar.fuse.burn(why, time.sleep)

    assert burnt
    assert sidecar.said == [f"fuse: {why}; ending the job"]
    assert has_ended(sidecar.guard)


def test_who_ends_the_job_is_not_kept_waiting_by_who_shares_the_processors() -> None:
    """Where that is allowed; else it takes its turn as all others do."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setpriority(os.PRIO_PROCESS, 0, -1)
        except PermissionError:
            os._exit(0)
        run_first()
        os._exit(0 if os.getpriority(os.PRIO_PROCESS, 0) == -20 else 1)

    assert os.waitpid(pid, 0)[1] == 0
