"""When an instance tidies up after the dead; no store, no clock."""

from __future__ import annotations

import pytest

from coordsidecar.store.roster import Tidying


def test_it_is_due_with_each_session_and_then_every_ten_minutes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter((1.0, 599.0, 600.0, 1199.0, 1200.0, 1799.0))
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    tidying = Tidying()

    due = [tidying.is_due(session) for session in ("a", "a", "b", "b", "b", "b")]

    assert due == [True, False, True, False, True, False]
