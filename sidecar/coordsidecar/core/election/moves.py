"""The elector's vocabulary: calls to the store, what can happen (events), what to do (effects)."""

from __future__ import annotations

import math

from coordsidecar.core.messages import FromElector, FromGuard
from coordsidecar.core.timing import Timing
from coordsidecar.store.curbs import NO_CURBS, Curbs
from coordsidecar.store.orders import Order
from coordsidecar.store.protocol import Absent, Behind, Held, Session, Standing, Vacant
from coordsidecar.value import Value

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
    "GuardIs",
    "HeardGuard",
    "KillTree",
    "Look",
    "LookAtGuard",
    "Op",
    "Open",
    "Ordered",
    "Prepare",
    "Refused",
    "Renew",
    "Renewed",
    "Report",
    "Resign",
    "Result",
    "Silent",
    "Spare",
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


class Aims(Value, kw_only=True):
    """What the user asked for, as far as it concerns the elector.

    ``run`` is this sidecar's own mark, see `coordsidecar.store.protocol.Office`; up to a dash it is
    the same for all of an election. ``wait_until_s``: give up if not leading by then; ``try_once``:
    give up as soon as somebody else holds it. ``where``: the store, for the log. ``node_id``: what
    operators call us. ``only_well_stand``: not before the guard says so.
    """

    timing: Timing
    run: str
    wait_until_s: float | None = None
    try_once: bool = False
    where: str = "the store"
    node_id: str = ""
    only_well_stand: bool = False


# ── calls to the store, and what comes of them ─────────────────────────────────────────────────


class Open(Value):
    pass


class Renew(Value):
    """Keep the session alive; with ``look``, and prove where we stand (rule S17)."""

    session: Session
    look: bool = False


class Campaign(Value):
    """``floor``: of which office may be taken at once, if all is clean; None: not at once.

    ``depose``: the beat of a leader who is to be deposed, if it still is that.
    """

    session: Session
    floor: int | None = 0
    depose: int | None = None


class Look(Value):
    """`Store.standing`."""

    session: Session


class TakeOffice(Value):
    """``curbs``: what operators have ordered, as far as we know; if that differs, office is not
    taken."""

    session: Session
    token: int
    floor: int = 0
    curbs: Curbs = NO_CURBS


class Prepare(Value):
    """`Store.prepare`: what comes of it is the store's own affair."""

    session: Session


class Resign(Value):
    """``why``: for the history."""

    session: Session
    token: int | None
    why: str = ""


class Close(Value):
    session: Session


Op = Open | Renew | Campaign | Look | TakeOffice | Prepare | Resign | Close


class Renewed(Value):
    """``standing``: the proof, if it was asked for; ``order``: an operator's last, if there is."""

    ttl_s: float
    standing: Standing | None = None
    order: Order | None = None


class Took(Value):
    """Office, under this token; ``None``: it is not ours."""

    token: int | None


class Done(Value):
    pass


class Silent(Value):
    """No answer at all: nothing is known (rule S7)."""

    reason: str


class Gone(Value):
    """The store's no: the session is lost."""

    reason: str


class Refused(Value):
    """The store will not serve us until somebody changes something; ``final``: what we were started
    with, so that asking again will not do."""

    reason: str
    final: bool = False


Result = Session | Renewed | Held | Behind | Vacant | Absent | Took | Done | Silent | Gone | Refused


# ── events ─────────────────────────────────────────────────────────────────────────────────────


class Tick(Value):
    """Time has passed. The guard last stepped at ``guard_seen_s``, and is to at ``guard_due_s``."""

    guard_seen_s: float = -math.inf
    guard_due_s: float = -math.inf


class Answered(Value):
    """A call ended. ``sent_at_s`` is from before it was sent; ``draw`` in [0, 1) makes jitter."""

    op: Op
    sent_at_s: float
    result: Result
    draw: float


class Watched(Value):
    """The watch ended: something may have changed, or ``failed``, or neither. ``refused``: the
    store's reason, if it failed for one that somebody has to mend. ``appointed``: to office, under
    the session ``handle``, at some time since the watch began.
    """

    changed: bool
    failed: bool = False
    refused: str = ""
    appointed: Held | None = None
    handle: str = ""


class HeardGuard(Value):
    message: FromGuard


class GuardDied(Value):
    pass


class GuardIs(Value):
    """What `LookAtGuard` found: whether somebody has stopped it (SIGSTOP, a debugger)."""

    stopped: bool


class Ordered(Value):
    """An operator's order that came to us and not by way of the store; of which term, it says."""

    order: Order


class TreeKilled(Value):
    """The job's tree is confirmed dead, by our own hand, and so is the guard; or, ``guard_lives``,
    that was sent SIGKILL, and is there still (PID 1 of a container, state D)."""

    guard_lives: bool = False


class Swept(Value):
    """No process of the earlier run is left on this host, as was asked for ``token`` to lead."""

    token: int


Event = Tick | Answered | Watched | HeardGuard | GuardIs | GuardDied | Ordered | TreeKilled | Swept


# ── effects ────────────────────────────────────────────────────────────────────────────────────


class Call(Value):
    """Make this call, one at a time, and report `Answered`."""

    op: Op


class Watch(Value):
    """Watch our standing beside the calls, and report `Watched`; one at a time."""

    session: Session
    standing: Held | Behind | Vacant


class TellGuard(Value):
    """Send the message, and the session's descriptors with it."""

    message: FromElector
    fds: tuple[int, ...] = ()


class KillTree(Value):
    """Kill the job's tree, then the guard, until both are confirmed dead; report `TreeKilled`."""


class Spare(Value):
    """No more `KillTree`: the guard is there again, and has seen to it."""


class LookAtGuard(Value):
    """Report `GuardIs`."""


class Sweep(Value):
    """Kill what an earlier ``run`` left here, for ``token`` to lead; report `Swept` then."""

    run: str
    token: int


class Report(Value):
    """A transition and its reason, for the log."""

    event: str
    message: str
    token: int | None = None


class Exit(Value):
    pass


Effect = Call | Watch | TellGuard | KillTree | Spare | LookAtGuard | Sweep | Report | Exit
