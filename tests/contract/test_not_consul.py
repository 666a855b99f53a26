"""What listens where Consul should be, and is not."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import pytest

from coordsidecar.store.protocol import Election, Session, UnreachableError
from coordsidecar_adapters.consul.store import connect
from tests.contract.candidate import CALL_S


class _NotConsul(http.server.BaseHTTPRequestHandler):
    """A web server that answers everything with the same."""

    answer: ClassVar[tuple[int, bytes]]
    asked: ClassVar[list[str]]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        status, body = self.answer
        self.send_response(status)
        if status == 200:
            self.send_header("X-Consul-Index", "1")
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_PUT = do_GET  # noqa: N815  # The name that http.server looks for.

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def _answering(status: int, body: bytes) -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []
    handler = type("Handler", (_NotConsul,), {"answer": (status, body), "asked": asked})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>It works!</html>"),
        (200, b"[1, 2]"),
        (200, b'"yes"'),
        (200, b'{"Key": 1}'),
        (302, b""),
        (404, b"no such page"),
        (429, b"too many requests"),
        (500, b"No cluster leader"),
        (502, b"bad gateway"),
        (503, b"down for maintenance"),
    ],
)
def test_what_does_not_answer_as_consul_does_is_unreachable_and_never_a_lost_session(
    election: Election, status: int, body: bytes
) -> None:
    session = Session(handle="5c0f6d4e-0000-0000-0000-000000000000", ttl_s=15.0)
    with _answering(status, body) as (endpoint, asked):
        store = connect(
            f"consul://{endpoint}", election=election, environ={"CONSUL_HTTP_TOKEN": "secret"}
        )

        with pytest.raises(UnreachableError):
            store.renew(session, look=False, timeout_s=CALL_S)
        with pytest.raises(UnreachableError):
            store.standing(session, timeout_s=CALL_S)

    assert "/elsewhere" not in asked, "a redirect would carry our token away"
