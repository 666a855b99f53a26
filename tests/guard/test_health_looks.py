"""--health-http and --health-tcp: what is well, and what is not."""

from __future__ import annotations

import http.server
import signal
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from coordsidecar.children.health_looks import _status_line
from tests.e2e.arena import Arena
from tests.e2e.sidecars import wait_for
from tests.guard.test_health import QUICK, said


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers with the status that the path names."""

    def do_GET(self) -> None:
        status = int(self.path.strip("/?").split("/")[0])
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", "/500")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web() -> Iterator[str]:
    """HOST:PORT of a server that answers with the status in the path."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def listener() -> Iterator[Callable[[Callable[[socket.socket], None]], str]]:
    """Have connections served by a function; returns HOST:PORT."""
    listening = socket.create_server(("127.0.0.1", 0))
    connections: list[socket.socket] = []

    def serve(how: Callable[[socket.socket], None]) -> str:
        def accept() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                connections.append(connection)
                threading.Thread(target=how, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        return f"127.0.0.1:{listening.getsockname()[1]}"

    yield serve
    listening.close()
    for connection in connections:
        connection.close()


@pytest.mark.parametrize("status", [200, 204, 302])
def test_an_answer_from_200_to_399_is_well_and_no_redirect_is_followed(
    status: int, web: str, arena: Arena
) -> None:
    sidecar = arena.start("--health-http", f"http://{web}/{status}", *QUICK)

    wait_for(lambda: said(sidecar, "healthy"), "it to be well")


@pytest.mark.parametrize("status", [404, 503])
def test_any_other_answer_is_sick(status: int, web: str, arena: Arena) -> None:
    sidecar = arena.start("--health-http", f"http://{web}/{status}", *QUICK)

    wait_for(lambda: said(sidecar, "unhealthy"), "it to be sick")

    assert f"HTTP/1.0 {status}" in said(sidecar, "unhealthy")[0]


def _drip(connection: socket.socket) -> None:
    try:
        while True:
            connection.sendall(b"H")
            threading.Event().wait(0.05)
    except OSError:
        pass


def _say_nothing(connection: socket.socket) -> None:
    connection.recv(4096)


@pytest.mark.parametrize("how", [_drip, _say_nothing], ids=["drips", "silent"])
def test_a_server_that_drips_or_says_nothing_takes_no_longer_than_it_may(
    how: Callable[[socket.socket], None],
    listener: Callable[[Callable[[socket.socket], None]], str],
    arena: Arena,
) -> None:
    url = f"http://{listener(how)}/healthz"
    options = ("--health-http", url, *QUICK, "--health-timeout", "500ms", "--health-fall", "2")
    sidecar = arena.start(*options)

    wait_for(lambda: said(sidecar, "unhealthy"), "it to be sick")

    assert "did not end within 500ms" in said(sidecar, "unhealthy")[0]


def test_what_is_not_http_is_sick(
    listener: Callable[[Callable[[socket.socket], None]], str], arena: Arena
) -> None:
    def babble(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"\x1b[2J" + b"x" * 100_000)

    sidecar = arena.start("--health-http", f"http://{listener(babble)}", *QUICK)

    wait_for(lambda: said(sidecar, "unhealthy"), "it to be sick")

    assert "the answer is not HTTP" in said(sidecar, "unhealthy")[0]


def test_a_connection_is_well_and_a_refused_one_is_sick(
    listener: Callable[[Callable[[socket.socket], None]], str], arena: Arena
) -> None:
    address = listener(_say_nothing)
    sidecar = arena.start("--health-tcp", address, *QUICK)
    wait_for(lambda: said(sidecar, "healthy"), "it to be well")
    with socket.create_server(("127.0.0.1", 0)) as free:
        closed = f"127.0.0.1:{free.getsockname()[1]}"
    sidecar.signal(signal.SIGTERM)
    sidecar.wait()

    other = arena.start("--health-tcp", closed, *QUICK)

    wait_for(lambda: said(other, "unhealthy"), "it to be sick")
    assert "Connection refused" in said(other, "unhealthy")[0]


@pytest.mark.parametrize(
    ("answers", "well"),
    [
        ([b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"], True),
        ([b"HTTP/1.1 100 Continue\n\nHTTP/1.1 102 Processing\n\nHTTP/1.1 204 None\n\n"], True),
        ([b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 500 No\r\n\r\n"], False),
        ([b"HTTP/1.1 103 Early Hints\r\n\r\n"], False),
        ([b"HTTP/1.1 103 HTTP/1.1 200 OK"], False),
        ([b"HTTP/1.0 200 OK"], True),
    ],
)
def test_only_the_last_word_counts(answers: list[bytes], well: bool) -> None:
    """What comes before it (1xx) is no answer yet."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for answer in answers:
            theirs.sendall(answer)
        theirs.shutdown(socket.SHUT_WR)

        status = _status_line(ours)

    assert (b" 20" in status and not status.startswith(b"HTTP/1.1 1")) == well
