"""Who ends a tree runs before all that forks in it, and only until it has ended."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from io import StringIO

import pytest

from coordsidecar.core.election.moves import KillTree, Spare, TreeKilled
from coordsidecar.elector.chores import Chores
from coordsidecar.guard.job_tree import JobTree
from coordsidecar.linux import become_subreaper
from coordsidecar.log import Log


def _may_run_first() -> bool:
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -1)
        os.setpriority(os.PRIO_PROCESS, 0, 0)
    except PermissionError:
        return False
    return True


def in_a_fork(play: Callable[[], bool]) -> bool:
    """What it says, in a process of its own, whose priority it may change."""
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if not _may_run_first() or play() else 1)
        finally:
            os._exit(2)
    return os.waitpid(pid, 0)[1] == 0


def runs_first() -> bool:
    return os.sched_getscheduler(0) & os.SCHED_RR == os.SCHED_RR


def log() -> Log:
    return Log(fmt="text", election="default/x", node_id="me", stream=StringIO())


def test_a_guard_runs_first_from_its_second_pass_until_its_tree_is_empty() -> None:
    def play() -> bool:
        become_subreaper()
        job_tree = JobTree(log(), helpers=lambda: (), tell_group=lambda _: None)
        subprocess.Popen(["sleep", "600"])
        before = runs_first()
        assert not job_tree.kill_pass()  # It is dead, and not reaped.
        meanwhile = runs_first()
        os.waitpid(-1, 0)
        assert job_tree.kill_pass()
        return (before, meanwhile, runs_first()) == (False, True, False)

    assert in_a_fork(play)


def test_what_a_guard_is_to_do_next_it_does_in_its_turn() -> None:
    def play() -> bool:
        become_subreaper()
        job_tree = JobTree(log(), helpers=lambda: (), tell_group=lambda _: None)
        subprocess.Popen(["sleep", "600"])
        assert not job_tree.kill_pass()
        job_tree.begin()
        return not runs_first()

    assert in_a_fork(play)


def test_nobody_whom_it_forks_meanwhile_runs_first() -> None:
    def play() -> bool:
        become_subreaper()
        job_tree = JobTree(log(), helpers=lambda: (), tell_group=lambda _: None)
        subprocess.Popen(["sleep", "600"])
        assert not job_tree.kill_pass()
        pid = os.fork()
        if pid == 0:
            os._exit(1 if runs_first() or os.getpriority(os.PRIO_PROCESS, 0) < 0 else 0)
        return os.waitpid(pid, 0)[1] == 0

    assert in_a_fork(play)


@pytest.mark.parametrize("spared", [False, True])
def test_an_elector_runs_first_while_it_buries_its_guard(spared: bool) -> None:
    def play() -> bool:
        guard = subprocess.Popen(["sleep", "600"])
        chores = Chores(
            guard_pid=guard.pid,
            guard_pidfd=os.pidfd_open(guard.pid),
            run_mark="nobody-has-this-mark",
            app=None,
        )
        before = runs_first()
        chores.take(KillTree())
        meanwhile = runs_first()
        if spared:
            chores.take(Spare())
            guard.send_signal(signal.SIGKILL)
        else:
            while TreeKilled() not in list(chores.go_on()):
                time.sleep(0.01)
        return (before, meanwhile, runs_first()) == (False, True, False)

    assert in_a_fork(play)
