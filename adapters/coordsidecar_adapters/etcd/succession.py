"""How office passes on: whoever resigns appoints the next in the queue, in the same transaction.

So a hand-over is one commit, and who is appointed learns of it by its watch. The candidate's key
says what the record of its term would be (`Heir`); if that key is no longer the same, nothing is
done, and how things stand is read. A key that was next when it was seen is next for as long as it
exists: keys that come later are younger.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from coordsidecar.hints import Protocol
from coordsidecar.store.heir import Heir
from coordsidecar.store.protocol import Behind, Held, Office, UnreachableError
from coordsidecar_adapters.etcd.keys import ElectionKeys
from coordsidecar_adapters.etcd.lease import Leases
from coordsidecar_adapters.etcd.picture import Picture
from coordsidecar_adapters.etcd.txn import (
    Answer,
    Json,
    Key,
    b64,
    created_at,
    event_of,
    put,
    touch,
    value_is,
)

__all__ = ["Succession", "appointment", "watched"]

# What one transaction did comes in several messages, in any order.
_ONE_TRANSACTION_S = 0.005
# How often to start over when somebody else keeps changing our keys between two requests.
_TRIES = 4
# Of its TTL: who has not renewed for so long, or a second more, may be dead.
_LIVES_SHARE = 1 / 5


class Ask(Protocol):
    """`EtcdElection`'s way to make a transaction."""

    def __call__(
        self,
        *,
        compare: Sequence[Json] = (),
        success: Sequence[Json],
        failure: Sequence[Json] = (),
        timeout_s: float,
    ) -> Answer: ...


class Succession:
    """The end of a term, and of a candidacy."""

    def __init__(
        self,
        keys: ElectionKeys,
        seen: Picture,
        leases: Leases,
        ask: Ask,
        look: Callable[[str, float], Answer],
    ) -> None:
        """``look``: where the candidate of that name stands, by that deadline."""
        self._keys, self._seen, self._leases = keys, seen, leases
        self._ask, self._look = ask, look

    def take_office(
        self, name: str, record_of: Callable[[Office], Office | None], *, deadline_s: float
    ) -> int | None:
        """Put into the record what ``record_of`` makes of it; None: it is no longer ours to make,
        or the candidate ``name`` does not lead any more. Returns the token."""
        seen = self._seen
        for _ in range(_TRIES):
            # What else is in it while we hold the election, the one before us may change, to say
            # how it left, and an operator.
            record, office = seen.record, record_of(seen.office)
            if office is None or seen.created == 0:
                return None
            answer = self._ask(
                compare=[
                    *self._keys.leads(name, seen.created),
                    value_is(self._keys.office, record),
                ],
                success=[put(self._keys.office, office.encode()), touch(name)],
                failure=self._reads(name),
                timeout_s=deadline_s - time.monotonic(),
            )
            if answer.succeeded:
                seen.took(name, office)
                return office.led
            seen.found_changed(answer)
            if seen.record == record:
                return None
        raise UnreachableError(f"somebody keeps changing {self._keys.office}")

    def resign(
        self, name: str, token: int | None, *, run: str, why: str, deadline_s: float
    ) -> None:
        """Withdraw the candidate ``name``, and end its term under ``token``; see `Store.resign`."""
        seen = self._seen
        heir = self.find_heir(name, deadline_s=deadline_s) if token is not None else None
        for _ in range(_TRIES):
            compare, change = self._resignation(name, token, heir, run=run, why=why)
            if change:
                answer = self._ask(
                    compare=compare,
                    success=change,
                    failure=self._reads(name),
                    timeout_s=deadline_s - time.monotonic(),
                )
                if answer.succeeded:
                    return
                seen.found_changed(answer)
            else:
                # An earlier try has done it; or so it seems.
                known = seen.created, seen.record
                seen.found_changed(self._look(name, deadline_s))
                if (seen.created, seen.record) == known:
                    return
            heir = None  # Whether the one that is next now lives, we do not know.
        raise UnreachableError(f"somebody keeps changing {self._keys.office}")

    def _resignation(
        self, name: str, token: int | None, heir: Key | None, *, run: str, why: str
    ) -> tuple[list[Json], list[Json]]:
        """What must still be as we last saw it, and what is done then.

        Who never led has no token, but may have been appointed in the same instant.
        """
        seen, office, created = self._seen, self._seen.office, self._seen.created
        ours = token is None or seen.token(name) == token
        if token is None and created and office.led_under(created):
            token = office.led
        change: list[Json] = [{"request_delete_range": {"key": b64(name)}}] if ours else []
        compare = [created_at(name, created), value_is(self._keys.office, seen.record)]
        left = office.resigned(token, run=run, why=why)
        if left == office:
            return compare, change
        # What operators have ordered may have been found only when the heir was looked for.
        appoints = heir is not None and ours and not office.curbs
        if appoints and heir and (theirs := Heir.read(heir.value)) is not None:
            left = theirs.appointed(left, lock=heir.created, record=heir.text)
            compare += [created_at(heir.name, heir.created), value_is(heir.name, heir.value)]
            change.append(touch(heir.name))
        return compare, [*change, put(self._keys.office, left.encode())]

    def find_heir(self, name: str, *, deadline_s: float) -> Key | None:
        """Who stands next, if it lives: to ask costs less than the commit that it saves."""
        if not self._seen.created:
            return None
        if (known := self._seen.heir) is not None and self._lives(known, deadline_s):
            return known
        self._seen.found_changed(self._look(name, deadline_s))
        found = self._seen.heir
        return found if found not in (None, known) and self._lives(found, deadline_s) else None

    def _lives(self, candidate: Key | None, deadline_s: float) -> bool:
        """Whether it may be appointed, and its lease was renewed not long ago."""
        if candidate is None or (heir := Heir.read(candidate.value)) is None:
            return False
        fresh_s = heir.limits.ttl_s * _LIVES_SHARE
        asked_s = time.monotonic()
        if self._seen.vouched == candidate and asked_s - self._seen.vouched_at_s <= fresh_s:
            return True  # Whoever prepared has asked.
        lease = self._keys.lease(candidate.name)
        half_s = (deadline_s - asked_s) / 2
        told = self._leases.told(lease, candidate.name, timeout_s=half_s) if lease else None
        if told is None:
            return False
        self._seen.vouched, self._seen.vouched_at_s = candidate, asked_s - told.quiet_s
        return told.quiet_s <= fresh_s

    def _reads(self, name: str) -> list[Json]:
        """What `Picture.found_changed` wants to know."""
        return self._keys.with_next(name, self._seen.created)


def watched(keys: ElectionKeys, name: str, standing: Held | Behind) -> tuple[list[Json], float]:
    """What the candidate ``name`` watches, and how long to wait for all of one transaction."""
    start: Json = {"start_revision": str(standing.cursor + 1)}
    # Of our own only a deletion matters: whoever may write into it changes no standing.
    creates: list[Json] = [{"key": b64(name), "filters": ["NOPUT"]} | start]
    if not isinstance(standing, Behind):
        return creates, 0.0
    # It is deleted; or touched, since its candidate has come into office.
    creates.append({"key": b64(standing.ahead)} | start)
    if not (standing.next_in_line and standing.in_office):
        return creates, 0.0
    creates.append({"key": b64(keys.office), "filters": ["NODELETE"]} | start)
    return creates, _ONE_TRANSACTION_S


def appointment(keys: ElectionKeys, seen: Picture, events: Sequence[Json]) -> Held | None:
    """The one of ``events`` that appoints us by the key of ours that we know of.

    It may be read while another thread looks, so what is returned says at which revision it was.
    """
    for event in events:
        found = event_of(event, keys.office)
        if found is None:
            continue
        office = Office.decode(found.value)
        if office.led_under(seen.created) and office.run == seen.run and seen.run:
            cursor = found.modified
            return Held(office.led, True, "", cursor, in_office=True, last_led=office.led)
    return None
