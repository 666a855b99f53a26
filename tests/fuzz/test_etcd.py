"""etcd's gateway says anything: an adapter answers with a `StoreError`, or with sound sense."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordsidecar.store.protocol import Election, Session, SessionLostError, Store
from coordsidecar_adapters.etcd.gateway import connect
from coordsidecar_adapters.etcd.txn import b64
from tests.fuzz.ask import OPS, ask
from tests.fuzz.nasty import NASTY_RECORDS, any_json, encoded, examples, http, mutated, spoilt_http
from tests.fuzz.stranger import Stranger

_LONG_S = 60.0
_SHORT_S = 0.3
_SESSION = Session(handle="abc123", ttl_s=15.0)
_ELECTION = Election(namespace="n", name="e")
_HEADER = {"revision": "9"}
_KEY = {
    "key": b64("n/e/abc123"),
    "value": b64('{"id": "somebody"}'),
    "create_revision": "7",
    "mod_revision": "8",
    "lease": "11256099",
}
_OFFICE = {**_KEY, "key": b64("n/e.office"), "value": b64('{"led": 7, "released": 0}')}


def _txn(*ranges: list[Any], succeeded: bool = False) -> dict[str, Any]:
    responses = [{"response_range": {"kvs": kvs, "count": "1"}} for kvs in ranges]
    return {"header": _HEADER, "succeeded": succeeded, "responses": responses}


def _range(*kvs: Any) -> dict[str, Any]:
    """It says the same to each read, whatever is asked for."""
    return {"header": _HEADER, "kvs": list(kvs), "count": "2"}


_STANDING = _txn([], [_KEY], [_KEY], [_OFFICE], succeeded=True)
_BEHIND = _txn([_KEY], [_KEY | {"key": b64("n/e/ff")}], [_KEY], [_OFFICE], succeeded=True)
_HEIR = b64('{"run": "r", "ttl": 9}')
_NEXT = _KEY | {"key": b64("n/e/ff"), "create_revision": "8", "value": _HEIR}
_LED = _range(_KEY, _NEXT)
_SECOND = _range(_NEXT, _KEY)
_LOST = _range(_NEXT)
_RENEWED = {"header": _HEADER, "ID": "11256099", "TTL": "15"}
_ANSWERS: dict[str, list[Any]] = {
    "open": [{"header": _HEADER, "ID": "11256099", "TTL": "15"}],
    "renew": [{"result": _RENEWED}],
    # One answer to both questions.
    "look": [{"result": _RENEWED | one} for one in (_LED, _SECOND, _LOST)],
    "campaign": [_STANDING | {"succeeded": False}, _STANDING, _BEHIND],
    "standing": [_LED, _SECOND, _LOST],
    "take_office": [_STANDING | _LED, _BEHIND | _SECOND],
    "resign": [_txn([], [_KEY], [_KEY], [_OFFICE], [_NEXT]) | _LED, _txn([], [], [], [], [])],
    "close": [{"header": _HEADER}],
    "leader": [_range(_KEY), _range()],
    "watch_held": [
        {"result": {"header": _HEADER, "created": True}},
        {"result": {"header": _HEADER, "events": [{"type": "DELETE", "kv": _KEY}]}},
        {"result": {"header": _HEADER, "events": [{"kv": _OFFICE}]}},
        {"result": {"created": True, "canceled": True, "cancel_reason": "permission denied"}},
        {"result": {"canceled": True, "compact_revision": "5"}},
    ],
}
_ANSWERS["watch_behind"] = _ANSWERS["watch_held"]
_LOGIN = {"header": _HEADER, "token": "abc.7"}
_ERRORS = [
    {"error": "etcdserver: no leader", "message": "etcdserver: no leader", "code": 14},
    {"error": {"grpc_code": 14, "http_code": 503, "message": "x", "http_status": "y"}},
    {"code": 14, "message": "etcdserver: no leader", "details": []},
]


_NO_LEASE = "etcdserver: requested lease not found"


def _store(stranger: Stranger, *, user: str = "") -> Store:
    credentials = {"ETCDCTL_USER": user, "ETCDCTL_PASSWORD": "x"} if user else {}
    return connect(f"etcd://{stranger.endpoint}", election=_ELECTION, environ=credentials)


@pytest.mark.parametrize("op", OPS)
def test_sound_answers_are_understood(stranger: Stranger, op: str) -> None:
    stranger.answer = http(encoded(_ANSWERS[op][0]) + b"\n")

    error = ask(_store(stranger), op, _SESSION, timeout_s=_LONG_S)

    # A watch is told nothing more; who resigns finds the key as before; who takes office is told
    # once more how things stand.
    assert (error == "") == (op not in ("watch_held", "watch_behind", "resign", "take_office"))


@pytest.mark.parametrize(
    "error",
    [
        {"error": _NO_LEASE, "message": _NO_LEASE, "code": 5},
        {"error": {"grpc_code": 5, "http_code": 404, "message": _NO_LEASE}},
        {"message": _NO_LEASE, "code": 5, "details": []},
    ],
    ids=["3.5.1", "stream", "3.5.30"],
)
def test_a_lost_lease_is_known_by_each_gateways_error(
    stranger: Stranger, error: dict[str, Any]
) -> None:
    stranger.answer = http(encoded(error), status="404 Not Found")

    with pytest.raises(SessionLostError):
        _store(stranger).renew(_SESSION, look=False, timeout_s=_LONG_S)


@pytest.mark.parametrize("op", OPS)
@examples(0.8)
@given(st.data())
def test_an_answer_with_one_thing_wrong_breaks_nothing(
    stranger: Stranger, op: str, data: st.DataObject
) -> None:
    answer = data.draw(st.sampled_from(_ANSWERS[op]).flatmap(mutated))
    stranger.answer = http(encoded(answer) + b"\n")

    ask(_store(stranger), op, _SESSION, timeout_s=_LONG_S)


@pytest.mark.parametrize("op", ["renew", "standing", "watch_held"])
@examples(0.5)
@given(st.sampled_from(_ERRORS).flatmap(mutated), st.sampled_from(["200", "400", "503", "999"]))
def test_an_error_with_one_thing_wrong_breaks_nothing(
    stranger: Stranger, op: str, error: Any, status: str
) -> None:
    stranger.answer = http(encoded(error), status=status)

    ask(_store(stranger), op, _SESSION, timeout_s=_LONG_S)


@examples(0.5)
@given(mutated(_LOGIN))
def test_a_login_with_one_thing_wrong_breaks_nothing(stranger: Stranger, login: Any) -> None:
    stranger.answer = http(encoded(login))

    ask(_store(stranger, user="me"), "renew", _SESSION, timeout_s=_LONG_S)


@pytest.mark.parametrize("op", ["renew", "standing", "watch_held"])
@examples(1.5)
@given(st.data())
def test_whatever_is_not_quite_http_breaks_nothing(
    stranger: Stranger, op: str, data: st.DataObject
) -> None:
    body = encoded(data.draw(st.sampled_from(_ANSWERS[op])))
    stranger.answer = data.draw(spoilt_http(body))

    ask(_store(stranger), op, _SESSION, timeout_s=_LONG_S)


@pytest.mark.parametrize("op", OPS)
@examples(0.3)
@given(any_json)
def test_any_json_breaks_nothing(stranger: Stranger, op: str, text: str) -> None:
    stranger.answer = http(text.encode("utf-8", "surrogatepass") + b"\n")

    ask(_store(stranger), op, _SESSION, timeout_s=_LONG_S)


@pytest.mark.parametrize("op", ["renew", "standing", "watch_held"])
@pytest.mark.parametrize("name", NASTY_RECORDS)
def test_nasty_bodies_break_nothing(stranger: Stranger, op: str, name: str) -> None:
    stranger.answer = http(NASTY_RECORDS[name])

    assert ask(_store(stranger), op, _SESSION, timeout_s=_LONG_S)


_ENDLESS = {
    "head": (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
    "line": (b"", b"x" * 1000),
    "body": (b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n", b"x" * 100_000),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 1000),
    "lines": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"3\r\n{}\n\r\n" * 1000),
    "trailers": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"a: b\r\n"),
}


@pytest.mark.parametrize("op", ["renew", "watch_held"])
@pytest.mark.parametrize("name", _ENDLESS)
def test_what_never_ends_is_not_read_for_ever(stranger: Stranger, op: str, name: str) -> None:
    """That it returns at all is the claim: pytest would end us otherwise."""
    stranger.answer, stranger.endless = _ENDLESS[name]

    try:
        error = ask(_store(stranger), op, _SESSION, timeout_s=_SHORT_S)
    finally:
        stranger.endless = b""

    assert error or (op, name) == ("watch_held", "lines")
