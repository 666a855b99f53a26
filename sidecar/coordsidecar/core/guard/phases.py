"""The phases of the guard's core, and what they have in common."""

from __future__ import annotations

from coordsidecar.core.messages import Leased
from coordsidecar.hints import Literal
from coordsidecar.value import Value, replace

__all__ = [
    "After",
    "Backoff",
    "Done",
    "Guard",
    "Idle",
    "Lead",
    "Leaving",
    "Phase",
    "Quit",
    "Rejoin",
    "Rerun",
    "Running",
    "Stopping",
    "Yielding",
    "lease_of",
]


class Lead(Value):
    """Once the tree is empty: start the job as the leader."""


class Rejoin(Value):
    """Once the tree is empty: release, and stand by again; campaign after ``rest_s``."""

    rest_s: float = 0.0


class Rerun(Value):
    """Once the tree is empty: start the job again, as what it was."""

    delay_s: float


class Quit(Value):
    """Once the tree is empty: release and exit; ``None``: with the job's own code."""

    exit_code: int | None = None


After = Lead | Rejoin | Rerun | Quit


class Idle(Value):
    """We do not lead. ``frozen`` and ``held``: a job is kept, stopped or told to stand by."""

    tree: Literal["none", "standby", "held", "frozen"] = "none"


class Running(Value):
    """We lead and the job runs."""

    lease: Leased


class Stopping(Value):
    """The tree is on its way out: told to stop, or being killed since ``killing``.

    ``asked``: a person asked for it, so that asking again kills at once.
    """

    lease: Leased | None
    kill_at_s: float
    after: After
    killing: bool = False
    asked: bool = False
    job_code: int | None = None


class Yielding(Value):
    """The tree is being frozen, or was told to stand by; if that fails, it is killed."""

    lease: Leased
    kill_at_s: float


class Backoff(Value):
    """The job ended and is started again at ``restart_at_s``."""

    lease: Leased | None
    restart_at_s: float


class Leaving(Value):
    """Nothing runs; the elector withdraws from the election, for a bounded time."""

    exit_code: int
    give_up_at_s: float


class Done(Value):
    exit_code: int


Phase = Idle | Running | Stopping | Yielding | Backoff | Leaving | Done


class Guard(Value):
    """The whole state.

    ``token_floor``: the highest token a job was ever started with; a lease below it is an old one.
    ``unreleased``: a token whose job is over but which the elector has not yet released.
    ``elector_start_at_s``: when to start the next elector; ``None`` while one lives.
    ``elector_new``: it has not yet said a word.
    """

    phase: Phase
    elector_heard_s: float
    last_step_s: float
    token_floor: int = 0
    unreleased: int | None = None
    elector_start_at_s: float | None = None
    elector_deaths: int = 0
    elector_new: bool = True
    restarts_s: tuple[float, ...] = ()
    leader: str | None = None

    def to(self, phase: Phase) -> Guard:
        return replace(self, phase=phase)


def lease_of(phase: Phase) -> Leased | None:
    """The lease under which ``phase`` acts, if any."""
    match phase:
        case Running(lease) | Yielding(lease):
            return lease
        case Stopping() | Backoff():
            return phase.lease
        case _:
            return None
