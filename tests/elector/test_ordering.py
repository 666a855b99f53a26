"""Orders by HTTP: what they say, how it is said, and to which term."""

from __future__ import annotations

import json
import os
import socket

import pytest

from coordsidecar.elector import ordering
from coordsidecar.store.orders import LONGEST_REASON
from tests.elector.door import PATH, Door
from tests.elector.shown import ask, connected, get

# ── what is ordered ────────────────────────────────────────────────────────────────────────────


def test_an_order_is_handed_over_with_who_asked_and_why_and_answered_with_how_it_was(
    file: Door,
) -> None:
    status, told = file.post({"reason": "a reboot", "sit_out_s": 5, "token": 7})

    assert status == 202
    assert (told["ordered"], told["sit_out_s"], told["before"]["token"]) == ("step-down", 5.0, 7)
    (order,) = file.taken
    assert (order.token, order.sit_out_s, order.reason) == (7, 5.0, "a reboot")
    assert order.by == f"HTTP client of uid {os.getuid()} (pid {os.getpid()})"


def test_nothing_need_be_said(file: Door) -> None:
    assert file.post()[0] == 202
    assert file.post({})[0] == 202
    assert (file.taken[0].sit_out_s, file.taken[0].reason) == (30.0, "")


def test_one_who_orders_all_the_time_is_told_yes_and_heard_once(
    file: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ordering, "_AGAIN_S", 3600.0)
    assert [file.post()[0] for _ in range(20)] == [202] * 20
    file.state["token"] = 8
    file.post()
    monkeypatch.setattr(ordering, "_AGAIN_S", 0.0)

    file.post()

    assert [order.token for order in file.taken] == [7, 8, 8]


def test_who_does_not_lead_says_so(file: Door) -> None:
    file.state |= {"role": "standby", "token": None}

    status, told = file.post({"token": 7})

    assert (status, told["refused"]) == (409, "this instance does not lead")
    assert told["before"]["role"] == "standby"
    assert file.taken == []


def test_in_a_pause_nobody_would_take_over(file: Door) -> None:
    file.state |= {"paused": "paused by ann"}

    status, told = file.post({})

    why = "it is paused by ann, so nobody would take over; resume it first"
    assert (status, told["refused"], file.taken) == (409, why, [])


@pytest.mark.parametrize("token", [6, 8, 0, -1, 10**300])
def test_an_order_to_another_term_is_refused(file: Door, token: int) -> None:
    status, told = file.post({"token": token})

    assert (status, told["before"]["token"]) == (412, 7)
    assert "led under token 7" in told["refused"]
    assert file.taken == []


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param([], id="an-array"),
        pytest.param("step-down", id="a-string"),
        pytest.param({"sit_out": 5}, id="unknown"),
        pytest.param({"sit_out_s": -1}, id="negative"),
        pytest.param({"sit_out_s": 3601}, id="too-long"),
        pytest.param({"sit_out_s": float("nan")}, id="no-number"),
        pytest.param({"sit_out_s": "5"}, id="text"),
        pytest.param({"sit_out_s": True}, id="bool"),
        pytest.param({"token": "7"}, id="token-text"),
        pytest.param({"token": 7.0}, id="token-float"),
        pytest.param({"token": True}, id="token-bool"),
        pytest.param({"reason": 5}, id="reason-number"),
        pytest.param({"reason": "x" * (LONGEST_REASON + 1)}, id="reason-long"),
    ],
)
def test_what_nobody_can_mean_is_refused(file: Door, fields: object) -> None:
    status, told = file.post(fields)

    assert status == 400
    assert told["refused"]
    assert file.taken == []


@pytest.mark.parametrize(
    "body", [b"{", b"[" * 4000, b"\xff\xfe", b"1" * 4000, b'{"token": NaN}', b"\0"], ids=repr
)
def test_what_is_no_json_is_refused(file: Door, body: bytes) -> None:
    head = f"POST {PATH} HTTP/1.1\r\nContent-Type: application/json\r\n".encode()

    status, told = ask(file.where, head + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    assert status == 400
    assert json.loads(told)["refused"]
    assert file.taken == []


# ── how it is said ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Length": "4097"}, 413),
        ({"Content-Length": "999999999999999999"}, 413),
        ({"Content-Length": "-1"}, 400),
        ({"Content-Length": "+5"}, 400),
        ({"Content-Length": "0x5"}, 400),
        ({"Content-Length": "\xb2"}, 400),
        ({"Content-Length": "9" * 5000}, 400),
        ({"Transfer-Encoding": "chunked"}, 411),
        ({"Transfer-Encoding": "identity", "Content-Length": "2"}, 411),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": ""}, 415),
        ({"Content-Type": "Application/JSON; charset=utf-8"}, 202),
    ],
)
def test_a_body_is_a_short_one_of_json_whose_length_is_said(
    file: Door, headers: dict[str, str], status: int
) -> None:
    assert file.post({}, **headers)[0] == status
    assert len(file.taken) == (status == 202)


def test_two_lengths_are_none(file: Door) -> None:
    head = f"POST {PATH} HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 0\r\n\r\n".encode()

    assert ask(file.where, head + b"{}")[0] == 400


def test_a_body_that_ends_early_orders_nothing(file: Door) -> None:
    head = f"POST {PATH} HTTP/1.1\r\nContent-Type: application/json\r\n".encode()
    with connected(file.where) as client:
        client.sendall(head + b"Content-Length: 9\r\n\r\n{}")
        client.shutdown(socket.SHUT_WR)

        answer = client.makefile("rb").read()

    assert b" 400 " in answer
    assert file.taken == []


def test_who_sends_a_great_deal_is_told_why_it_is_refused(file: Door) -> None:
    """Where a server closes with something unread, the kernel takes its answer back."""
    status, told = file.post({"reason": "x" * 500_000})

    assert (status, told["refused"]) == (413, "a body may have 4096 bytes")
    assert file.taken == []


def test_what_follows_a_request_is_no_other(file: Door) -> None:
    file.state |= {"role": "standby", "token": None}
    one = f"POST {PATH} HTTP/1.1\r\nContent-Length: 0\r\n\r\n".encode()

    with connected(file.where) as client:
        client.sendall(one * 3 + b"\0\xff garbage")
        answer = client.makefile("rb").read()

    assert answer.count(b"HTTP/1.0 ") == 1
    assert b" 409 " in answer


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE"])
def test_an_order_is_posted(file: Door, port: Door, method: str) -> None:
    assert isinstance(port.where, int)
    status, headers, body = get(port.where, PATH, method=method)

    assert (status, headers["Allow"]) == (405, "POST, OPTIONS")
    assert body == (b"" if method == "HEAD" else b"there are POST, OPTIONS\n")


def test_options_tells_so_and_lets_no_page_of_elsewhere_in(port: Door) -> None:
    assert isinstance(port.where, int)
    status, headers, _ = get(port.where, PATH, method="OPTIONS")

    assert (status, headers["Allow"]) == (204, "POST, OPTIONS")
    assert not [name for name in headers if name.lower().startswith("access-control")]


def test_nothing_else_is_ordered(file: Door) -> None:
    for path, expected in (("/", 405), ("/v1/status", 405), ("/v1/stepdown", 404)):
        assert ask(file.where, f"POST {path} HTTP/1.1\r\n\r\n".encode())[0] == expected
    absolute = f"POST http://evil.example{PATH} HTTP/1.1\r\n\r\n".encode()
    assert ask(file.where, absolute)[0] == 404
    assert file.taken == []
