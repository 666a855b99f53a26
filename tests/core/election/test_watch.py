"""The elector's core: when a candidate or a leader watches, and what the watch tells it."""

from __future__ import annotations

import math

import pytest

from coordsidecar.core.election import step as core
from coordsidecar.core.election.moves import Campaign, Renew, Report, Tick, Watch, Watched
from coordsidecar.core.election.phases import Leading, Waiting
from coordsidecar.store.protocol import Behind
from coordsidecar.value import replace
from tests.core.election.electors import AIMS, BEHIND, CLEAN, SESSION, answer, elector, take


@pytest.mark.parametrize("phase", [Leading(CLEAN), Waiting(BEHIND)])
def test_a_watch_begins_when_it_is_due_and_one_at_a_time(phase: Leading | Waiting) -> None:
    standing = phase.held if isinstance(phase, Leading) else phase.standing
    state = elector(phase, watching=False, watch_at_s=101.0)

    state, early = take(state, Tick(), 100.9)
    state, due = take(state, Tick(), 101.0)
    _, again = take(state, Tick(), 101.1)

    assert early == again == []
    assert due == [Watch(SESSION, standing)]


@pytest.mark.parametrize(
    ("ended", "watch_at_s", "look_at_s"),
    [
        (Watched(changed=True), math.inf, 101.0),
        (Watched(changed=False), 101.0, math.inf),
        (Watched(changed=False, failed=True), 101.75, math.inf),
    ],
    ids=["changed", "nothing", "failed"],
)
def test_a_watch_that_ends_is_followed_by_a_look_a_watch_or_a_pause(
    ended: Watched, watch_at_s: float, look_at_s: float
) -> None:
    state = elector(Waiting(BEHIND), call=Renew(SESSION))

    state, _ = take(state, ended, 101.0)

    assert (state.watch_at_s, state.look_at_s) == (watch_at_s, look_at_s)


@pytest.mark.parametrize(
    ("failures", "times"), [(0, [0, 3]), (1, [])], ids=["calls are answered", "calls fail as well"]
)
def test_a_watch_that_is_refused_is_reported_once_unless_the_calls_report_it(
    failures: int, times: list[int]
) -> None:
    refused = Watched(changed=False, failed=True, refused="may not watch")
    state = elector(Waiting(BEHIND), call=Renew(SESSION), failures=failures)

    reported = []
    for number, ended in enumerate([refused, refused, Watched(changed=False), refused]):
        state, effects = core.step(state, ended, 101.0 + number, AIMS)
        reported += [number for effect in effects if isinstance(effect, Report)]

    assert reported == times


@pytest.mark.parametrize(
    ("said_changed", "found", "pause_s"),
    [(True, BEHIND, 0.75), (True, replace(BEHIND, cursor=2), 0.0), (False, BEHIND, 0.0)],
    ids=["a false alarm", "a change", "no alarm"],
)
def test_who_looked_after_a_false_alarm_waits_before_it_watches_again(
    said_changed: bool, found: Behind, pause_s: float
) -> None:
    """It would be alarmed, and look, as fast as the store answers."""
    alarmed = math.inf if said_changed else 101.0
    state = elector(Waiting(BEHIND), call=Campaign(SESSION), watch_at_s=alarmed)

    state, _ = answer(state, found, 101.0)

    assert state.watch_at_s == 101.0 + pause_s
