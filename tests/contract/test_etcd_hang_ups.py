"""Whoever gives up waiting hangs up: etcd must live through it, in whatever instant that is.

Before 3.5.7 it ended if that was in a transaction that only reads (its issues 14110 and 14891).
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from coordsidecar.store.directory import Directory
from coordsidecar.store.protocol import Election, StoreError
from coordsidecar_adapters.etcd import directory
from tests.contract.candidate import CALL_S, LONG_TTL_S, stand_for
from tests.contract.etcd_dial import Dialer, on_both_transports
from tests.servers import EtcdServer

_AT_ONCE = 12
_ASKED_BY_EACH = 60
# An answer takes about as long; what is given up when its answer is being made is what matters.
_PATIENCE_S = 0.03


@pytest.fixture
def etcd_of_own(tmp_path: Path) -> Iterator[EtcdServer]:
    """Whatever the outcome, nobody else's tests have lost their server."""
    server = EtcdServer(tmp_path)
    server.start()
    yield server
    server.stop()


@on_both_transports
def test_no_question_that_is_given_up_ends_the_server(
    dial: Dialer, etcd_of_own: EtcdServer
) -> None:
    def ask_in_haste(_nth: int) -> int:
        election = Election(namespace="haste", name=uuid.uuid4().hex)
        store = dial(etcd_of_own.endpoint, election)
        ours = stand_for(store, ttl_s=LONG_TTL_S, takeover_delay_s=0.0, call_s=CALL_S)
        ours.wins()
        board = _directory(dial, etcd_of_own, election)
        answered = 0
        for _ in range(_ASKED_BY_EACH):
            with suppress(StoreError):
                ours.store.renew(ours.session, look=True, timeout_s=random.uniform(0, _PATIENCE_S))
                answered += 1
            with suppress(StoreError):
                ours.store.leader(timeout_s=random.uniform(0, _PATIENCE_S))
                answered += 1
            with suppress(StoreError):
                # Of a term that is not ours there is nothing to end.
                patience_s = random.uniform(0, _PATIENCE_S)
                store.resign(ours.session, 1, run="another", timeout_s=patience_s)
                answered += 1
            with suppress(StoreError):
                board.board(election.name, timeout_s=random.uniform(0, _PATIENCE_S))
                answered += 1
        return answered

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answered = sum(pool.map(ask_in_haste, range(_AT_ONCE)))

    assert etcd_of_own.process.running
    assert answered < _AT_ONCE * _ASKED_BY_EACH * 4, "nothing was given up: it shows nothing"


def _directory(dial: Dialer, etcd: EtcdServer, election: Election) -> Directory:
    by = directory.by_grpc if "grpc" in dial.module else directory.by_gateway
    return by(f"{dial.scheme}://{etcd.endpoint}", namespace=election.namespace, environ={})
