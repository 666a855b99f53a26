"""`coordsidecar history`: what it makes of what stands in the store."""

from __future__ import annotations

from coordsidecar.cli.history import _since, _table
from coordsidecar.store.history import Term

OVER = Term(1, "a", "2026-11-29T10:00:00Z", "2026-11-29T11:00:00Z", "a stop")
DIED = Term(2, "b", "2026-11-29T11:00:00Z")
LASTS = Term(3, "c", "2026-11-29T13:00:00Z")


def test_of_whom_nobody_could_tell_the_end_the_next_tells() -> None:
    terms = (OVER, DIED, LASTS)

    assert _since("2026-11-29T12:00:00Z", terms, 3) == (DIED, LASTS)
    assert _since("2026-11-29T14:00:00Z", terms, 3) == (LASTS,), "it lasts"
    assert _since("2026-11-29T14:00:00Z", terms, 0) == ()
    assert _since("", terms, 0) == terms
    assert _since("", (), 0) == ()


def test_a_next_one_that_began_before_it_by_a_clock_of_its_own_hides_nothing() -> None:
    early = Term(3, "c", "2026-11-29T09:00:00Z")

    assert DIED in _since("2026-11-29T11:00:00Z", (DIED, early), 3)


def test_whatever_anybody_wrote_moves_no_cursor_and_breaks_no_line() -> None:
    hostile = "\x1b[2J\n9  FAKE\x07\u202e"

    told = _table((Term(1, hostile, hostile, hostile, hostile), LASTS), 3)

    assert told.isprintable() is False  # It has its own line ends.
    assert all(line.isprintable() for line in told.splitlines())
    assert len(told.splitlines()) == 3
