"""Who answers an operator, or a roster, says anything: a `StoreError`, or sound sense."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordsidecar.cli import boards
from coordsidecar.store import registry
from coordsidecar.store.protocol import Election, Session, StoreError
from coordsidecar_adapters.etcd.txn import b64
from tests.fuzz.nasty import any_json, encoded, examples, http, mutated
from tests.fuzz.stranger import Stranger

_PATIENCE_S = 60.0
_INDEX = "X-Consul-Index: 7\r\n"
_ELECTION = Election(namespace="n", name="e")
_SESSION = Session(handle="abc123", ttl_s=15.0)
_ENTRY = {
    "LockIndex": 1,
    "Key": "n/.instances/e/abc123",
    "Flags": 0,
    "Value": b64('{"id": "a", "job": {"state": "running"}}'),
    "Session": "abc123",
    "CreateIndex": 5,
    "ModifyIndex": 7,
}
_LOCK = _ENTRY | {"Key": "n/e/.lock", "Value": b64('{"id": "a"}')}
_OFFICE = {**_ENTRY, "Key": "n/e/.office", "Value": b64('{"led": 7, "released": 0}')}
_ETCD_KEY = {
    "key": b64("n/e/abc123"),
    "value": b64('{"id": "a"}'),
    "create_revision": "7",
    "mod_revision": "8",
}
_ANSWERS: dict[str, list[Any]] = {
    "consul": [
        [_ENTRY, _LOCK, _OFFICE],
        [_ENTRY | {"ID": "abc123", "Name": "coordsidecar n/e: a"}],
    ],
    "etcd": [
        {"header": {"revision": "9"}, "kvs": [_ETCD_KEY], "succeeded": True, "responses": [{}]},
        {"header": {"revision": "9"}, "kvs": [_ETCD_KEY | {"key": b64("n/.instances/e/abc123")}]},
    ],
}


def _shows(stranger: Stranger, scheme: str) -> None:
    directory = registry.directory(f"{scheme}://{stranger.endpoint}", namespace="n", environ={})
    with suppress(StoreError):
        board = directory.board("e", in_full=True, timeout_s=_PATIENCE_S)
        assert boards.sentences("n/e", board)
        assert boards.as_fields("n/e", board)
    with suppress(StoreError):
        directory.names(timeout_s=_PATIENCE_S)


def _tells(stranger: Stranger, scheme: str) -> None:
    url = f"{scheme}://{stranger.endpoint}"
    told = registry.roster(url, election=_ELECTION, node_id="a", environ={})
    assert told is not None
    with suppress(StoreError):
        told.tell(_SESSION, "{}", timeout_s=_PATIENCE_S)


@pytest.mark.parametrize("scheme", ["etcd", "consul"])
@pytest.mark.parametrize("ask", [_shows, _tells])
@examples(0.8)
@given(st.data())
def test_an_answer_with_one_thing_wrong_breaks_nothing(
    stranger: Stranger, scheme: str, ask: Callable[[Stranger, str], None], data: st.DataObject
) -> None:
    answer = data.draw(st.sampled_from(_ANSWERS[scheme]).flatmap(mutated))
    stranger.answer = http(encoded(answer), headers=_INDEX)

    ask(stranger, scheme)


@pytest.mark.parametrize("scheme", ["etcd", "consul"])
@pytest.mark.parametrize("ask", [_shows, _tells])
@examples(0.5)
@given(any_json, st.sampled_from(["200", "403", "409", "500"]))
def test_any_json_breaks_nothing(
    stranger: Stranger, scheme: str, ask: Callable[[Stranger, str], None], text: str, status: str
) -> None:
    body = text.encode("utf-8", "surrogatepass")
    stranger.answer = http(body, status=f"{status} x", headers=_INDEX)

    ask(stranger, scheme)
