"""All that can be asked of a store, and what may come of it."""

from __future__ import annotations

import math

from coordsidecar.core import messages as msg
from coordsidecar.store.protocol import (
    Absent,
    Behind,
    Held,
    Leader,
    Session,
    Standing,
    Store,
    StoreError,
    Vacant,
)

__all__ = ["OPS", "ask"]

OPS = (
    *("open", "renew", "look", "campaign", "standing", "take_office", "resign", "close", "leader"),
    *("watch_held", "watch_behind"),
)
_HELD = Held(token=7, clean=True, last_run="", cursor=7)
_BEHIND = Behind(leader="{}", leader_token=7, ahead="k", cursor=7)
_LONGEST_TTL_S = 2.0**63


def ask(store: Store, op: str, session: Session, *, timeout_s: float) -> str:
    """Do ``op``; the message of its `StoreError`, "" if there was none. Anything else escapes.

    What the store says is checked: it must be what the rest of us can live with.
    """
    try:
        _ask(store, op, session, timeout_s)
    except StoreError as error:
        # It becomes a line of the log, and a message to the guard.
        msg.encode(msg.Failed(125, str(error)))
        return str(error) or "no word"
    return ""


def _ask(store: Store, op: str, session: Session, timeout_s: float) -> None:
    match op:
        case "open":
            opened = store.open(ttl_s=15, takeover_delay_s=15, record="{}", timeout_s=timeout_s)
            assert 15 <= opened.ttl_s < _LONGEST_TTL_S
            msg.encode(msg.Holding(opened.handle, opened.ttl_s))
        case "renew":
            renewal = store.renew(session, look=False, timeout_s=timeout_s)
            assert renewal.standing is None
            _check_ttl(renewal.ttl_s)
        case "look":
            renewal = store.renew(session, look=True, timeout_s=timeout_s)
            assert renewal.standing is not None
            _check_ttl(renewal.ttl_s)
            _check(renewal.standing)
        case "campaign":
            _check(store.campaign(session, record="{}", timeout_s=timeout_s))
        case "standing":
            _check(store.standing(session, timeout_s=timeout_s))
        case "take_office":
            assert store.take_office(session, 7, run="r", timeout_s=timeout_s) in (7, None)
        case "resign":
            store.resign(session, 7, run="r", timeout_s=timeout_s)
        case "close":
            store.close(session, timeout_s=timeout_s)
        case "leader":
            leader = store.leader(timeout_s=timeout_s)
            assert leader is None or isinstance(leader, Leader)
            assert leader is None or (type(leader.token) is int and leader.token > 0)
        case "watch_held":
            assert store.watch(session, _HELD, timeout_s=timeout_s) in (True, False)
        case "watch_behind":
            assert store.watch(session, _BEHIND, timeout_s=timeout_s) in (True, False)
        case _:
            raise AssertionError(op)


def _check_ttl(ttl_s: float) -> None:
    assert type(ttl_s) is float
    assert 0 < ttl_s < _LONGEST_TTL_S
    assert math.isfinite(ttl_s)


def _check(standing: Standing) -> None:
    match standing:
        case Held(token=token):
            assert type(token) is int
            assert 0 < token < 2**63
        case Behind(leader=leader, leader_token=token):
            assert isinstance(leader, str)
            assert type(token) is int
            assert 0 < token < 2**63
        case Vacant() | Absent():
            pass
