"""The guard's vocabulary: what can happen to it (events), what it can do (effects), its plan."""

from __future__ import annotations

import math

from coordsidecar.core.messages import FromElector, FromGuard
from coordsidecar.core.timing import Timing
from coordsidecar.hints import Literal
from coordsidecar.value import Value

__all__ = [
    "AbandonElector",
    "AwaitObedience",
    "Continued",
    "Effect",
    "ElectorExited",
    "ElectorStopped",
    "Event",
    "Finish",
    "FreezeTree",
    "Health",
    "Heard",
    "JobExited",
    "JobNotStarted",
    "KillElector",
    "KillTree",
    "Plan",
    "Report",
    "Role",
    "ShowRole",
    "SignalJob",
    "Signalled",
    "StartElector",
    "StartHook",
    "StartJob",
    "StopTree",
    "SuspendSelf",
    "Tell",
    "TerminalStop",
    "ThawTree",
    "Tick",
    "TreeEmpty",
    "TreeHeld",
]

Role = Literal["leader", "standby", "stopping"]


class Plan(Value, kw_only=True):
    """What the user asked for, as far as it concerns the guard."""

    timing: Timing
    stop_signal: int
    stop_timeout_s: float
    while_standby: Literal["stop", "signal", "freeze"] = "stop"
    has_standby_command: bool = False
    lead_signal: int = 0
    standby_signal: int = 0
    standby_timeout_s: float | None = None
    restart: Literal["never", "on-failure", "always"] = "never"
    max_restarts: int = 3
    max_restarts_window_s: float = 60.0
    exit_on_lost: bool = False
    has_pre_start: bool = False
    has_post_stop: bool = False
    hook_timeout_s: float = 10.0
    gate_rest_s: float = 30.0
    unhealthy: Literal["step-down", "restart"] = "step-down"
    only_well_stand: bool = False


# ── events ─────────────────────────────────────────────────────────────────────────────────────


class Tick(Value):
    """Time has passed. ``elector_due_s``: by when the elector was to step, as it said last."""

    elector_due_s: float = -math.inf


class Heard(Value):
    message: FromElector


class ElectorStopped(Value):
    """Somebody stopped it: what it meant to do it will not, so its silence counts from now."""


class ElectorExited(Value):
    pass


class JobNotStarted(Value):
    """The command could not be executed: 127 not found, 126 not executable."""

    exit_code: int
    reason: str


class JobExited(Value):
    """The job's main process ended; the rest of its tree may live on. 128+n if a signal did it."""

    exit_code: int


class TreeEmpty(Value):
    """No process of the job's tree is left."""


class TreeHeld(Value):
    """Every process of the tree is stopped, or the job has said that it stands by."""


class Health(Value):
    """What checks have found of the job of this ``run`` (`Guard.runs`), and why.

    ``run`` 0: of this instance, while it does not lead. ``healthy`` None: nobody knows (any more).
    """

    run: int
    healthy: bool | None
    why: str


class Signalled(Value):
    """Somebody sent us a signal."""

    signal: int


class TerminalStop(Value):
    """Ctrl-Z: we, or the job that has the terminal, are to be suspended."""


class Continued(Value):
    """We run again after `SuspendSelf`."""


Event = (
    Tick
    | Heard
    | ElectorExited
    | ElectorStopped
    | JobNotStarted
    | JobExited
    | TreeEmpty
    | TreeHeld
    | Health
    | Signalled
    | TerminalStop
    | Continued
)


# ── effects ────────────────────────────────────────────────────────────────────────────────────


class StartJob(Value):
    """Run the command: the job as ``leader``; as ``standby`` the standby command, or the job."""

    role: Role
    token: int | None


class StartHook(Value):
    """Run the command of this hook in the job's place: it is the job, until its tree is gone."""

    hook: Literal["pre-start", "post-stop"]
    token: int


class StopTree(Value):
    """Send the signal, then CONT, to the whole tree; report `TreeEmpty` when nothing is left."""

    signal: int


class KillTree(Value):
    """SIGKILL everything, again and again until nothing is left; then report `TreeEmpty`."""


class FreezeTree(Value):
    """SIGSTOP everything until nothing runs; then report `TreeHeld`."""


class ThawTree(Value):
    pass


class SignalJob(Value):
    """Hand the signal to the job's process group."""

    signal: int


class AwaitObedience(Value):
    """Report `TreeHeld` when the job has acknowledged that it stands by."""


class Tell(Value):
    message: FromGuard


class StartElector(Value):
    """Fork an elector that adopts the session we know of; ``token``: the election it holds.

    ``floor``: the highest token that was ever seen here, and ``floor_ttl_s`` the TTL of whoever
    else had it.
    """

    token: int | None
    run_until_s: float
    floor: int
    floor_ttl_s: float = 0.0


class KillElector(Value):
    pass


class AbandonElector(Value):
    """It was killed, and does not end: a debugger holds it, or the kernel. Report `ElectorExited`.

    No instruction of its own does it carry out any more, so another one may follow.
    """


class SuspendSelf(Value):
    pass


class ShowRole(Value):
    """Write the role file."""

    role: Role
    token: int | None
    run_until_s: float | None
    leader: str | None


class Report(Value):
    """A transition and its reason, for the log."""

    event: str
    message: str
    token: int | None = None
    deadline_left_s: float | None = None


class Finish(Value):
    exit_code: int


Effect = (
    StartJob
    | StartHook
    | StopTree
    | KillTree
    | FreezeTree
    | ThawTree
    | SignalJob
    | AwaitObedience
    | Tell
    | StartElector
    | KillElector
    | AbandonElector
    | SuspendSelf
    | ShowRole
    | Report
    | Finish
)
