"""What an instance could not say of itself it tries to say again; no store, no thread, no clock."""

from __future__ import annotations

import pytest

from coordsidecar.store import registry
from coordsidecar.store.protocol import RefusedError, SessionLostError, UnreachableError
from coordsidecar.value import replace
from tests.elector.test_rostering import LEADING, OTHER, Us, us

__all__ = ["us"]


@pytest.mark.parametrize(
    ("error", "pauses"),
    [
        (RefusedError("no"), [15, 30, 60, 120, 240, 480, 600, 600]),
        (UnreachableError("no"), [15, 30, 30, 30, 30, 30, 30, 30]),
        (KeyError("a bug"), [15, 30, 30, 30, 30, 30, 30, 30]),
    ],
)
def test_what_was_not_taken_is_said_once_and_tried_again(
    us: Us, error: Exception, pauses: list[float]
) -> None:
    us.roster.refusals = [error] * len(pauses)
    us.steps(LEADING)
    us.steps(after_s=0.6)

    for done, pause_s in enumerate(pauses, start=1):
        us.signs.job_is("running", done)  # That it has changed makes it no sooner.
        assert us.steps(after_s=pause_s - 1) == done
        assert us.steps(after_s=1) == done + 1
    us.signs.job_is("restarting", 0)
    us.steps(after_s=3.0)

    assert us.steps(after_s=0.6) == len(pauses) + 2
    said = [message for name, message in us.lines if name == "roster"]
    assert len(said) == 1
    assert str(error) in said[0]


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (RuntimeError("can't start new thread"), "can't start new thread"),
        (MemoryError(), "MemoryError()"),
    ],
)
def test_where_there_is_no_thread_it_is_tried_again(
    us: Us, error: Exception, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_run: object, _arguments: object) -> None:
        raise error

    us.steps(LEADING)
    with monkeypatch.context() as patch:
        patch.setattr("_thread.start_new_thread", refuse)
        us.steps(after_s=0.6)

    assert us.lines == [("roster", f"others cannot see what this instance does: {why}")]
    assert us.steps(after_s=14.0) == 0
    assert us.steps(after_s=1.0) == 1


def test_where_there_is_no_memory_to_say_so_it_is_tried_again_and_nothing_ends(
    us: Us, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise MemoryError

    us.roster.refusals = [MemoryError()]
    us.steps(LEADING)
    with monkeypatch.context() as patch:
        patch.setattr(us.log, "once", refuse)
        us.steps(after_s=0.6)

    assert us.steps(after_s=29.0) == 1
    assert us.steps(after_s=1.0) == 2


def test_a_session_that_is_over_is_no_news(us: Us) -> None:
    us.roster.refusals = [SessionLostError("gone")]
    us.steps(LEADING)
    us.steps(after_s=0.6)
    us.steps(replace(LEADING, session=OTHER))

    assert us.steps(after_s=0.6) == 2
    assert us.lines == []


def test_a_session_that_is_not_over_after_all_says_it_again(us: Us) -> None:
    us.roster.refusals = [SessionLostError("gone")]
    us.steps(LEADING)
    us.steps(after_s=0.6)

    assert us.steps(after_s=14.0) == 1
    assert us.steps(after_s=1.0) == 2
    assert us.lines == []


def test_a_store_without_a_roster_is_left_alone(us: Us, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "roster", lambda *_, **__: None)
    us.steps(LEADING)

    assert us.steps(after_s=0.6) == 0
    assert us.lines == []
