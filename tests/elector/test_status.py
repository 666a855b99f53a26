"""The status page answers probes, and nobody who connects can keep it from doing so."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import time
from typing import Any

import pytest

from tests.elector.shown import get, serve_shown

LEADING = {"role": "leader", "token": 7, "deadline_left_s": float("inf"), "reason": "a\x1bb"}


def serve_role(role: str) -> int:
    return serve_shown(lambda: {"role": role})


def test_the_root_shows_the_snapshot_as_json() -> None:
    port = serve_shown(lambda: LEADING)

    status, headers, body = get(port, "/")

    assert status == 200
    assert headers["Content-Type"] == "application/json"
    assert headers["Cache-Control"] == "no-store"
    assert json.loads(body) == {
        "role": "leader",
        "token": 7,
        "deadline_left_s": None,
        "reason": "a\\x1bb",
    }


@pytest.mark.parametrize(
    ("role", "expected"), [("leader", 200), ("standby", 503), ("stopping", 503), ("", 503)]
)
def test_only_the_leader_answers_yes_to_a_load_balancer(role: str, expected: int) -> None:
    port = serve_role(role)

    assert get(port, "/leader")[0] == expected
    assert get(port, "/leader?x=1")[0] == expected
    assert get(port, "/healthz")[0] == 200


@pytest.mark.parametrize(
    ("health", "expected"),
    [
        ({"healthy": True, "guard_age_s": 0.1}, 200),
        ({"healthy": False, "guard_age_s": 9.5}, 503),
        ({"guard_age_s": 0.1}, 503),
    ],
)
def test_a_probe_gets_yes_or_no_and_the_ages(health: dict[str, Any], expected: int) -> None:
    port = serve_shown(lambda: LEADING, lambda: health)

    status, headers, body = get(port, "/healthz")

    assert (status, headers["Content-Type"]) == (expected, "application/json")
    assert json.loads(body) == health


def test_head_has_the_headers_and_no_body() -> None:
    port = serve_shown(lambda: LEADING)

    status, headers, body = get(port, "/", method="HEAD")

    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) > 0


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [("GET", "/etc/passwd", 404), ("GET", "/../leader", 404), ("POST", "/", 405)],
)
def test_there_is_nothing_else(method: str, path: str, expected: int) -> None:
    assert get(serve_role("leader"), path, method=method)[0] == expected


@pytest.mark.parametrize(
    "request_bytes",
    [b"GET /" + b"x" * 100_000, b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 1000, b"\x00\xff\r\n\r\n"],
    ids=["long-line", "many-headers", "garbage"],
)
def test_a_request_that_is_too_much_is_cut_off_and_the_next_is_served(
    request_bytes: bytes,
) -> None:
    port = serve_role("leader")

    with socket.create_connection(("127.0.0.1", port), timeout=60) as rude:
        try:
            rude.sendall(request_bytes)
            while rude.recv(65536):
                pass
        except ConnectionError:
            pass

    assert get(port, "/leader")[0] == 200


def test_those_who_connect_and_say_nothing_do_not_keep_a_probe_out() -> None:
    port = serve_role("leader")
    idle = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(40)]
    try:
        assert get(port, "/leader")[0] == 200
        # The oldest were sent away to make room.
        assert idle[0].recv(1) == b""
    finally:
        for connection in idle:
            connection.close()


def test_a_snapshot_that_fails_does_not_end_the_service() -> None:
    answers: list[dict[str, Any]] = [{"role": "leader"}]
    port = serve_shown(lambda: answers.pop())
    assert get(port, "/leader")[0] == 200

    with pytest.raises((http.client.HTTPException, ConnectionError)):
        get(port, "/leader")

    assert get(port, "/healthz")[0] == 200


def test_it_listens_on_ipv6_too() -> None:
    try:
        port = serve_shown(lambda: LEADING, address="::1")
    except OSError:
        pytest.skip("this machine has no IPv6")

    assert get(port, "/leader", host="::1")[0] == 200


def test_a_port_that_is_taken_is_an_error_at_once() -> None:
    port = serve_role("leader")

    with pytest.raises(OSError, match="in use"):
        serve_shown(lambda: LEADING, port=port)


_SCARCE = """
import resource, socket, sys
from coordsidecar.elector.listening import Listening
from coordsidecar.elector.status import Answer, serve

tried, accept = [], socket.socket.accept
def counted(self):
    tried.append(1)
    return accept(self)
socket.socket.accept = counted
listening = Listening(("127.0.0.1", 0))
serve(listening.socket, {"/healthz": lambda: Answer(200, "text/plain", b"")}, {})
port = listening.socket.getsockname()[1]
import os
spare = os.dup(0)
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (spare + 1, hard))
print(port, flush=True)
sys.stdin.readline()
print(len(tried), flush=True)
os.close(spare)
sys.stdin.readline()
"""


def test_who_connects_while_no_descriptor_is_left_waits_and_takes_no_processor() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _SCARCE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with socket.create_connection(("127.0.0.1", port), timeout=60) as probe:
            probe.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            time.sleep(1)  # The fault itself: so long there is none.
            process.stdin.write("\n")
            process.stdin.flush()
            tried = int(process.stdout.readline())

            answer = probe.recv(65536)

        process.stdin.close()
    assert answer.startswith(b"HTTP/1.0 200 ")
    assert 1 <= tried < 100


_FEW = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), 4096))
from coordsidecar.elector.listening import Listening
from coordsidecar.elector.status import _Handler, Answer, serve
_Handler.timeout = 600
listening = Listening(("127.0.0.1", 0))
serve(listening.socket, {"/": lambda: Answer(200, "text/plain", b"")}, {})
print(listening.socket.getsockname()[1], flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize(("limit", "most"), [(32, 2), (40, 4), (1024, 16)])
def test_of_few_descriptors_those_who_connect_leave_some_for_the_store(
    limit: int, most: int
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _FEW, str(limit)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        clients = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(20)]

        # The oldest are hung up on, one by one.
        hung_up = [client.recv(1) for client in clients[: 20 - most]]
        for client in clients[20 - most :]:
            client.setblocking(False)
            with pytest.raises(BlockingIOError):
                client.recv(1)

        process.communicate()
        for client in clients:
            client.close()
    assert hung_up == [b""] * (20 - most)
