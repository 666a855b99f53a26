"""What guard and elector say to each other, and its one codec.

They talk over a SEQPACKET socket pair, so a message is a packet. Deadlines are absolute, on the
clock that counts suspend (CLOCK_BOOTTIME), which both processes share; `math.inf` where a store's
lock does not expire.
"""

from __future__ import annotations

import json
import math

from coordsidecar.hints import Any
from coordsidecar.value import Value

__all__ = [
    "MESSAGE_BYTES_MAX",
    "NOT_LOOKED_AT",
    "UNKNOWN",
    "Condition",
    "Ending",
    "Failed",
    "Following",
    "FromElector",
    "FromGuard",
    "Holding",
    "JobIs",
    "Leased",
    "Leave",
    "Lost",
    "Message",
    "MessageError",
    "Ready",
    "Released",
    "Resumed",
    "StepDown",
    "Suspended",
    "TreeGone",
    "decode",
    "encode",
]

MESSAGE_BYTES_MAX = 32_768
_LARGEST_INT = 2**64


class MessageError(ValueError):
    """A packet that is none of our messages."""


# ── elector to guard ───────────────────────────────────────────────────────────────────────────


class Leased(Value):
    """We lead for now: stop the job at ``step_down_at_s``; it is dead by ``run_until_s``."""

    token: int
    step_down_at_s: float
    run_until_s: float


class Lost(Value):
    """The store said no: somebody else may lead any moment now."""

    token: int
    reason: str


class StepDown(Value):
    """An operator's order to whoever leads under ``token``: hand over, as if asked to stop, and do
    not stand again for ``rest_s``."""

    token: int
    rest_s: float
    why: str


class Holding(Value):
    """The session we hold, for the next elector to adopt. Its descriptors travel along."""

    handle: str
    ttl_s: float
    doubted_until_s: float = -math.inf


class Released(Value):
    """Leadership under ``token`` is over, in the store as well: nobody may adopt the session.

    Token 0: nothing was led, but the session is about to be given up.
    """

    token: int


class Following(Value):
    """Somebody else leads. ``leader`` was written by others: show it, never trust it.

    ``token``: 0 if it has none, being none of ours. ``floor``: the highest token that was ever seen
    in office; ``floor_ttl_s``: the TTL of whoever had it, if that is known.
    """

    leader: str
    token: int
    floor: int
    floor_ttl_s: float = 0.0


class Failed(Value):
    """The elector gives up, for a reason that only people can mend, or since `--wait` ran out."""

    exit_code: int
    reason: str


class Ready(Value):
    """The elector's first word: it works. That it still does, it shows by its sign of life."""


# ── guard to elector ───────────────────────────────────────────────────────────────────────────


class JobIs(Value):
    """The main process of the tree that must die if the guard does. Its pidfd travels along."""

    pid: int


class Ending(Value):
    """The job of ``token`` is over, or asked to end: what it takes to resign can be found out now.

    Not a word of when: a job may take its time.
    """

    token: int


class TreeGone(Value):
    """The job of ``token`` is over, its whole tree confirmed dead (or frozen): release (rule S4).

    Campaign again after ``rest_s``, or never again if ``leave``. ``why`` it is over.
    """

    token: int
    rest_s: float
    leave: bool
    why: str = ""


class Condition(Value):
    """What is known of our health: ``health`` is ``well``, ``sick`` or ``unknown``, and ``why``.

    ``stands``: whether we may be a candidate, be we leading or not.
    """

    health: str
    why: str = ""
    stands: bool = True


UNKNOWN = Condition("unknown")
NOT_LOOKED_AT = Condition("unknown", "it was not looked at yet", stands=False)
"""As an instance begins of which only who is well stands."""


class Leave(Value):
    """Withdraw from the election and exit. Sent only when no job runs."""


class Suspended(Value):
    """The guard is about to stop itself (Ctrl-Z) with its tree frozen: no signs for a while."""


class Resumed(Value):
    pass


FromElector = Leased | Lost | StepDown | Holding | Released | Following | Failed | Ready
FromGuard = JobIs | Ending | TreeGone | Condition | Leave | Suspended | Resumed
Message = FromElector | FromGuard

_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        *(Leased, Lost, StepDown, Holding, Released, Following, Failed, Ready),
        *(JobIs, Ending, TreeGone, Condition, Leave, Suspended, Resumed),
    )
}
_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (float, int),
    "str": (str,),
    "bool": (bool,),
}


def encode(message: Message) -> bytes:
    """One packet. Texts that came from outside were cut to size before they got here."""
    packet = json.dumps([type(message).__name__, vars(message)]).encode()
    assert len(packet) <= MESSAGE_BYTES_MAX, "texts are cut to size where they enter"
    return packet


def decode(packet: bytes) -> Message:
    """The message in ``packet``; `MessageError` if there is none."""
    try:
        name, values = json.loads(packet)
        kind = _KINDS[name]
        declared = {field: str(t) for field, t in kind.__annotations__.items()}
        if values.keys() != declared.keys():
            raise MessageError(f"fields of {name} do not match: {sorted(values)}")
        for field, type_name in declared.items():
            value = values[field]
            if not isinstance(value, _TYPES[type_name]) or (
                isinstance(value, bool) != (type_name == "bool")
            ):
                raise MessageError(f"{name}.{field} is not of type {type_name}")
            if value != value:
                raise MessageError(f"{name}.{field} is not a number")
            # Python's integers have no end; the clocks and the kernel's numbers have.
            if isinstance(value, int) and abs(value) > _LARGEST_INT:
                raise MessageError(f"{name}.{field} is far too large")
        message: Message = kind(**values)
    except MessageError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise MessageError(f"not a message: {packet[:80]!r}") from error
    return message
