"""Consul says anything: an adapter answers with a `StoreError`, or with sound sense."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordsidecar.store.protocol import Election, Session, Store
from coordsidecar_adapters.consul.store import connect
from coordsidecar_adapters.etcd.txn import b64
from tests.fuzz.ask import OPS, ask
from tests.fuzz.nasty import NASTY_RECORDS, any_json, encoded, examples, http, mutated, spoilt_http
from tests.fuzz.stranger import Stranger

_LONG_S = 60.0
_SHORT_S = 0.3
_ID = "8c1a2b3c-0000-4000-8000-123456789abc"
_SESSION = Session(handle=_ID, ttl_s=15.0)
_ELECTION = Election(namespace="n", name="e")
_INDEX = "X-Consul-Index: 7\r\n"
_LOCK = {
    "Key": "n/e/.lock",
    "Value": b64('{"id": "somebody"}'),
    "Session": _ID,
    "ModifyIndex": 7,
    "LockIndex": 1,
}
_OFFICE = {"Key": "n/e/.office", "Value": b64('{"led": 5, "released": 0}'), "ModifyIndex": 6}
_LED = _OFFICE | {"Value": b64('{"led": 7, "released": 0, "lock": "7", "beat": 3}')}
_BOTH = [_LOCK, _OFFICE]
_FREE = [{key: value for key, value in _LOCK.items() if key != "Session"}, _OFFICE]
_WON = {"Results": [{"KV": _LOCK | {"Value": None}}, {"KV": _LOCK}, {"KV": _OFFICE}]}

_ANSWERS: dict[str, list[Any]] = {
    "open": [{"ID": _ID}],
    "renew": [[{"ID": _ID, "TTL": "15s", "LockDelay": 15e9}]],
    # One answer to all questions.
    "look": [
        [_LOCK | {"TTL": "15s"}, _OFFICE],
        [_FREE[0] | {"TTL": "15s"}, _OFFICE],
        [_LOCK | {"TTL": "15s"}, _LED],
    ],
    "campaign": [_BOTH, _FREE, _WON],
    "standing": [_BOTH, _FREE, [_LOCK, _LED]],
    "take_office": [_BOTH, _FREE],
    "resign": [_BOTH, _FREE],
    "close": [True],
    "leader": [_BOTH, _FREE],
    "watch_held": [_BOTH],
    "watch_behind": [_BOTH, [_LOCK, _LED]],
}


def _store(stranger: Stranger) -> Store:
    return connect(f"consul://{stranger.endpoint}", election=_ELECTION, environ={})


@pytest.mark.parametrize("op", OPS)
def test_sound_answers_are_understood(stranger: Stranger, op: str) -> None:
    stranger.answer = http(encoded(_ANSWERS[op][0]), headers=_INDEX)

    error = ask(_store(stranger), op, _SESSION, timeout_s=_LONG_S)

    # These are answered by a list of keys where a transaction's results should be.
    assert (error == "") == (op not in ("resign", "take_office")), error


@pytest.mark.parametrize("op", OPS)
@examples(0.8)
@given(st.data())
def test_an_answer_with_one_thing_wrong_breaks_nothing(
    stranger: Stranger, op: str, data: st.DataObject
) -> None:
    answer = data.draw(st.sampled_from(_ANSWERS[op]).flatmap(mutated))
    index = data.draw(st.sampled_from([_INDEX, _INDEX, "", "X-Consul-Index: \x7f\r\n"]))
    stranger.answer = http(encoded(answer), headers=index)

    ask(_store(stranger), op, _SESSION, timeout_s=_LONG_S)


@pytest.mark.parametrize("ttl", ["", "0s", "s", "1..5s", "9999999h", "nans", 15, None, ["s"]])
def test_a_ttl_that_consul_never_grants_renews_nothing(stranger: Stranger, ttl: object) -> None:
    stranger.answer = http(encoded([{"ID": _ID, "TTL": ttl}]))

    error = ask(_store(stranger), "renew", _SESSION, timeout_s=_LONG_S)

    assert error


_NO_SESSIONS: list[object] = [None, 5, True, []]


@pytest.mark.parametrize("op", ["campaign", "standing", "leader"])
@pytest.mark.parametrize(
    "wrong",
    [
        *(("ModifyIndex", index) for index in (False, True, 0, -1, 7.5, "7", None, 2**63)),
        *(("Session", session) for session in _NO_SESSIONS),
    ],
    ids=str,
)
def test_a_lock_that_is_none_of_consuls_says_nothing(
    stranger: Stranger, op: str, wrong: tuple[str, object]
) -> None:
    stranger.answer = http(encoded([_LOCK | dict([wrong]), _OFFICE]), headers=_INDEX)

    assert ask(_store(stranger), op, _SESSION, timeout_s=_LONG_S)


@pytest.mark.parametrize("op", ["renew", "standing", "watch_held"])
@examples(1.2)
@given(st.data())
def test_whatever_is_not_quite_http_breaks_nothing(
    stranger: Stranger, op: str, data: st.DataObject
) -> None:
    body = encoded(data.draw(st.sampled_from(_ANSWERS[op])))
    stranger.answer = data.draw(spoilt_http(body))

    ask(_store(stranger), op, _SESSION, timeout_s=_LONG_S)


@pytest.mark.parametrize("op", OPS)
@examples(0.3)
@given(any_json, st.sampled_from(["200", "400", "403", "409", "404", "500"]))
def test_any_json_breaks_nothing(stranger: Stranger, op: str, text: str, status: str) -> None:
    body = text.encode("utf-8", "surrogatepass")
    stranger.answer = http(body, status=f"{status} x", headers=_INDEX)

    ask(_store(stranger), op, _SESSION, timeout_s=_LONG_S)


@pytest.mark.parametrize("op", ["renew", "standing", "take_office"])
@pytest.mark.parametrize("name", NASTY_RECORDS)
@pytest.mark.parametrize("status", ["200", "409", "500"])
def test_nasty_bodies_break_nothing(stranger: Stranger, op: str, name: str, status: str) -> None:
    stranger.answer = http(NASTY_RECORDS[name], status=f"{status} x", headers=_INDEX)

    error = ask(_store(stranger), op, _SESSION, timeout_s=_LONG_S)

    assert len(error) < 2000


_OK = b"HTTP/1.1 200 OK\r\nX-Consul-Index: 7\r\n"
_ENDLESS = {
    "head": (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
    "head-line": (b"HTTP/1.1 200 OK\r\nA: ", b"x" * 1000),
    "interim": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "line": (b"", b"x" * 1000),
    "body": (_OK + b"Content-Length: 999999999999\r\n\r\n", b"x" * 100_000),
    "no-length": (_OK + b"\r\n", b"x" * 100_000),
    "chunks": (_OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 1000),
    "trailers": (_OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"a: b\r\n"),
    "packed": (
        _OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"[]")[:10],
        b"\0" * 1000,
    ),
}


@pytest.mark.parametrize("op", ["renew", "standing", "watch_held"])
@pytest.mark.parametrize("name", _ENDLESS)
def test_what_never_ends_is_not_read_for_ever(stranger: Stranger, op: str, name: str) -> None:
    """That it returns at all is the claim: pytest would end us otherwise."""
    stranger.answer, stranger.endless = _ENDLESS[name]

    try:
        error = ask(_store(stranger), op, _SESSION, timeout_s=_SHORT_S)
    finally:
        stranger.endless = b""

    assert error


@pytest.mark.parametrize("op", ["renew", "standing", "watch_held"])
@pytest.mark.parametrize("piece", [b"x", b"A: b\r\n"])
def test_a_server_that_drips_does_not_outlast_the_deadline(
    stranger: Stranger, op: str, piece: bytes
) -> None:
    stranger.answer, stranger.endless = b"HTTP/1.1 200 OK\r\n", piece
    stranger.pause_s = 0.05

    try:
        error = ask(_store(stranger), op, _SESSION, timeout_s=_SHORT_S)
    finally:
        stranger.endless, stranger.pause_s = b"", 0.0

    assert error


def test_what_unpacks_to_far_more_is_not_unpacked(stranger: Stranger) -> None:
    packed = gzip.compress(b"[" + b" " * 50_000_000 + b"]")
    stranger.answer = http(packed, headers=_INDEX + "Content-Encoding: gzip\r\n")

    error = ask(_store(stranger), "standing", _SESSION, timeout_s=_LONG_S)

    assert "pack" in error


@pytest.mark.parametrize("status", ["200 OK", "500 x", "404 x"])
def test_an_answer_that_is_far_too_long_is_not_kept(stranger: Stranger, status: str) -> None:
    stranger.answer = http(b'"' + b"a" * 40_000_000 + b'"', status=status)

    error = ask(_store(stranger), "standing", _SESSION, timeout_s=_LONG_S)

    assert "too long" in error
