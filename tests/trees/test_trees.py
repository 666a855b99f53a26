"""The tree dies, not only the process: before anybody else's job may start, whatever it tries."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from coordsidecar.trees.mark import RUN_VARIABLE
from tests.e2e.arena import Arena
from tests.e2e.sidecars import Sidecar

_DIFFICULT = [
    "plain",
    "daemon-child",
    "setsid-child",
    "ignore-term",
    "close-fds",
    "fork-on",
    "daemon-child setsid-child ignore-term close-fds",
    "fork-on ignore-term",
    "fork-on setsid-on ignore-term close-fds",
]


def tree(sidecar: Sidecar) -> list[psutil.Process]:
    """Whoever is left of the job, by the mark that the sidecar gives it."""
    left = []
    for process in sidecar.everyone():
        try:
            if process.environ().get(RUN_VARIABLE):
                left.append(process)
        except psutil.Error:
            continue  # It ended while we looked.
    return left


def assert_gone_before_the_next(arena: Arena, leader: Sidecar) -> None:
    arena.stamps.wait_for_stints(2)
    assert tree(leader) == []
    arena.stamps.assert_never_two()


@pytest.mark.parametrize("habits", _DIFFICULT)
def test_a_stopped_tree_is_gone_before_the_next_job_starts(arena: Arena, habits: str) -> None:
    command = arena.stamps.command(*habits.split())
    leader, _ = arena.pair("--stop-timeout", "200ms", command=command)

    leader.signal(signal.SIGTERM)

    assert_gone_before_the_next(arena, leader)
    assert leader.wait() in (128 + signal.SIGTERM, 128 + signal.SIGKILL, 0)


@pytest.mark.parametrize("habits", _DIFFICULT)
def test_the_tree_of_a_killed_guard_is_gone_before_the_next_job_starts(
    arena: Arena, habits: str
) -> None:
    """Its orphans have gone to init: the elector finds them by their mark."""
    leader, _ = arena.pair(command=arena.stamps.command(*habits.split()))

    leader.signal(signal.SIGKILL)

    assert_gone_before_the_next(arena, leader)


@pytest.mark.parametrize("habits", ["daemon-child close-fds", "fork-on setsid-on close-fds"])
def test_what_guard_and_elector_left_is_swept_before_the_next_job_starts(
    arena: Arena, habits: str
) -> None:
    """Killed both at once: the next leader finds the run's mark in the record of the last one."""
    leader, _ = arena.pair(command=arena.stamps.command(*habits.split()))
    elector = leader.elector()

    elector.kill()
    leader.signal(signal.SIGKILL)

    assert_gone_before_the_next(arena, leader)


def test_children_of_a_job_that_ended_go_too_and_its_code_is_passed_on(arena: Arena) -> None:
    """Nobody else leads while they live, for they may be doing the job's work."""
    child = arena.stamps.command("ignore-term")
    leave = "import subprocess, sys; subprocess.Popen(sys.argv[1:]); input(); sys.exit(3)"
    through = ["sh", "-c", 'mkfifo "$0"; "$@" <>"$0"', str(arena.folder / "fifo")]
    leader, _ = arena.pair(
        "--stop-timeout", "200ms", command=[*through, sys.executable, "-c", leave, *child]
    )

    (arena.folder / "fifo").write_text("now\n")

    assert leader.wait() == 3
    assert_gone_before_the_next(arena, leader)


def test_a_job_that_dies_at_once_makes_room_at_once(arena: Arena) -> None:
    for _ in range(3):
        assert arena.start(command=["false"]).wait() == 1

    arena.start()

    arena.stamps.wait_for_stints(1)


def test_a_sidecar_in_a_job_is_part_of_its_tree(arena: Arena) -> None:
    """Its own job is killed with the outer one's, though its guard is a subreaper as well."""
    inner = [sys.executable, "-m", "coordsidecar", *arena.options(), "--name", "inner", "--"]
    leader, _ = arena.pair(command=[*inner, *arena.stamps.command("daemon-child", "ignore-term")])

    leader.signal(signal.SIGKILL)

    arena.stamps.wait_for_stints(2)
    assert tree(leader) == []


def test_a_foreign_process_is_left_alone(arena: Arena) -> None:
    """Only the whole mark counts, not a part of it, nor another run's."""
    leader, _ = arena.pair()
    mark = leader.job().environ()[RUN_VARIABLE]
    env = dict(os.environ) | {RUN_VARIABLE: mark[:-1]}
    foreign = psutil.Popen(["sleep", "600"], env=env)

    leader.signal(signal.SIGKILL)

    arena.stamps.wait_for_stints(2)
    assert foreign.poll() is None
    foreign.kill()
    foreign.wait()


def test_the_job_dies_before_its_guard_when_memory_runs_out(arena: Arena) -> None:
    leader = arena.start()
    arena.stamps.wait_for_stints(1)

    scores = [int(Path(f"/proc/{pid}/oom_score_adj").read_text())
              for pid in (leader.pid, leader.job().pid)]  # fmt: skip

    assert scores[0] < scores[1]
