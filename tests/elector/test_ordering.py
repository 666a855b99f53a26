"""Orders by HTTP: who may, what they say, and to which term; without a sidecar behind it."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coordsidecar.elector import ordering
from coordsidecar.elector.ordering import Ordering
from coordsidecar.elector.posted import Doorkeeper
from coordsidecar.log import Log
from coordsidecar.settings.serving import UnixSocket, Where
from coordsidecar.store.orders import LONGEST_REASON, Order
from tests.elector.shown import ask, connected, get, post, serve_at

PATH = "/v1/step-down"
TOKEN = "s3cret"
LEADING: dict[str, Any] = {"role": "leader", "token": 7, "id": "a", "since_unix_s": 0.0}
WITH_TOKEN = {"Authorization": f"Bearer {TOKEN}"}


class Door:
    """A server that takes orders, and those that it took."""

    def __init__(self, where: Where, token_file: str | None, log: Path) -> None:
        self.state = dict(LEADING)
        self.taken: list[Order] = []
        self._log = log.open("w")
        doorkeeper = Doorkeeper(
            token_file,
            {"this-host", "Given.example"},
            Log(fmt="text", election="e", node_id="a", stream=self._log),
        )
        ordering = Ordering(lambda: dict(self.state), self.taken.append, doorkeeper)
        made = serve_at(where, lambda: dict(self.state), orders=ordering.orders())
        name = made.socket.getsockname()
        self.where: Where | int = where if isinstance(where, UnixSocket) else int(name[1])
        self._log_path = log

    def log(self) -> str:
        return self._log_path.read_text()

    def post(self, fields: object = None, **headers: str) -> tuple[int, dict[str, Any]]:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return post(self.where, PATH, fields, headers=given)


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def port(tmp_path: Path, token_file: Path) -> Door:
    return Door(("127.0.0.1", 0), str(token_file), tmp_path / "log")


@pytest.fixture
def file(tmp_path: Path) -> Door:
    return Door(UnixSocket(str(tmp_path / "x.sock")), None, tmp_path / "log")


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


# ── who may ────────────────────────────────────────────────────────────────────────────────────


def test_at_a_port_it_takes_the_token(port: Door) -> None:
    status, _ = port.post({}, **WITH_TOKEN)

    assert status == 202
    assert port.taken[0].by.startswith("HTTP client 127.0.0.1:")


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer x", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer \xe9\xff"],
)
def test_without_it_nothing_is_ordered(port: Door, authorization: str) -> None:
    given = {"Authorization": authorization} if authorization else {}

    status, told = port.post({}, **given)

    assert status == 401
    assert "Authorization: Bearer TOKEN" in told["refused"]
    assert port.taken == []


def test_two_tokens_are_none(port: Door) -> None:
    lines = f"Host: localhost\r\nAuthorization: Bearer {TOKEN}\r\nAuthorization: Bearer x\r\n"

    assert ask(port.where, f"POST {PATH} HTTP/1.1\r\n{lines}\r\n".encode())[0] == 401


def test_who_is_refused_is_told_how_to_log_in(port: Door) -> None:
    with connected(port.where) as client:
        client.sendall(f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert b"\r\nWWW-Authenticate: Bearer\r\n" in client.makefile("rb").read()


def test_without_the_option_nobody_may_at_a_port(tmp_path: Path) -> None:
    door = Door(("127.0.0.1", 0), None, tmp_path / "log")

    status, told = door.post({}, **WITH_TOKEN)

    assert status == 403
    assert "--http-token-file FILE" in told["refused"]
    assert "--http unix:PATH" in told["refused"]
    assert door.taken == []


def test_a_new_token_counts_at_once_and_the_old_one_no_more(port: Door, token_file: Path) -> None:
    token_file.with_name("new").write_text("another")
    token_file.with_name("new").chmod(0o600)
    os.replace(token_file.with_name("new"), token_file)

    assert port.post({}, **WITH_TOKEN)[0] == 401
    assert port.post({}, Authorization="Bearer another")[0] == 202


@pytest.mark.parametrize("content", ["", "\n", " ", "two words", "a\nb", "x" * 5000, "é", None])
def test_without_a_token_in_the_file_nobody_may_and_the_log_says_why_once(
    port: Door, token_file: Path, content: str | None
) -> None:
    if content is None:
        token_file.unlink()
    else:
        token_file.write_text(content)
    attempts = ["", *(content or "").split(), content or "", TOKEN]

    answers = [
        port.post({}, Authorization=f"Bearer {word}") for word in attempts if "\n" not in word
    ]

    assert {status for status, _ in answers} == {403}
    assert port.log().count("nobody may order by HTTP") == 1
    assert str(token_file) in port.log()
    assert all(str(token_file) not in told["refused"] for _, told in answers)
    assert port.taken == []


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_what_is_no_file_has_no_token_and_holds_up_nobody(
    port: Door, token_file: Path, make: Callable[[Path], None]
) -> None:
    token_file.unlink()
    make(token_file)

    assert port.post({}, **WITH_TOKEN)[0] == 403
    assert "no regular file" in port.log()


@pytest.mark.parametrize(("mode", "warnings"), [(0o600, 0), (0o640, 1), (0o604, 1)])
def test_a_file_that_others_can_read_is_warned_of_once(
    port: Door, token_file: Path, mode: int, warnings: int
) -> None:
    token_file.chmod(mode)

    assert [port.post({}, **WITH_TOKEN)[0] for _ in range(3)] == [202] * 3
    assert port.log().count("can be read by others than its owner") == warnings


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 202),
        ("127.0.0.1:8080", 202),
        ("10.1.2.3:8080", 202),
        ("[::1]:8080", 202),
        ("localhost:8080", 202),
        ("LocalHost", 202),
        ("this-host:8080", 202),
        ("given.example", 202),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example:8080", 421),
        ("127.1", 421),
        ("2130706433", 421),
        ("::1", 421),
        ("[evil.example]", 421),
        ("localhost:8080@evil.example", 421),
        ("evil.example/127.0.0.1", 421),
        ("", 421),
    ],
)
def test_who_asks_for_another_host_was_misled(port: Door, host: str, status: int) -> None:
    """A page of evil.example whose name has just become 127.0.0.1 (DNS rebinding)."""
    assert port.post({}, **WITH_TOKEN, Host=host)[0] == status
    assert len(port.taken) == (status == 202)


@pytest.mark.parametrize(
    "hosts", ["", "Host: localhost\r\nHost: evil.example\r\n", "Host: localhost\r\nhost: a\r\n"]
)
def test_no_host_or_two_are_none(port: Door, hosts: str) -> None:
    lines = f"{hosts}Authorization: Bearer {TOKEN}\r\n"

    assert ask(port.where, f"POST {PATH} HTTP/1.1\r\n{lines}\r\n".encode())[0] == 400
    assert port.taken == []


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:8080"])
def test_no_web_page_orders_anything(port: Door, file: Door, origin: str) -> None:
    assert port.post({}, **WITH_TOKEN, Origin=origin)[0] == 403
    assert file.post({}, Origin=origin)[0] == 403
    assert port.taken == file.taken == []


def test_what_is_wrong_is_not_read_before_it_is_known_who_says_it(port: Door) -> None:
    """Of a stranger nothing is read, let alone waited for."""
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n".encode()

    assert ask(port.where, head)[0] == 401
