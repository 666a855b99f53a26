"""The phases of the guard's core, and what they have in common."""

from __future__ import annotations

import math

from coordsidecar.core.messages import UNKNOWN, Condition, Leased
from coordsidecar.hints import Literal
from coordsidecar.value import Value, replace

__all__ = [
    "After",
    "Backoff",
    "Done",
    "Guard",
    "Hook",
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
    """Once the tree is empty: start the job as the leader; ``gated``: its gate has let it in."""

    gated: bool = False


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
    """We do not lead. ``frozen`` and ``held``: a job is kept, stopped or told to stand by.

    Ends when the elector is elected; one that is silent is replaced.
    """

    tree: Literal["none", "standby", "held", "frozen"] = "none"


class Running(Value):
    """We lead and the job runs. Ends with the job, or at D after the last proof at the latest."""

    lease: Leased


class Stopping(Value):
    """The tree is on its way out: told to stop, or being killed since ``killing``.

    Ends when it is gone; SIGKILL comes at ``kill_at_s``, or K before the lease ends. What cannot be
    killed keeps it (rule S4).

    ``asked``: a person asked for it, so that asking again kills at once. ``of_hook``: what runs is
    no job, but a hook in its place.
    """

    lease: Leased | None
    kill_at_s: float
    after: After
    killing: bool = False
    asked: bool = False
    job_code: int | None = None
    of_hook: bool = False


class Hook(Value):
    """A command of the user's runs in the job's place (`core.guard.hooks`), before the job starts
    or after its tree is gone.

    Ends with it: SIGKILL comes at ``kill_at_s``, or K before the lease ends; a gate is asked to
    stop when a job would be. Then ``after``, if it has not failed. ``asked``: as in `Stopping`.
    """

    lease: Leased
    name: Literal["pre-start", "post-stop"]
    kill_at_s: float
    after: After
    asked: bool = False


class Yielding(Value):
    """The tree is being frozen, or was told to stand by; if it has not by ``kill_at_s``, it is
    killed. We do not stand again for ``rest_s``."""

    lease: Leased
    kill_at_s: float
    rest_s: float = 0.0


class Backoff(Value):
    """The job ended and is started again at ``restart_at_s``; or the lease is over before."""

    lease: Leased | None
    restart_at_s: float


class Leaving(Value):
    """Nothing runs; the elector withdraws from the election, until ``give_up_at_s`` at most."""

    exit_code: int
    give_up_at_s: float


class Done(Value):
    exit_code: int


Phase = Idle | Running | Hook | Stopping | Yielding | Backoff | Leaving | Done


class Guard(Value):
    """The whole state.

    ``token_floor``: the highest token that was ever seen here; no job starts at or below it.
    ``floor_ttl_s``: the TTL of whoever else had it, if that is known.
    ``unreleased``: a token whose job is over but which the elector has not yet released; one that
    has said a word, but has not by ``release_due_s``, is replaced.
    ``elector_due_s``: by when the elector was to step, as it said last.
    ``elector_start_at_s``: when to start the next elector; ``None`` while one lives.
    ``to_clear``: a token under which something of ours has run that `--post-stop` is to clean up.
    ``runs``: how often `Running` has begun; by it a verdict on an earlier job is known.
    ``condition``: what is known of our health.
    ``why``: the first reason for which the last lead was, or is, to end; for the history.
    ``rest_until_s``: so long no elector of ours shall stand again. ``elector_killed``: by us.
    ``elector_new``: it has not yet said a word. ``woke_at_s``: when we last stepped after so long a
    pause that the elector's silence before that proves nothing.
    """

    phase: Phase
    elector_due_s: float
    last_step_s: float
    woke_at_s: float = -math.inf
    token_floor: int = 0
    floor_ttl_s: float = 0.0
    unreleased: int | None = None
    to_clear: int | None = None
    release_due_s: float = math.inf
    elector_start_at_s: float | None = None
    elector_deaths: int = 0
    elector_killed: bool = False
    elector_new: bool = True
    rest_until_s: float = -math.inf
    restarts_s: tuple[float, ...] = ()
    leader: str | None = None
    why: str = ""
    runs: int = 0
    condition: Condition = UNKNOWN

    def to(self, phase: Phase) -> Guard:
        begins = isinstance(phase, Running) and not isinstance(self.phase, Running)
        return replace(self, phase=phase, runs=self.runs + begins)


def lease_of(phase: Phase) -> Leased | None:
    """The lease under which ``phase`` acts, if any."""
    match phase:
        case Running(lease) | Hook(lease) | Yielding(lease):
            return lease
        case Stopping() | Backoff():
            return phase.lease
        case _:
            return None
