"""A tree is held only if none of its threads runs, or will as soon as somebody else lets it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from coordsidecar.trees.process import children, threads_of
from coordsidecar.trees.tree import freeze_pass
from tests.e2e.sidecars import wait_for
from tests.e2e.test_hanging import held

# A thread of it starts a program by vfork, which reads first from a pipe that nobody writes to yet:
# until then no signal wakes the thread.
_FORKS = """
import os, sys, threading, time
pipe = [(os.POSIX_SPAWN_OPEN, 0, sys.argv[1], os.O_RDONLY, 0)]
spawn = lambda: os.posix_spawnp("sleep", ["sleep", "600"], os.environ, file_actions=pipe)
threading.Thread(target=spawn).start()
time.sleep(600)
"""


@pytest.fixture
def job(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen([sys.executable, "-S", "-c", _FORKS, str(pipe)]) as process:
        try:
            # Before it has a child, it may wait for the disk.
            wait_for(
                lambda: children(process.pid) and "D" in threads_of(process.pid).values(),
                "a thread to wait for its child",
            )
            yield process
        finally:
            for pid in (*children(process.pid), process.pid):
                psutil.Process(pid).kill()


def freeze(pid: int) -> bool:
    others = [child for child in children(os.getpid()) if child != pid]
    return freeze_pass(os.getpid(), leave_out=others)


def test_a_thread_that_no_signal_reaches_yet_is_not_held(
    job: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    """It would write, or start another, once the disk or a child lets it go on."""
    for _ in range(5):
        assert not freeze(job.pid)
        wait_for(lambda: "T" in threads_of(job.pid).values(), "the first thread to stop")

    with open(tmp_path / "pipe", "wb"):
        wait_for(lambda: freeze(job.pid), "all of it to be held")

    assert set(threads_of(job.pid).values()) == {"T"}
    assert [[*threads_of(child).values()] for child in children(job.pid)] == [["T"]]


def test_who_is_stopped_by_a_debugger_stays_so_when_that_lets_it_go() -> None:
    with subprocess.Popen(["sleep", "600"]) as process:
        try:
            with held(psutil.Process(process.pid)):
                wait_for(lambda: freeze(process.pid), "it to be held")

            wait_for(lambda: [*threads_of(process.pid).values()] == ["T"], "it to be stopped by us")
        finally:
            process.kill()
