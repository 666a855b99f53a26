"""What is left of the helpers is looked for as long as that can find anything, and no longer."""

from __future__ import annotations

import os

import pytest

from coordsidecar.children.forking import Dispositions
from coordsidecar.guard import beside
from coordsidecar.guard.beside import Beside
from coordsidecar.guard.hooks import Hooks
from coordsidecar.log import Log
from coordsidecar.settings.settings import Settings
from coordsidecar.store.protocol import Election
from coordsidecar.trees import strays
from coordsidecar.trees.process import NotSeenError


def test_a_guard_that_never_sees_proc_again_looks_for_strays_no_longer_than_one_that_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = Settings(command=("job",), election=Election(namespace="a", name="b"), id="one")
    log = Log(fmt="text", election="a/b", node_id="one")
    hooks = Hooks(settings, log, Dispositions(frozenset(), frozenset()), guard_pidfd=-1)
    looks = 0

    def sees_nothing(root: int, *, leave_out: tuple[int | None, ...]) -> bool:
        nonlocal looks
        looks += 1
        assert (root, looks) == (os.getpid(), 1), "it looks again after its time"
        raise NotSeenError("/proc", OSError(24, "Too many open files"))

    monkeypatch.setattr(strays, "kill_strays", sees_nothing)
    monkeypatch.setattr(beside, "_TIDY_WITHIN_S", 0.0)

    Beside(hooks, None).tidy()

    assert looks == 1
