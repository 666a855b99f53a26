"""What carrying out a decision brought is decided upon afterwards, if it still holds (S18)."""

from __future__ import annotations

import signal

import pytest

from coordsidecar.core.guard.brought import Brought
from coordsidecar.core.guard.moves import (
    AwaitObedience,
    Effect,
    ElectorExited,
    Event,
    FreezeTree,
    KillTree,
    SignalJob,
    StartJob,
    StopTree,
    ThawTree,
    TreeEmpty,
    TreeHeld,
)

TERM = signal.SIGTERM


@pytest.mark.parametrize("found", [TreeEmpty(), TreeHeld()])
@pytest.mark.parametrize(
    "effect",
    [
        StartJob("leader", 3),
        StopTree(TERM),
        KillTree(),
        FreezeTree(),
        ThawTree(),
        AwaitObedience(),
    ],
)
def test_what_was_found_of_the_tree_is_forgotten_once_something_else_is_done_with_it(
    found: Event, effect: Effect
) -> None:
    brought = Brought()
    brought.add([found, ElectorExited()])

    brought.outdate(effect)

    assert list(brought.take()) == [ElectorExited()]


def test_what_was_found_of_the_tree_outlasts_what_leaves_the_tree_alone() -> None:
    brought = Brought()
    brought.add([TreeEmpty()])

    brought.outdate(SignalJob(TERM))

    assert list(brought.take()) == [TreeEmpty()]


def test_what_comes_about_meanwhile_comes_last() -> None:
    brought = Brought()
    brought.add([ElectorExited(), TreeEmpty()])
    taken = []

    for event in brought.take():
        taken.append(event)
        if event == ElectorExited():
            brought.add([TreeHeld()])

    assert taken == [ElectorExited(), TreeEmpty(), TreeHeld()]
