"""How office passes on: whoever resigns appoints the next in the queue, in the same transaction.

So a hand-over is one commit, and who is appointed learns of it by its watch. The candidate's key
says what the record of its term would be (`Heir`); if that key is no longer the same, nothing is
done, and how things stand is read. A key that was next when it was seen is next for as long as it
exists: keys that come later are younger.
"""

from __future__ import annotations

from collections.abc import Sequence

from coordsidecar.store.heir import Heir
from coordsidecar.store.protocol import Behind, Held, Office
from coordsidecar.value import Value
from coordsidecar_adapters.etcd.keys import ElectionKeys
from coordsidecar_adapters.etcd.picture import Picture
from coordsidecar_adapters.etcd.txn import Json, b64, created_at, event_of, get, put, value_is

__all__ = ["Resignation", "appointment", "looking", "resignation", "watched"]

# What one transaction did comes in several messages, in any order.
_ONE_TRANSACTION_S = 0.005


class Resignation(Value):
    """A transaction: what must still be so, what is done then, and what is read if it is not."""

    compare: list[Json]
    change: list[Json]
    reads: list[Json]


def resignation(
    keys: ElectionKeys, seen: Picture, name: str, token: int | None, *, run: str
) -> Resignation:
    """Withdraw the candidate ``name``, and end its term under ``token``, by what we last saw.

    Who never led has no token, but may have been appointed in the same instant.
    """
    office, created = seen.office, seen.created
    ours = token is None or seen.token(name) == token
    if token is None and created and office.led_under(created):
        token = office.led
    change: list[Json] = [{"request_delete_range": {"key": b64(name)}}] if ours else []
    compare = [created_at(name, created), value_is(keys.office, seen.record)]
    left = office.resigned(token, run=run)
    if left != office:
        behind = seen.heir if ours else None
        if behind is not None and (heir := Heir.read(behind.value)) is not None:
            left = heir.appointed(left, lock=behind.created)
            compare.append(created_at(behind.name, behind.created))
            compare.append(value_is(behind.name, behind.value))
        change.append(put(keys.office, left.encode()))
    return Resignation(compare, change, looking(keys, seen, name))


def looking(keys: ElectionKeys, seen: Picture, name: str) -> list[Json]:
    """What `Picture.found_changed` wants to know."""
    return [get(name), get(keys.office), keys.next_after(seen.created)]


def watched(keys: ElectionKeys, name: str, standing: Held | Behind) -> tuple[list[Json], float]:
    """What the candidate ``name`` watches, and how long to wait for all of one transaction."""
    start: Json = {"start_revision": str(standing.cursor + 1)}
    # Only deletions matter: what its owner writes into a key changes no standing.
    gone: Json = start | {"filters": ["NOPUT"]}
    creates: list[Json] = [{"key": b64(name)} | gone]
    if not isinstance(standing, Behind):
        return creates, 0.0
    creates.append({"key": b64(standing.ahead)} | gone)
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
