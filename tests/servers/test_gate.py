"""A gate gives trouble to one kind of operation, and lets all else through."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from coordsidecar.store.protocol import (
    Election,
    Held,
    RefusedError,
    Session,
    Store,
    UnreachableError,
)
from coordsidecar.store.registry import connect
from tests.servers import ConsulServer, EtcdServer, Gate, Operation, Trouble

S = 0.5
LATE_S = 1.0


@pytest.fixture(params=["etcd", "consul"])
def gate(request: pytest.FixtureRequest) -> Iterator[Gate]:
    server: EtcdServer | ConsulServer = request.getfixturevalue(request.param)
    made = Gate(server.endpoint, dialect=request.param, late_s=LATE_S)
    yield made
    made.close()


@pytest.fixture
def store(gate: Gate, election: Election) -> Store:
    return connect(f"{gate.dialect}://{gate.endpoint}", election=election, environ={})


def leading(store: Store) -> tuple[Session, Held]:
    session = store.open(ttl_s=10, takeover_delay_s=10, record="{}", timeout_s=10)
    held = store.campaign(session, record="{}", timeout_s=10)
    assert isinstance(held, Held)
    assert store.take_office(session, held.token, run="r", timeout_s=10)
    return session, held


def test_a_whole_life_is_read_as_what_it_is(gate: Gate, store: Store) -> None:
    session, held = leading(store)
    store.renew(session, look=False, timeout_s=10)
    store.standing(session, timeout_s=10)
    store.watch(session, held, timeout_s=0.3)
    store.resign(session, held.token, run="r", timeout_s=10)
    store.close(session, timeout_s=10)

    # Consul is read before it is asked for a lock, and before a watch.
    kinds = list(dict.fromkeys(gate.seen))
    assert Operation.OTHER not in kinds
    assert set(Operation) - {Operation.OTHER, Operation.SUCCEED} == set(kinds)


def test_who_succeeds_in_order_is_read_as_that(
    gate: Gate, store: Store, election: Election
) -> None:
    session, held = leading(store)
    other = connect(f"{gate.dialect}://{gate.endpoint}", election=election, environ={})
    waiting = other.open(ttl_s=10, takeover_delay_s=10, record="{}", timeout_s=10)
    other.campaign(waiting, record="{}", timeout_s=10)
    store.resign(session, held.token, run="r", timeout_s=10)

    other.campaign(waiting, record="{}", run="r2", timeout_s=10)

    assert gate.seen[-1] is Operation.SUCCEED


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (Trouble.REFUSED, RefusedError),
        (Trouble.SILENT, UnreachableError),
        (Trouble.LOST, UnreachableError),
        (Trouble.LATE, UnreachableError),
        (Trouble.RUBBISH, UnreachableError),
        (Trouble.FAILED, UnreachableError),
    ],
)
def test_only_the_troubled_operation_fails_until_it_is_healed(
    gate: Gate, store: Store, trouble: Trouble, error: type[Exception]
) -> None:
    session, _ = leading(store)

    gate.trouble(Operation.KEEPALIVE, trouble)

    with pytest.raises(error):
        store.renew(session, look=False, timeout_s=S)
    assert isinstance(store.standing(session, timeout_s=10), Held)
    assert gate.hits
    gate.heal()
    store.renew(session, look=False, timeout_s=10)


def test_what_is_to_happen_once_happens_once(gate: Gate, store: Store) -> None:
    session, _ = leading(store)

    gate.trouble(Operation.KEEPALIVE, Trouble.SILENT, once=True)

    with pytest.raises(UnreachableError):
        store.renew(session, look=False, timeout_s=S)
    store.renew(session, look=False, timeout_s=10)
    assert gate.hits == 1


@pytest.mark.parametrize("trouble", [Trouble.LOST, Trouble.CUT, Trouble.LATE])
def test_the_server_does_what_is_answered_late_or_not_at_all(
    gate: Gate, store: Store, trouble: Trouble
) -> None:
    session, held = leading(store)

    gate.trouble(Operation.RESIGN, trouble)

    with pytest.raises(UnreachableError):
        store.resign(session, held.token, run="r", timeout_s=S)
    give_up_s = time.monotonic() + 10
    while store.leader(timeout_s=10) is not None:
        assert time.monotonic() < give_up_s, "it never reached the server"
        time.sleep(0.05)  # The server's state gives no event to wait for.


def test_a_watch_that_is_open_falls_silent(gate: Gate, store: Store) -> None:
    session, held = leading(store)
    heard: list[bool | Held] = []

    def watch() -> None:
        with suppress(UnreachableError):  # Consul answers each wait, if only that nothing changed.
            heard.append(store.watch(session, held, timeout_s=2.0))

    thread = threading.Thread(target=watch)
    thread.start()
    give_up_s = time.monotonic() + 10
    while Operation.WATCH not in gate.seen:
        assert time.monotonic() < give_up_s, "no watch"
        time.sleep(0.01)  # What a gate has seen gives no event.

    gate.trouble(Operation.WATCH, Trouble.SILENT)
    store.resign(session, held.token, run="r", timeout_s=10)

    thread.join()
    assert True not in heard
