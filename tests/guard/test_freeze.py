"""--while-standby freeze: the job is kept, stopped as a whole, and goes on when we lead again."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil

from tests.e2e.arena import Arena
from tests.e2e.sidecars import Sidecar, status_of, wait_for
from tests.guard.test_role_file import wait_for_role
from tests.guard.usurper import usurped
from tests.trees.test_trees import tree

_OPTIONS = ("--while-standby", "freeze", "--takeover-delay", "0s")
_DIFFICULT = ("daemon-child", "setsid-child", "ignore-term", "close-fds")


def running(sidecar: Sidecar) -> list[psutil.Process]:
    """Whoever of the job's tree is not stopped."""
    still = (psutil.STATUS_STOPPED, psutil.STATUS_DEAD)
    return [process for process in tree(sidecar) if status_of(process) not in still]


def wait_until_frozen(sidecar: Sidecar) -> list[psutil.Process]:
    wait_for(lambda: sidecar.log().count("lost:"), "the lead to be lost")
    wait_for(lambda: not running(sidecar), "the whole tree to be frozen")
    return tree(sidecar)


def test_the_whole_tree_is_frozen_and_thawed_with_a_new_token(arena: Arena, tmp_path: Path) -> None:
    path = tmp_path / "role"
    sidecar = arena.start(
        *_OPTIONS, "--role-file", str(path), command=arena.stamps.command(*_DIFFICULT)
    )
    before = wait_for_role(path, "leader").token
    arena.stamps.wait_for_stints(1)
    wait_for(lambda: len(tree(sidecar)) == 4, "the job's four processes")
    job = sidecar.job()

    with usurped(arena):
        frozen = wait_until_frozen(sidecar)
        size = arena.stamps.path.stat().st_size
        standing_by = wait_for_role(path, "standby")
        assert arena.stamps.path.stat().st_size == size

    after = wait_for_role(path, "leader").token
    wait_for(lambda: arena.stamps.path.stat().st_size > size, "the job to go on")
    assert len(frozen) == 4
    assert standing_by.token is None
    assert before is not None
    assert after is not None
    assert before < after
    assert sidecar.job() == job
    wait_for(lambda: len(running(sidecar)) == 4, "all of the tree to be thawed")


def test_a_tree_that_forks_on_is_frozen_too(arena: Arena) -> None:
    sidecar = arena.start(*_OPTIONS, command=arena.stamps.command("fork-on", "setsid-on"))
    arena.stamps.wait_for_stints(1)

    with usurped(arena):
        wait_for(lambda: "standing-by" in sidecar.log(), "the lead to be handed back")
        size = arena.stamps.path.stat().st_size

        assert running(sidecar) == []
        assert arena.stamps.path.stat().st_size == size

    wait_for(lambda: arena.stamps.path.stat().st_size > size, "the job to go on")


def test_a_frozen_tree_is_killed_without_running_again(arena: Arena) -> None:
    sidecar = arena.start(*_OPTIONS, command=arena.stamps.command(*_DIFFICULT))
    arena.stamps.wait_for_stints(1)

    with usurped(arena):
        wait_until_frozen(sidecar)
        size = arena.stamps.path.stat().st_size

        sidecar.signal(signal.SIGTERM)

        assert sidecar.wait() == 128 + signal.SIGTERM
        assert sidecar.everyone() == []
        assert arena.stamps.path.stat().st_size == size


def test_the_rest_of_a_frozen_tree_does_not_run_again_when_its_main_process_dies(
    arena: Arena,
) -> None:
    sidecar = arena.start(*_OPTIONS, command=arena.stamps.command(*_DIFFICULT))
    arena.stamps.wait_for_stints(1)
    wait_for(lambda: len(tree(sidecar)) == 4, "the job's four processes")

    with usurped(arena):
        wait_until_frozen(sidecar)
        size = arena.stamps.path.stat().st_size

        sidecar.job().kill()

        wait_for(lambda: not tree(sidecar), "the rest of the tree to end")
        assert arena.stamps.path.stat().st_size == size


def test_a_frozen_tree_dies_with_its_guard(arena: Arena) -> None:
    sidecar = arena.start(*_OPTIONS, command=arena.stamps.command(*_DIFFICULT))
    arena.stamps.wait_for_stints(1)

    with usurped(arena):
        wait_until_frozen(sidecar)
        size = arena.stamps.path.stat().st_size

        sidecar.signal(signal.SIGKILL)

        wait_for(lambda: not sidecar.everyone(), "everybody to end")
        assert arena.stamps.path.stat().st_size == size


def test_a_frozen_standby_lets_another_lead(etcd_arena: Arena) -> None:
    """The same where the lead is a lease that an operator revokes."""
    arena = etcd_arena
    arena.ttl = "2s"
    arena.start("--while-standby", "freeze")
    arena.stamps.wait_for_stints(1)
    second = arena.start()
    wait_for(lambda: "standing-by" in second.log(), "the second to stand by")

    arena.revoke()

    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()
