"""What each path says, and to which methods; the numbers are in test_metrics."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import coordsidecar.elector
from tests.elector.shown import get, serve_shown

PATHS = ("/", "/leader", "/standby", "/healthz", "/v1/status", "/metrics")
EVENTS = "/v1/events"
ELECTOR = Path(coordsidecar.elector.__file__).parent
LEADING: dict[str, Any] = {
    "name": "host1",
    "role": "leader",
    "token": 7,
    "leader": "host1",
    "election": "default/nightly",
    "id": "host1",
    "since_unix_s": 1.5,
    "deadline_left_s": 3.25,
    "paused": None,
    "cordoned": False,
    "health": None,
    "reason": "elected",
}


def serve_role(role: str) -> int:
    return serve_shown(lambda: LEADING | {"role": role})


@pytest.mark.parametrize(
    ("role", "expected"), [("standby", 200), ("leader", 503), ("stopping", 503), ("", 503)]
)
def test_only_who_stands_by_says_so(role: str, expected: int) -> None:
    assert get(serve_role(role), "/standby")[0] == expected


def test_the_status_in_full_has_a_version_and_all_that_there_is_to_say() -> None:
    port = serve_shown(lambda: LEADING, store="etcd://a:2379")

    status, headers, body = get(port, "/v1/status")

    assert (status, headers["Content-Type"]) == (200, "application/json")
    told = json.loads(body)
    assert told["version"] == 1
    assert told["since"] == "1970-01-01T00:00:01Z"
    assert told["store"] == "etcd://a:2379"
    assert (told["guard_age_s"], told["elector_age_s"]) == (0.25, 0.5)
    assert LEADING.items() <= told.items()


@pytest.mark.parametrize("path", PATHS)
def test_head_says_of_every_page_what_get_does_but_for_the_page(path: str) -> None:
    port = serve_role("leader")

    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(f"HEAD {path} HTTP/1.0\r\n\r\n".encode())
        answer = client.makefile("rb").read()

    head, end, body = answer.partition(b"\r\n\r\n")
    assert (end, body) == (b"\r\n\r\n", b"")
    status, headers, _ = get(port, path)
    assert f" {status} ".encode() in head
    for name in ("Content-Type", "Content-Length"):
        assert f"{name}: {headers[name]}".encode() in head.split(b"\r\n")


@pytest.mark.parametrize("path", [*PATHS, "*"])
def test_options_tells_what_may_be_done(path: str) -> None:
    status, headers, body = get(serve_role("leader"), path, method="OPTIONS")

    assert (status, headers["Allow"], body) == (204, "GET, HEAD, OPTIONS", b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "BREW"])
def test_nothing_can_be_changed(method: str) -> None:
    status, headers, body = get(serve_role("leader"), "/", method=method)

    assert (status, headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
    assert body == b"there are GET, HEAD, OPTIONS\n"


def test_who_asks_for_a_page_that_there_is_not_is_told_which_there_are() -> None:
    status, headers, body = get(serve_role("leader"), "/metric")

    assert (status, headers["Content-Type"]) == (404, "text/plain")
    assert body.decode().split()[2:] == [*PATHS[:-1], EVENTS, PATHS[-1]]


def test_an_elector_without_a_page_has_imported_nothing_for_it() -> None:
    program = "import sys, coordsidecar.elector.loop\nprint(*sys.modules)"

    process = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    imported = process.stdout.split()
    late = ("counts", "events", "listening", "metrics", "ordering", "pages", "posted", "status")
    ours = {f"coordsidecar.elector.{name}" for name in late}
    assert all((ELECTOR / f"{name}.py").exists() for name in late)
    assert "coordsidecar.elector.loop" in imported
    assert not (ours | {"http.server", "socketserver", "typing"}) & set(imported)
