"""What operators have ordered to hold until they say otherwise: who may not lead for now.

It stands in the office record, which whoever takes office compares and replaces: nobody comes into
office beside it. It can only keep somebody from leading. No deadline and no token follow from it,
so one that was written by hand, or in bad faith, costs a lead, and nothing else.

How long a pause or a transfer still holds, each candidate counts for itself (`core.election.
curbing`): clocks of two hosts are never compared. So none ends early, but one may end later for a
candidate that was started meanwhile.
"""

from __future__ import annotations

import json

from coordsidecar.hints import Any
from coordsidecar.value import Value, replace

__all__ = [
    "LONGEST_PAUSE_S",
    "LONGEST_REASON",
    "LONGEST_TRANSFER_S",
    "MOST_CORDONS",
    "NO_CURBS",
    "Cordon",
    "Curbs",
    "Pause",
    "Transfer",
]

LONGEST_PAUSE_S = 30 * 86400.0
LONGEST_TRANSFER_S = 600.0
MOST_CORDONS = 32
_LONGEST_NAME = 200
_LONGEST_WORD = 100
LONGEST_REASON = 200
_MOST_TOKEN = 2**62


class Pause(Value):
    """Nobody takes office; whoever is in office stays there.

    ``mark``: tells it from every other pause. ``for_s``: None until it is lifted. ``by``, ``at``
    and ``reason``: the operator's, for people.
    """

    mark: str
    for_s: float | None
    by: str
    at: str = ""
    reason: str = ""

    @property
    def why(self) -> str:
        return _told(f"paused by {self.by}" + (f" at {self.at}" if self.at else ""), self.reason)


class Cordon(Value):
    """The instance that shows itself as ``id`` does not lead; if it does, it hands over."""

    id: str
    by: str
    at: str = ""
    reason: str = ""

    @property
    def why(self) -> str:
        return _told(f"cordoned by {self.by}" + (f" at {self.at}" if self.at else ""), self.reason)


class Transfer(Value):
    """After the term of ``token``, nobody but ``to`` takes office, for ``within_s`` once it has
    ended."""

    token: int
    to: str
    within_s: float
    by: str
    reason: str = ""

    @property
    def why(self) -> str:
        return _told(f"{self.by} ordered a transfer to {self.to}", self.reason)


class Curbs(Value):
    """All that holds of an election. False if nothing does."""

    pause: Pause | None = None
    cordons: tuple[Cordon, ...] = ()
    transfer: Transfer | None = None

    def __bool__(self) -> bool:
        return self.pause is not None or self.cordons != () or self.transfer is not None

    def cordon_of(self, node_id: str) -> Cordon | None:
        return next((cordon for cordon in self.cordons if cordon.id == node_id), None)

    def having(self, cordon: Cordon) -> Curbs | None:
        """With that one too, unless its instance is cordoned already; None: there is no room."""
        if self.cordon_of(cordon.id) is not None:
            return self
        if len(self.cordons) >= MOST_CORDONS:
            return None
        return replace(self, cordons=(*self.cordons, cordon))

    def without(self, node_id: str) -> Curbs:
        """With no cordon of that instance."""
        return replace(self, cordons=tuple(c for c in self.cordons if c.id != node_id))

    @property
    def of_next_term(self) -> Curbs:
        """What still holds once somebody has taken office: a pause and a transfer are over."""
        return NO_CURBS if not self.cordons else Curbs(cordons=self.cordons)

    def as_fields(self) -> dict[str, Any]:
        """For a record, or for ``--json``; `read` reads it."""
        fields: dict[str, Any] = {}
        if self.pause is not None:
            fields["pause"] = dict(vars(self.pause))
        if self.cordons:
            fields["cordons"] = [dict(vars(cordon)) for cordon in self.cordons]
        if self.transfer is not None:
            fields["transfer"] = dict(vars(self.transfer))
        return fields

    @classmethod
    def read(cls, fields: object) -> Curbs:
        """Read what anybody may have written; what cannot be read does not hold."""
        if not isinstance(fields, dict):
            return NO_CURBS
        cordons = fields.get("cordons")
        read = (
            _cordon(one) for one in (cordons if isinstance(cordons, list) else ())[:MOST_CORDONS]
        )
        found = cls(
            _pause(fields.get("pause")),
            tuple(cordon for cordon in read if cordon is not None),
            _transfer(fields.get("transfer")),
        )
        return found if found else NO_CURBS

    @classmethod
    def decode(cls, raw: str | bytes | None) -> Curbs:
        """As `read`, of JSON."""
        try:
            return cls.read(json.loads(raw)) if raw else NO_CURBS
        except (ValueError, RecursionError):
            return NO_CURBS


NO_CURBS = Curbs()


def _pause(fields: object) -> Pause | None:
    if not isinstance(fields, dict):
        return None
    mark, for_s = _text(fields, "mark", _LONGEST_WORD), fields.get("for_s")
    if not mark:
        return None
    if for_s is not None and (for_s := _seconds(for_s, LONGEST_PAUSE_S)) is None:
        return None
    return Pause(mark, for_s, *_signed(fields))


def _cordon(fields: object) -> Cordon | None:
    if not isinstance(fields, dict):
        return None
    node_id = _text(fields, "id", _LONGEST_NAME)
    return Cordon(node_id, *_signed(fields)) if node_id else None


def _transfer(fields: object) -> Transfer | None:
    if not isinstance(fields, dict):
        return None
    token, to = fields.get("token"), _text(fields, "to", _LONGEST_NAME)
    within_s = _seconds(fields.get("within_s"), LONGEST_TRANSFER_S)
    # A bool is an int to Python, but no number.
    if type(token) is not int or not 0 < token < _MOST_TOKEN or not to or within_s is None:
        return None
    by, _, reason = _signed(fields)
    return Transfer(token, to, within_s, by, reason)


def _signed(fields: dict[str, Any]) -> tuple[str, str, str]:
    """By whom, when, and why."""
    by = _text(fields, "by", _LONGEST_WORD) or "somebody"
    return by, _text(fields, "at", _LONGEST_WORD), _text(fields, "reason", LONGEST_REASON)


def _text(fields: dict[str, Any], name: str, longest: int) -> str:
    value = fields.get(name, "")
    return value[:longest] if isinstance(value, str) else ""


def _seconds(value: object, longest_s: float) -> float | None:
    if type(value) is not int and type(value) is not float:
        return None
    assert isinstance(value, int | float)
    return float(value) if 0 <= value <= longest_s else None


def _told(what: str, reason: str) -> str:
    return f"{what}: {reason}" if reason else what
