"""The guard's vocabulary: what can happen to it (events), what it can do (effects), its plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from coordsidecar.core.messages import FromElector, FromGuard
from coordsidecar.core.timing import Timing

__all__ = [
    "AwaitObedience",
    "Continued",
    "Effect",
    "ElectorExited",
    "Event",
    "Finish",
    "FreezeTree",
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
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


# ── events ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class Heard:
    message: FromElector


@dataclass(frozen=True, slots=True)
class ElectorExited:
    pass


@dataclass(frozen=True, slots=True)
class JobNotStarted:
    """The command could not be executed: 127 not found, 126 not executable."""

    exit_code: int
    reason: str


@dataclass(frozen=True, slots=True)
class JobExited:
    """The job's main process ended; the rest of its tree may live on. 128+n if a signal did it."""

    exit_code: int


@dataclass(frozen=True, slots=True)
class TreeEmpty:
    """No process of the job's tree is left."""


@dataclass(frozen=True, slots=True)
class TreeHeld:
    """Every process of the tree is stopped, or the job has said that it stands by."""


@dataclass(frozen=True, slots=True)
class Signalled:
    """Somebody sent us a signal."""

    signal: int


@dataclass(frozen=True, slots=True)
class TerminalStop:
    """Ctrl-Z: we, or the job that has the terminal, are to be suspended."""


@dataclass(frozen=True, slots=True)
class Continued:
    """We run again after `SuspendSelf`."""


Event = (
    Tick
    | Heard
    | ElectorExited
    | JobNotStarted
    | JobExited
    | TreeEmpty
    | TreeHeld
    | Signalled
    | TerminalStop
    | Continued
)


# ── effects ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class StartJob:
    """Run the command: the job as ``leader``; as ``standby`` the standby command, or the job."""

    role: Role
    token: int | None


@dataclass(frozen=True, slots=True)
class StopTree:
    """Send the signal, then CONT, to the whole tree; report `TreeEmpty` when nothing is left."""

    signal: int


@dataclass(frozen=True, slots=True)
class KillTree:
    """SIGKILL everything, again and again until nothing is left; then report `TreeEmpty`."""


@dataclass(frozen=True, slots=True)
class FreezeTree:
    """SIGSTOP everything until nothing runs; then report `TreeHeld`."""


@dataclass(frozen=True, slots=True)
class ThawTree:
    pass


@dataclass(frozen=True, slots=True)
class SignalJob:
    """Hand the signal to the job's process group."""

    signal: int


@dataclass(frozen=True, slots=True)
class AwaitObedience:
    """Report `TreeHeld` when the job has acknowledged that it stands by."""


@dataclass(frozen=True, slots=True)
class Tell:
    message: FromGuard


@dataclass(frozen=True, slots=True)
class StartElector:
    """Fork an elector that adopts the session we know of; ``token``: the election it holds."""

    token: int | None
    run_until_s: float


@dataclass(frozen=True, slots=True)
class KillElector:
    pass


@dataclass(frozen=True, slots=True)
class SuspendSelf:
    pass


@dataclass(frozen=True, slots=True)
class ShowRole:
    """Write the role file."""

    role: Role
    token: int | None
    run_until_s: float | None
    leader: str | None


@dataclass(frozen=True, slots=True)
class Report:
    """A transition and its reason, for the log."""

    event: str
    message: str
    token: int | None = None
    deadline_left_s: float | None = None


@dataclass(frozen=True, slots=True)
class Finish:
    exit_code: int


Effect = (
    StartJob
    | StopTree
    | KillTree
    | FreezeTree
    | ThawTree
    | SignalJob
    | AwaitObedience
    | Tell
    | StartElector
    | KillElector
    | SuspendSelf
    | ShowRole
    | Report
    | Finish
)
