"""What the guard shows of the job: one word for each phase of its core."""

from __future__ import annotations

import math

import pytest

from coordsidecar.core.guard.phases import (
    Backoff,
    Done,
    Hook,
    Idle,
    Lead,
    Leaving,
    Phase,
    Quit,
    Running,
    Stopping,
    Yielding,
)
from coordsidecar.core.messages import Leased
from coordsidecar.guard.job_shown import show
from coordsidecar.signs import JOB_STATES, Signs

LEASE = Leased(7, 10.0, 12.0)


@pytest.mark.parametrize(
    ("phase", "word"),
    [
        (Idle(), "none"),
        (Idle("standby"), "standby command"),
        (Idle("held"), "standing by"),
        (Idle("frozen"), "frozen"),
        (Hook(LEASE, "pre-start", 5.0, Lead()), "pre-start"),
        (Hook(LEASE, "post-stop", 5.0, Quit()), "post-stop"),
        (Running(LEASE), "running"),
        (Stopping(LEASE, 5.0, Quit()), "stopping"),
        (Yielding(LEASE, 5.0), "stopping"),
        (Backoff(LEASE, 5.0), "restarting"),
        (Leaving(0, math.inf), "none"),
        (Done(0), "none"),
    ],
)
def test_each_phase_has_its_word(phase: Phase, word: str) -> None:
    signs = Signs()
    assert signs.job == ("none", 0)

    show(phase, 4711, signs)
    with_process = signs.job
    show(phase, None, signs)

    assert (with_process, signs.job) == ((word, 4711), (word, 0))


def test_there_is_no_word_for_nothing() -> None:
    assert len(set(JOB_STATES)) == len(JOB_STATES) == 9
