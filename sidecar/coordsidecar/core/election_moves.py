"""The elector's vocabulary: calls to the store, what can happen (events), what to do (effects)."""

from __future__ import annotations

from dataclasses import dataclass

from coordsidecar.core.messages import FromElector, FromGuard
from coordsidecar.core.timing import Timing
from coordsidecar.store import Absent, Behind, Held, Session, Vacant

__all__ = [
    "Aims",
    "Answered",
    "Call",
    "Campaign",
    "Close",
    "Done",
    "Effect",
    "Event",
    "Exit",
    "Gone",
    "GuardDied",
    "HeardGuard",
    "KillTree",
    "Look",
    "Op",
    "Open",
    "Refused",
    "Renew",
    "Renewed",
    "Report",
    "Resign",
    "Result",
    "Silent",
    "Sweep",
    "Swept",
    "TakeOffice",
    "TellGuard",
    "Tick",
    "Took",
    "TreeKilled",
    "Watch",
    "Watched",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aims:
    """What the user asked for, as far as it concerns the elector.

    ``run`` is this sidecar's own mark, see `coordsidecar.store.Office`. ``wait_until_s``: give up
    if not leading by then; ``try_once``: give up as soon as somebody else holds the election.
    """

    timing: Timing
    run: str
    wait_until_s: float | None = None
    try_once: bool = False


# ── calls to the store, and what comes of them ─────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Open:
    pass


@dataclass(frozen=True, slots=True)
class Renew:
    session: Session


@dataclass(frozen=True, slots=True)
class Campaign:
    session: Session


@dataclass(frozen=True, slots=True)
class Look:
    """`Store.standing`."""

    session: Session


@dataclass(frozen=True, slots=True)
class TakeOffice:
    session: Session
    token: int


@dataclass(frozen=True, slots=True)
class Resign:
    session: Session
    token: int | None


@dataclass(frozen=True, slots=True)
class Close:
    session: Session


Op = Open | Renew | Campaign | Look | TakeOffice | Resign | Close


@dataclass(frozen=True, slots=True)
class Renewed:
    ttl_s: float


@dataclass(frozen=True, slots=True)
class Took:
    office: bool


@dataclass(frozen=True, slots=True)
class Done:
    pass


@dataclass(frozen=True, slots=True)
class Silent:
    """No answer at all: nothing is known (rule S7)."""

    reason: str


@dataclass(frozen=True, slots=True)
class Gone:
    """The store's no: the session is lost."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The store will not serve us until somebody changes something."""

    reason: str


Result = Session | Renewed | Held | Behind | Vacant | Absent | Took | Done | Silent | Gone | Refused


# ── events ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A call ended. ``sent_at_s`` is from before it was sent; ``draw`` in [0, 1) makes jitter."""

    op: Op
    sent_at_s: float
    result: Result
    draw: float


@dataclass(frozen=True, slots=True)
class Watched:
    """The watch ended: something may have changed, or ``failed``, or neither."""

    changed: bool
    failed: bool = False


@dataclass(frozen=True, slots=True)
class HeardGuard:
    message: FromGuard


@dataclass(frozen=True, slots=True)
class GuardDied:
    pass


@dataclass(frozen=True, slots=True)
class TreeKilled:
    """Guard and job tree are confirmed dead, by our own hand."""


@dataclass(frozen=True, slots=True)
class Swept:
    """No process of the earlier run is left on this host."""


Event = Tick | Answered | Watched | HeardGuard | GuardDied | TreeKilled | Swept


# ── effects ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Call:
    """Make this call, one at a time, and report `Answered`."""

    op: Op


@dataclass(frozen=True, slots=True)
class Watch:
    """Watch our standing beside the calls, and report `Watched`; one at a time."""

    session: Session
    standing: Held | Behind | Vacant


@dataclass(frozen=True, slots=True)
class TellGuard:
    """Send the message, and the session's descriptors with it."""

    message: FromElector
    fds: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class KillTree:
    """Kill the job's tree, then the guard, until both are confirmed dead; report `TreeKilled`."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """Kill what is left on this host of an earlier ``run``; report `Swept` when nothing is."""

    run: str


@dataclass(frozen=True, slots=True)
class Report:
    """A transition and its reason, for the log."""

    event: str
    message: str
    token: int | None = None


@dataclass(frozen=True, slots=True)
class Exit:
    pass


Effect = Call | Watch | TellGuard | KillTree | Sweep | Report | Exit
