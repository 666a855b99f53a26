"""A candidate in an election: a store, its session, and the words that the claims are made of."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from coordsidecar.store.curbs import NO_CURBS, Curbs
from coordsidecar.store.protocol import (
    Behind,
    Held,
    Limits,
    Session,
    Standing,
    Store,
    StoreError,
    Vacant,
)

__all__ = ["CALL_S", "LONG_TTL_S", "Candidate", "NewCandidate", "stand_for"]

# For calls that have to succeed: no more than a bound on a machine that is very busy.
CALL_S = 30.0
# No session lapses by itself within a test that does not want it to.
LONG_TTL_S = 120.0
_WATCH_S = 5.0


@dataclass
class Candidate:
    """One store object and one session of it; every call is given ``call_s``."""

    store: Store
    session: Session
    record: str
    call_s: float = CALL_S
    run: str = "a-run"
    """Under which it last took office, or might have."""

    def campaign(self, *, run: str = "", floor: int = 0, limits: Limits | None = None) -> Standing:
        self.run = run or self.run
        return self.store.campaign(
            self.session,
            record=self.record,
            run=run,
            floor=floor,
            limits=limits,
            timeout_s=self.call_s,
        )

    def standing(self) -> Standing:
        return self.store.standing(self.session, timeout_s=self.call_s)

    def renew(self) -> float:
        """Renew without a look, and return the TTL."""
        renewal = self.store.renew(self.session, look=False, timeout_s=self.call_s)
        assert renewal.standing is None
        return renewal.ttl_s

    def renews_and_looks(self) -> Standing:
        renewal = self.store.renew(self.session, look=True, timeout_s=self.call_s)
        assert renewal.ttl_s > 0
        assert renewal.standing is not None
        return renewal.standing

    def take_office(
        self,
        token: int,
        *,
        run: str = "a-run",
        floor: int = 0,
        limits: Limits | None = None,
        curbs: Curbs = NO_CURBS,
    ) -> int | None:
        self.run = run
        return self.store.take_office(
            self.session,
            token,
            run=run,
            record=self.record,
            floor=floor,
            limits=limits,
            curbs=curbs,
            timeout_s=self.call_s,
        )

    def prepare(self) -> None:
        self.store.prepare(self.session, timeout_s=self.call_s)

    def resign(self, token: int | None, *, why: str = "") -> None:
        self.store.resign(self.session, token, run=self.run, why=why, timeout_s=self.call_s)

    def close(self) -> None:
        self.store.close(self.session, timeout_s=self.call_s)

    def watch(self, standing: Held | Behind | Vacant, *, timeout_s: float = CALL_S) -> bool | Held:
        return self.store.watch(self.session, standing, timeout_s=timeout_s)

    def wins(self, *, run: str = "", floor: int = 0, limits: Limits | None = None) -> Held:
        """Campaign until the election is ours; pytest's time-out bounds it."""
        while True:
            standing = self.campaign(run=run, floor=floor, limits=limits)
            match standing:
                case Held():
                    return standing
                case Vacant(retry_after_s=retry_after_s):
                    self.watch(standing, timeout_s=min(max(retry_after_s, 0.05), _WATCH_S))
                case Behind():
                    self.watch(standing, timeout_s=_WATCH_S)
                case _:
                    pass  # Deleted between two calls: campaign again.

    def leads(self, *, run: str = "a-run") -> int:
        """Win, take office, and return the token."""
        held = self.wins()
        assert self.take_office(held.token, run=run) == held.token
        return held.token

    def adopted_by(self, store: Store) -> Candidate:
        """The same session in the hands of another process, whose descriptors are its own."""
        fds = tuple(os.dup(fd) for fd in self.session.fds)
        session = Session(handle=self.session.handle, ttl_s=self.session.ttl_s, fds=fds)
        return Candidate(store, session, self.record, run=self.run)

    def end(self) -> None:
        """Leave nothing behind, whatever has become of the session."""
        with suppress(StoreError):
            self.store.close(self.session, timeout_s=2.0)
        close_fds(self.session)


# Makes another candidate in the election of a test.
NewCandidate = Callable[[], Candidate]


def stand_for(store: Store, *, ttl_s: float, takeover_delay_s: float, call_s: float) -> Candidate:
    """Open a session and return a candidate that has not campaigned yet."""
    record = json.dumps({"id": f"cändidate-{uuid.uuid4().hex[:8]}"})
    session = store.open(
        ttl_s=ttl_s, takeover_delay_s=takeover_delay_s, record=record, timeout_s=call_s
    )
    return Candidate(store, session, record, call_s)


def close_fds(session: Session) -> None:
    """Close the session's descriptors, as the death of their process does."""
    for fd in session.fds:
        with suppress(OSError):
            os.close(fd)
