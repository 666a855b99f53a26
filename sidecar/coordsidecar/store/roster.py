"""The roster: what each instance says of itself for as long as its session lives.

It is for people. Nobody leads, waits or ends by it, and it stands beside the elections, so that who
writes it, or may not, or writes nonsense, disturbs none. Each instance writes an entry of its own,
when something has changed, as JSON; with the session it is gone, or no longer counts: no clocks are
compared for that.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping

from coordsidecar.hints import Protocol
from coordsidecar.store.protocol import Election, Session

__all__ = [
    "LONGEST_ENTRY",
    "ROSTER",
    "Roster",
    "RosterFactory",
    "Tidying",
    "in_full",
    "is_entry",
    "named",
]

ROSTER = ".instances"
"""Below a namespace, the rosters of its elections; no election can have such a name."""

_OF_RECORD = ("id", "host", "pid", "since", "version", "http", "priority")
"""What a record in an election says, or leaves out (`coordsidecar.elector.shown.record`)."""

LONGEST_ENTRY = 16_384
"""In bytes: what is longer was not written by us."""


_TIDY_AGAIN_S = 600.0


class Tidying:
    """When an instance looks for what the dead have left: with the first word of each session, and
    then with one in ten minutes, so that nothing is left for as long as somebody lives."""

    def __init__(self) -> None:
        self._session, self._again_s = "", -math.inf

    def is_due(self, session: str) -> bool:
        """Whether now, as something is said under ``session``; if so, not again for a while."""
        now_s = time.monotonic()
        if session == self._session and now_s < self._again_s:
            return False
        self._session, self._again_s = session, now_s + _TIDY_AGAIN_S
        return True


class Roster(Protocol):
    """Where the entries of one election are written; used by one thread."""

    def tell(self, session: Session | None, entry: str, *, timeout_s: float) -> None:
        """Write what the instance that holds ``session`` says of itself, in place of what it said.

        None: it rests, and holds none. Where an entry lives by its session it is gone already;
        where by its process or pod, it would else go on to say what was.

        What others left who have died is tidied up. Raises `StoreError`: `SessionLostError` if that
        session is over.
        """


class RosterFactory(Protocol):
    """Does no I/O but to read files; `ValueError` as `StoreFactory`. None: there is none there."""

    def __call__(
        self, url: str, *, election: Election, node_id: str, environ: Mapping[str, str]
    ) -> Roster | None: ...


def in_full(record: str, entry: str | None) -> str:
    """What an instance says of itself by now: its ``record`` in the election, and what its entry
    adds to that. Who it is, and what else it says there or does not, the election alone tells:
    nobody is to be taken for another by what stands beside it."""
    if entry is None or not is_entry(entry):
        return record
    try:
        known = json.loads(record)
    except (ValueError, RecursionError):
        return record  # Another program's.
    if not isinstance(known, dict):
        return record
    added = {name: said for name, said in json.loads(entry).items() if name not in _OF_RECORD}
    return json.dumps(added | known)


def named(entry: str, node_id: str) -> str:
    """The same where the election tells nothing but the name."""
    return json.dumps(json.loads(entry) | {"id": node_id})


def is_entry(raw: str | bytes) -> bool:
    """Whether it may be an entry; anybody may have written it."""
    if len(raw) > LONGEST_ENTRY:
        return False
    try:
        # Of bytes, json.loads reads UTF-16 as well, and nobody else here does.
        return isinstance(json.loads(raw if isinstance(raw, str) else raw.decode()), dict)
    except (ValueError, RecursionError):
        return False
