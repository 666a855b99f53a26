"""What the guard shows of its job and its elector, for people: its core knows nothing of it."""

from __future__ import annotations

from coordsidecar.core.guard.moves import Effect, StartElector, StartJob
from coordsidecar.core.guard.phases import Backoff, Hook, Idle, Phase, Running, Stopping, Yielding
from coordsidecar.signs import Signs

__all__ = ["count", "job_state", "show"]

_OF_IDLE = {"none": "none", "standby": "standby command", "held": "standing by", "frozen": "frozen"}


def count(effect: Effect, signs: Signs) -> None:
    """What was done, and was not refused."""
    if isinstance(effect, StartJob):
        signs.job_starts_again()
    elif isinstance(effect, StartElector):
        signs.elector_starts_again()


def show(phase: Phase, pid: int | None, signs: Signs) -> None:
    """What there is of the job by now; ``pid``: its process."""
    signs.job_is(job_state(phase), pid or 0)


def job_state(phase: Phase) -> str:
    """One of `JOB_STATES`."""
    match phase:
        case Running():
            return "running"
        case Stopping() | Yielding():
            return "stopping"
        case Hook(name=name):
            return name
        case Backoff():
            return "restarting"
        case Idle(tree):
            return _OF_IDLE[tree]
        case _:
            return "none"
