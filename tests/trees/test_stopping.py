"""Who is asked to stop: everybody, and also who was forked just as the others were asked."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coordsidecar.guard import job_tree as job_tree_module
from coordsidecar.guard.job_tree import JobTree
from coordsidecar.log import Log
from coordsidecar.trees import tree
from coordsidecar.trees.process import NotSeenError
from tests.e2e.sidecars import Sidecar, wait_for

Start = Callable[..., Sidecar]

# Asked to stop, it forks somebody who was not there when all were asked, and ends.
_FORKS_LATE = """
import os, signal, sys, time

def late(*_):
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])  # Or it forks as its parent does.
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        os.setsid()
        time.sleep(600)
    os._exit(0)

signal.signal(signal.SIGTERM, late)
open(sys.argv[1], "w").close()
time.sleep(600)
"""

# Asked to stop, it has somebody clean up, waits for that, and ends.
_CLEANS_UP = """
import signal, subprocess, sys, time

def clean_up(*_):
    clean = "import sys, time; time.sleep(0.3); open(sys.argv[1], 'w').close()"
    sys.exit(subprocess.run([sys.executable, "-S", "-c", clean, sys.argv[2]]).returncode)

signal.signal(signal.SIGTERM, clean_up)
open(sys.argv[1], "w").close()
time.sleep(600)
"""

# It is asked, does not mind, and forks once it gets a word.
_FORKS_LATER = """
import os, signal, sys, time

signal.signal(signal.SIGTERM, lambda *_: None)
print("ready", flush=True)
sys.stdin.readline()
if os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    print(os.getpid(), flush=True)
time.sleep(600)
"""

# The guard of such a job, which ends as we look, before its child is seen.
_LOOKS_MEANWHILE = """
import ctypes, os, signal, subprocess, sys
from coordsidecar.guard.job_tree import JobTree
from coordsidecar.log import Log
from coordsidecar.trees import tree

assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER
pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
parent = subprocess.Popen([sys.executable, "-S", "-c", sys.argv[1]], **pipes)
parent.stdout.readline()
log = Log(fmt="text", election="e", node_id="n")
job_tree = JobTree(log, helpers=tuple, tell_group=lambda signum: None)
job_tree.ask(signal.SIGTERM)
print("go on", file=parent.stdin, flush=True)
late = int(parent.stdout.readline())
children = tree.children
overlooked = False

def children_of_one_who_ends(pid):
    global overlooked
    if pid == parent.pid and not overlooked:
        parent.kill()
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        overlooked = late not in children(pid)
    return children(pid)

tree.children = children_of_one_who_ends
job_tree.ask_the_rest(job_lives=False)
while job_tree.must_look_again:
    job_tree.ask_the_rest(job_lives=False)
os.kill(late, signal.SIGKILL)  # Too late, if it was asked.
print(overlooked, os.waitstatus_to_exitcode(os.waitpid(late, 0)[1]))
"""


def stops(start: Start, job: str, *files: Path) -> int:
    """The exit code of a sidecar whose job is asked to stop once the first of ``files`` is there;
    it has all the time in the world."""
    options = ("--store", f"local:{files[0].parent}", "--name", "x", "--stop-timeout", "1h")
    command = (sys.executable, "-S", "-c", job, *map(str, files))
    sidecar = start(*options, "--", *command)
    wait_for(files[0].exists, "the job to be ready")
    sidecar.signal(signal.SIGTERM)
    return sidecar.wait()


def test_who_was_forked_as_the_others_were_asked_is_asked_once_the_job_has_ended(
    start: Start, tmp_path: Path
) -> None:
    """Else it would hold up the hand-over until SIGKILL is due."""
    assert stops(start, _FORKS_LATE, tmp_path / "ready") == 0


def test_who_is_below_one_that_ends_as_we_look_is_asked_by_a_look_to_come() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LOOKS_MEANWHILE, _FORKS_LATER],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stdout == f"True {-signal.SIGTERM}\n", done.stderr


def test_what_the_job_starts_in_order_to_stop_is_not_asked_to_stop_itself(
    start: Start, tmp_path: Path
) -> None:
    cleaned = tmp_path / "cleaned"

    assert stops(start, _CLEANS_UP, tmp_path / "ready", cleaned) == 0
    assert cleaned.exists()


def test_nobody_is_asked_twice_because_nothing_could_be_seen_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """To many programs a second SIGTERM means: at once."""
    blind = NotSeenError("/proc", OSError(errno.EMFILE, "Too many open files"))
    looks: Iterator[list[int] | NotSeenError] = iter([[10, 11], blind, [11, 12]])
    told: list[tuple[int, int]] = []

    def look(_root: int, *, leave_out: object) -> list[int]:
        found = next(looks)
        if isinstance(found, NotSeenError):
            raise found
        return found

    def tell_all(pids: list[int], *signals: int) -> None:
        told.extend((pid, signum) for pid in pids for signum in signals)

    monkeypatch.setattr(tree, "descendants", look)
    monkeypatch.setattr(tree, "signal_all", tell_all)
    monkeypatch.setattr(job_tree_module, "is_dead", lambda pid: False)
    log = Log(fmt="text", election="e", node_id="n", stream=None)
    job_tree = JobTree(log, helpers=tuple, tell_group=lambda signum: told.append((0, signum)))

    job_tree.ask(signal.SIGTERM)
    for job_lives in (True, False, False, False):
        job_tree.ask_the_rest(job_lives=job_lives)

    assert told == [(pid, signal.SIGTERM) for pid in (10, 11, 12)]
