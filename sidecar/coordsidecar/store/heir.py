"""What a candidate writes about itself, so that whoever resigns can appoint it.

The one who resigns takes office for it, so it has to know what the candidate would have written
into the office record. A candidate that does not say so, be it another program or an older version,
is not appointed.
"""

from __future__ import annotations

import json

from coordsidecar.hints import Any
from coordsidecar.store.office import Limits, Office, fit_for_run
from coordsidecar.value import Value

__all__ = ["Heir"]

_RUN, _TTL, _QUIET = "run", "ttl", "quiet"


class Heir(Value):
    """By which ``run`` it would lead, and under which ``limits`` (see `Office`)."""

    run: str
    limits: Limits

    def described_in(self, record: str) -> str:
        """``record``, who it is as a JSON object, with this in it; any other is left as it is."""
        said = {_RUN: self.run, _TTL: self.limits.ttl_s, _QUIET: self.limits.quiet_s}
        fields = _fields(record)
        return record if fields is None else json.dumps(fields | said)

    @classmethod
    def read(cls, record: str | bytes) -> Heir | None:
        """What a record says, which anybody may have written; None: it is not to be appointed."""
        fields = _fields(record)
        if fields is None:
            return None
        run, limits = fields.get(_RUN), Limits.read(fields.get(_TTL), fields.get(_QUIET))
        if not isinstance(run, str) or not run or not fit_for_run(run) or limits is None:
            return None
        return cls(run, limits)

    def appointed(self, office: Office, *, lock: int, record: str) -> Office:
        """The record once it, who says ``record`` of itself, has come into office by ``lock``,
        after whoever left ``office``."""
        token, run = office.token_under(lock), self.run
        taken = office.taken(token, lock=lock, run=run, floor=0, limits=self.limits, record=record)
        assert taken is not None, "it is the token of that lock"
        return taken


def _fields(record: str | bytes) -> dict[str, Any] | None:
    try:
        fields = json.loads(record)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None
