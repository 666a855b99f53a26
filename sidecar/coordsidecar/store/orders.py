"""What an operator orders a leader to do: a record beside the election, which anybody may write.

It names the term that it is meant for by its token. So it is carried out once at most, needs no
tidying up, and means nothing to whoever leads next. No lock and no token follow from it: one that
was written by hand, or in bad faith, costs a leader its lead, in order, and nothing else.
"""

from __future__ import annotations

import json

from coordsidecar.hints import Any
from coordsidecar.value import Value

__all__ = ["LONGEST_REASON", "STEP_DOWN", "Order"]

STEP_DOWN = "step-down"
_LONGEST_S = 3600.0
_MOST_TOKEN = 2**62
LONGEST_REASON = 500
_LONGEST_NAME = 100
# Twelve for each of these characters, as JSON may write it; and the record that it may stand in,
# with all that operators may have ordered besides.
_MOST_BYTES = 16_384
_MOST_AROUND_IT = 512 * 1024
_WITHIN = "ordered"


class Order(Value):
    """Whoever leads under ``token`` is to hand over, and to sit out for ``sit_out_s``, so that it
    is another one who gets the lead. ``by``: who ordered it; ``reason``: theirs, or empty."""

    token: int
    sit_out_s: float
    by: str
    reason: str = ""

    @property
    def why(self) -> str:
        """In words, for the log."""
        return f"{self.by} ordered to step down" + (f": {self.reason}" if self.reason else "")

    def encode(self) -> str:
        return json.dumps({"order": STEP_DOWN, **vars(self)})

    def put_into(self, record: bytes) -> str | None:
        """``record``, a JSON object, with this in it; None: it is no such record."""
        fields = _object(record, _MOST_AROUND_IT)
        return None if fields is None else json.dumps(fields | {_WITHIN: json.loads(self.encode())})

    @classmethod
    def within(cls, record: bytes | None) -> Order | None:
        """What was put into a record; as `decode`."""
        fields = _object(record, _MOST_AROUND_IT) or {}
        return cls._read(fields.get(_WITHIN))

    @classmethod
    def decode(cls, raw: str | bytes | None) -> Order | None:
        """Read what anybody may have written; None: it is no order, or none that we know."""
        return cls._read(_object(raw))

    @classmethod
    def _read(cls, fields: object) -> Order | None:
        if not isinstance(fields, dict) or fields.get("order") != STEP_DOWN:
            return None
        token, sit_out_s = fields.get("token"), fields.get("sit_out_s")
        by, reason = fields.get("by", ""), fields.get("reason", "")
        # A bool is an int to Python, but no number.
        if type(token) is not int or not 0 < token < _MOST_TOKEN:
            return None
        if type(sit_out_s) is not int and type(sit_out_s) is not float:
            return None
        assert isinstance(sit_out_s, int | float)
        if not 0 <= sit_out_s <= _LONGEST_S:
            return None
        if not isinstance(by, str) or not isinstance(reason, str):
            return None
        by = by[:_LONGEST_NAME] or "somebody"
        return cls(token, float(sit_out_s), by, reason[:LONGEST_REASON])


def _object(raw: str | bytes | None, most: int = _MOST_BYTES) -> dict[str, Any] | None:
    try:
        fields = json.loads(raw) if raw and len(raw) <= most else None
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None
