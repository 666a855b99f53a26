"""What cannot be seen is not known: never an error that ends us, never "nobody is left"."""

from __future__ import annotations

import os
import resource
import secrets
import signal
import subprocess
from collections.abc import Callable, Iterator

import pytest

from coordsidecar.guard.job_tree import JobTree
from coordsidecar.log import Log
from coordsidecar.trees import process, tree
from coordsidecar.trees.app import App
from coordsidecar.trees.backoff import Backoff
from coordsidecar.trees.hunt import Hunt
from coordsidecar.trees.process import NotSeenError
from coordsidecar.trees.remains import Remains


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process below us that lives until the test is over."""
    sleeper = subprocess.Popen(["sleep", "600"])
    yield sleeper
    sleeper.kill()
    sleeper.wait()


@pytest.fixture
def without_descriptors() -> Iterator[None]:
    """Nothing can be opened meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


_LOOKS: dict[str, Callable[[], object]] = {
    "below": lambda: tree.below(os.getpid(), leave_out=()),
    "descendants": lambda: tree.descendants(os.getpid(), leave_out=()),
    "kill_pass": lambda: tree.kill_pass(os.getpid(), leave_out=(), groups=()),
    "freeze_pass": lambda: tree.freeze_pass(os.getpid(), leave_out=()),
    "state_of": lambda: process.state_of(os.getpid()),
    "group_of": lambda: process.group_of(os.getpid()),
    "living_thread": lambda: process.living_thread("/proc/self"),
    "pids": process.pids,
}


@pytest.mark.usefixtures("without_descriptors")
@pytest.mark.parametrize("look", _LOOKS.values(), ids=_LOOKS.keys())
def test_a_look_without_descriptors_is_no_answer(look: Callable[[], object]) -> None:
    with pytest.raises(NotSeenError):
        look()


@pytest.mark.usefixtures("child", "without_descriptors")
def test_a_tree_that_cannot_be_seen_is_not_empty() -> None:
    told: list[int] = []
    log = Log(fmt="text", election="e", node_id="n")
    job_tree = JobTree(log, helpers=lambda: (), tell_group=told.append)

    answers = job_tree.is_empty(), job_tree.tell(signal.SIGTERM), job_tree.kill_pass()

    assert answers == (False, None, False)
    assert told == [signal.SIGTERM, signal.SIGKILL]  # Who need not be seen is told at once.
    assert job_tree.must_look_again


class _NotHeldAtOnce(App):
    """An app that takes three looks to be held."""

    def __init__(self) -> None:
        super().__init__(pid_file="/nowhere", match_cmdline=None, how="freeze")
        self.looks = 0

    def hold_pass(self, *, sure: bool = True) -> bool:
        self.looks += 1
        return self.looks > 2


def test_a_tree_is_not_gone_before_the_app_that_it_led_is_held() -> None:
    """Two jobs at once, else: the guard would give up the lead of an app that goes on."""
    log = Log(fmt="text", election="e", node_id="n")

    def none_of_ours() -> tuple[int, ...]:
        return tuple(process.children(os.getpid()))

    made = [
        JobTree(log, helpers=none_of_ours, tell_group=lambda _: None, app=_NotHeldAtOnce())
        for _ in range(2)
    ]

    answers = [[made[0].is_empty() for _ in range(3)], [made[1].kill_pass() for _ in range(3)]]

    assert answers == [[False, False, True]] * 2


@pytest.mark.usefixtures("without_descriptors")
def test_a_hunt_that_cannot_see_is_not_over() -> None:
    hunt = Hunt(secrets.token_hex(8))

    for _ in range(10):
        hunt.kill_pass()

    assert not hunt.over


def test_the_remains_of_a_dead_guard_are_not_confirmed_dead_unseen() -> None:
    guard = subprocess.Popen(["true"])
    pidfd = os.pidfd_open(guard.pid)
    guard.wait()
    remains = Remains(guard_pid=guard.pid, guard_pidfd=pidfd, run="none", leave_out=())
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        unseen = remains.kill_pass()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert not unseen
    assert remains.kill_pass()
    os.close(pidfd)


def test_a_root_that_is_gone_proves_nothing() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()

    with pytest.raises(NotSeenError):
        tree.below(gone.pid, leave_out=())


def test_what_is_below_somebody_who_ends_meanwhile_is_just_not_seen(
    monkeypatch: pytest.MonkeyPatch, child: subprocess.Popen[bytes]
) -> None:
    """The kernel says "no such process" of a folder that was there when it was opened."""
    listdir = os.listdir

    def ending(folder: str) -> list[str]:
        if folder == f"/proc/{child.pid}/task":
            raise ProcessLookupError(3, "No such process")
        return listdir(folder)

    monkeypatch.setattr(os, "listdir", ending)

    assert child.pid in tree.descendants(os.getpid(), leave_out=())


def test_who_finds_the_same_again_and_again_looks_ever_more_rarely() -> None:
    backoff = Backoff()
    pauses = []
    for found in (1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2):
        backoff.found(found)
        pauses.append(backoff.pause_s)

    assert pauses[:3] == [0.002, 0.004, 0.008]
    assert pauses[-2:] == [0.25, 0.002]


def test_a_kill_spares_the_group_of_who_started_us(child: subprocess.Popen[bytes]) -> None:
    """A child in our own group is killed, and we are not."""
    assert os.getpgid(child.pid) == os.getpgid(0)

    left = tree.kill_pass(os.getpid(), leave_out=_but(child.pid), groups=())

    assert left == [child.pid]
    assert child.wait() == -signal.SIGKILL


def _but(pid: int) -> list[int]:
    return [other for other in tree.below(os.getpid(), leave_out=()) if other != pid]


def test_a_thread_that_ends_while_we_look_does_not_hide_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor does it hide one that it started, and that was not listed yet."""
    us = os.getpid()
    listed = iter([["999999999"], ["999999999", str(us)]])
    monkeypatch.setattr(process, "entries", lambda folder: next(listed))

    assert process.living_thread(f"/proc/{us}") == f"/proc/{us}/task/{us}"


def test_a_process_of_which_a_thread_ends_whenever_we_look_is_not_known_to_be_dead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process, "entries", lambda folder: ["999999999"])

    with pytest.raises(NotSeenError):
        process.living_thread("/proc/self")
