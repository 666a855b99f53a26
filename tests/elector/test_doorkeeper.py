"""Who may order by HTTP: at a unix socket whoever can connect, at a port who has the token."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.elector.door import PATH, TOKEN, WITH_TOKEN, Door
from tests.elector.shown import ask, connected


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
