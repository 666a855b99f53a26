"""What is left by a dead guard: who may not be killed keeps nobody else from being killed."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any, cast

import pytest

from coordsidecar.trees import remains as remains_module
from coordsidecar.trees.mark import RUN_VARIABLE
from coordsidecar.trees.remains import Remains

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


# A guard, stopped, whose job has a child in a session of its own, which would not be found by the
# job's group. The job, killed after the first list of the guard's children, ends after the second.
_LAST_LIST = """
import os, signal, subprocess, sys, time
from coordsidecar.trees import tree
from coordsidecar.trees.process import is_dead
from coordsidecar.trees.remains import Remains

GUARD = (
    "import subprocess, time;"
    "from coordsidecar.linux import become_subreaper;"
    "become_subreaper();"
    "shell = 'setsid sleep 600 >/dev/null & echo $$ $!; wait';"
    "subprocess.Popen(['sh', '-c', shell], start_new_session=True);"
    "time.sleep(600)"
)
guard = subprocess.Popen([sys.executable, "-c", GUARD], stdout=subprocess.PIPE, text=True)
job, child = (int(word) for word in guard.stdout.readline().split())
while os.getpgid(child) != child:
    time.sleep(0.001)
guard.send_signal(signal.SIGSTOP)
below, kill, lists = tree.below, tree._kill, []

def listed_before_the_job_ends(root, *, leave_out):
    lists.append(below(root, leave_out=leave_out))
    if len(lists) == 2:
        os.kill(job, signal.SIGKILL)
        while not is_dead(job):
            time.sleep(0.0001)
    return lists[-1]

tree.below = listed_before_the_job_ends
tree._kill = lambda pid, *groups: pid == job or kill(pid, *groups)  # It takes a while to die.
pidfd = os.pidfd_open(guard.pid)
remains = Remains(guard_pid=guard.pid, guard_pidfd=pidfd, run="none", leave_out=())
try:
    while not remains.kill_tree():
        time.sleep(remains.pause_s)
    print("gone" if is_dead(child) else "left")
finally:
    os.kill(child, signal.SIGKILL)
    guard.kill()
"""


def test_who_is_orphaned_after_the_last_list_is_not_overlooked() -> None:
    """Two jobs at once, else: once the guard is dead, nothing may lead to it any more."""
    done = subprocess.run(
        [sys.executable, "-c", _LAST_LIST], capture_output=True, text=True, timeout=120, check=False
    )

    assert (done.returncode, done.stdout) == (0, "gone\n"), done.stderr


# The job's group without its leader, and without the mark; from its first list one of it is
# missing, and who was in its place has ended since.
_TORN_LIST = """
import os, subprocess, sys
from coordsidecar.trees import remains
from coordsidecar.trees.process import is_dead

alone = dict(stdout=subprocess.PIPE, start_new_session=True, text=True, env={"PATH": os.defpath})
guard = subprocess.Popen(["sleep", "600"], **alone)
job = subprocess.Popen(["sh", "-c", "sleep 600 & echo $!"], **alone)
member = int(job.stdout.readline())
job.wait()
pidfd = os.pidfd_open(guard.pid)
guard.kill()
guard.wait()
left = remains.Remains(guard_pid=guard.pid, guard_pidfd=pidfd, run="none", leave_out=())
left.group_is(job.pid)
pids, torn = remains.pids, [pid for pid in remains.pids() if pid != member] + [job.pid]
remains.pids = lambda: torn
said = [left.kill_pass() for _ in range(5)]
remains.pids = pids
while not left.kill_pass():
    pass
print(any(said), is_dead(member))
"""


def test_a_group_is_not_empty_because_of_a_list_of_whom_one_has_ended_since() -> None:
    """Before Linux 6.9 it is not signalled unless one of it is found."""
    done = subprocess.run(
        [sys.executable, "-c", _TORN_LIST], capture_output=True, text=True, timeout=120, check=False
    )

    assert (done.returncode, done.stdout) == (0, "False True\n"), done.stderr


def test_an_app_that_was_held_before_its_hand_had_ended_is_looked_at_once_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two at once, else: the hand may have let it go on after that look."""
    guard = subprocess.Popen(["sleep", "600"])
    hand = subprocess.Popen(["sleep", "600"])
    passes: list[bool] = []

    class App:
        """The hand ends in the midst of its second pass, which has found the app held before."""

        def hold_pass(self) -> bool:
            passes.append(True)
            if len(passes) == 2:
                hand.kill()
                os.waitid(os.P_PID, hand.pid, os.WEXITED | os.WNOWAIT)
            return True

    class NobodyElse:
        over = True

        def kill_pass(self) -> list[int]:
            return []

    monkeypatch.setattr(remains_module, "_kill_by", lambda _pidfd: None)  # They take a while.
    monkeypatch.setattr(Remains, "_kill_group_by_pidfd", lambda _self, _pidfd: False)
    monkeypatch.setattr(remains_module, "Hunt", lambda _run: NobodyElse())
    with guard, hand:
        try:
            guard_pidfd, app = os.pidfd_open(guard.pid), cast("Any", App())
            remains = Remains(
                guard_pid=guard.pid, guard_pidfd=guard_pidfd, run="r", leave_out=(), app=app
            )
            remains.job_is(hand.pid, os.pidfd_open(hand.pid))
            guard.kill()
            os.waitid(os.P_PID, guard.pid, os.WEXITED | os.WNOWAIT)

            found = [remains.kill_pass(), remains.kill_pass()]
        finally:
            guard.kill()
            hand.kill()

    assert found == [False, True]
    assert len(passes) == 4
