"""Whoever connects to the status page sends anything; the page goes on answering."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordsidecar.elector.ordering import Ordering
from coordsidecar.elector.posted import Doorkeeper
from coordsidecar.log import Log
from tests.elector.shown import serve_at
from tests.fuzz.nasty import any_value, examples, spoilt_http

_LINES = [b"GET / HTTP/1.1", b"GET /metrics HTTP/1.1", b"OPTIONS * HTTP/1.1", b"\x1b[2J / HTTP/1.0"]
_LINES += [b"GET /leader HTTP/1.0", b"HEAD /healthz", b"POST / HTTP/1.1", b""]
_LINES += [b"GET /" + b"a" * 70_000, b"GET /\x1b[2J\xff HTTP/9.9", b"\x16\x03\x01\x02\x00", b"GET"]
_LINES += [
    b"GET http://[::1 HTTP/1.1",
    b"get / http/1.1",
    b"GET / HTTP/1.1.1.1",
    b"G\0T / HTTP/1.1",
]
_LINES += [b"GET /v1/events HTTP/1.1", *[b"POST /v1/step-down HTTP/1.1"] * 3]
_HEADERS = [
    b"Content-Length: -1",
    b"Expect: 100-continue",
    b":",
    b"\xff: \xfe",
    b"A: " + b"b" * 70_000,
    b"Host: localhost",
    b"Authorization: Bearer t",
    b"Transfer-Encoding: chunked",
    b"Content-Length: 5",
    b"Content-Type: application/json",
]
_requests = st.one_of(
    st.binary(max_size=200),
    st.tuples(st.sampled_from(_LINES), st.lists(st.sampled_from(_HEADERS), max_size=3)).map(
        lambda parts: b"\r\n".join([parts[0], *parts[1], b"", b""])
    ),
    spoilt_http(b"{}"),
)
_SNAPSHOT: dict[str, object] = {}


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    token = tmp_path_factory.mktemp("token") / "token"
    token.write_text("t")
    with open(os.devnull, "w", encoding="ascii") as nowhere:
        log = Log(fmt="text", election="e", node_id="i", stream=nowhere)
        doorkeeper = Doorkeeper(str(token), set(), log)
        ordering = Ordering(lambda: {"role": "standby", "token": 7}, lambda _: None, doorkeeper)
        made = serve_at(("127.0.0.1", 0), lambda: _SNAPSHOT, orders=ordering.orders())
        yield int(made.socket.getsockname()[1])


def _say(port: int, request: bytes) -> bytes:
    """Send ``request`` and nothing more; what is answered until the server hangs up."""
    answer = b""
    # Where it hangs up before it has read all, the kernel says so.
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client, suppress(OSError):
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        while piece := client.recv(65536):
            answer += piece
    return answer


@examples(3)
@given(_requests, st.dictionaries(st.sampled_from(["role", "leader", "x"]), any_value))
def test_whatever_is_asked_the_page_goes_on_answering(
    port: int, capfd: pytest.CaptureFixture[str], message: bytes, snapshot: dict[str, object]
) -> None:
    _SNAPSHOT.clear()
    _SNAPSHOT.update(snapshot)

    answer = _say(port, message)
    health = _say(port, b"GET /healthz HTTP/1.0\r\n\r\n")

    assert b"\x1b" not in answer
    assert health.startswith(b"HTTP/1.0 200 ")
    assert capfd.readouterr() == ("", "")
