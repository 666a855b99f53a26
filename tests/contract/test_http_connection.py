"""The HTTP reader against servers that say anything in any pieces, or drip, or never end."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from coordsidecar.store.protocol import Election, Session, SessionLostError, UnreachableError
from coordsidecar_adapters.etcd.gateway import connect
from coordsidecar_adapters.etcd.url import ETCD
from coordsidecar_adapters.http_connection import HttpConnection, Resolver
from coordsidecar_adapters.link import LinkError

# For what has to succeed, and for what is meant to run out.
_LONG_S = 30.0
_SHORT_S = 0.5

_SESSION = Session(handle="abc123", ttl_s=15.0)

Serve = Callable[[Callable[[socket.socket], None]], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Answer every connection by the same script, which begins when the request has come."""
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def start(script: Callable[[socket.socket], None]) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def run() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    try:
                        client.recv(65536)
                        script(client)
                    except OSError:
                        pass  # The client had enough.

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return f"127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for thread in threads:
        thread.join()


def says(*pieces: bytes) -> Callable[[socket.socket], None]:
    def script(client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            client.sendall(piece)
        client.recv(1)  # Stay until the client goes.

    return script


def ask(address: str, *, within_s: float = _LONG_S) -> tuple[int, bytes]:
    http = HttpConnection(address, server=ETCD, resolver=Resolver(), tls=None)
    deadline_s = time.monotonic() + within_s
    try:
        status = http.ask("POST /v3/x", b"{}", headers={}, deadline_s=deadline_s)
        return status, http.read(deadline_s=deadline_s)
    finally:
        http.close()


def each_byte(answer: bytes) -> list[bytes]:
    return [bytes([byte]) for byte in answer]


@pytest.mark.parametrize("in_pieces", [False, True])
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ncontent-length:5\r\nX: y\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"2;x=y\r\nhe\r\n03\r\nllo\r\n0\r\nTrailer: x\r\n\r\n",
    ],
)
def test_an_answer_is_read_however_it_is_cut(serve: Serve, answer: bytes, in_pieces: bool) -> None:
    address = serve(says(*(each_byte(answer) if in_pieces else [answer])))

    assert ask(address) == (200, b"hello")


def test_an_answer_without_a_length_ends_with_the_connection(serve: Serve) -> None:
    address = serve(lambda client: client.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\nhello"))

    assert ask(address) == (400, b"hello")


def test_a_packed_answer_is_refused(serve: Serve) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Encoding: GZIP\r\n\r\n"
    address = serve(says(head + b"hello"))

    with pytest.raises(LinkError, match="packed"):
        ask(address)


def test_two_answers_come_over_one_connection(serve: Serve) -> None:
    def script(client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n")
        client.recv(65536)
        client.sendall(b"HTTP/1.1 201 OK\r\nContent-Length: 1\r\n\r\nb")
        client.recv(1)

    http = HttpConnection(serve(script), server=ETCD, resolver=Resolver(), tls=None)
    deadline_s = time.monotonic() + _LONG_S

    answers = [
        (
            http.ask("POST /", b"", headers={}, deadline_s=deadline_s),
            http.read(deadline_s=deadline_s),
        )
        for _ in range(2)
    ]
    http.close()

    assert answers == [(200, b"a"), (201, b"b")]


def test_a_line_may_take_several_chunks_and_a_chunk_hold_several_lines(serve: Serve) -> None:
    chunks = b"3\r\none\r\n6\r\n\ntwo\nt\r\n5\r\nhree\n\r\n"
    address = serve(says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunks))
    http = HttpConnection(address, server=ETCD, resolver=Resolver(), tls=None)
    deadline_s = time.monotonic() + _LONG_S
    http.ask("POST /", b"", headers={}, deadline_s=deadline_s)

    lines = [http.read_line(deadline_s=deadline_s) for _ in range(3)]
    silence = http.read_line(deadline_s=time.monotonic() + _SHORT_S)
    http.close()

    assert lines == [b"one", b"two", b"three"]
    assert silence is None


def test_a_line_that_was_cut_short_by_time_goes_on_where_it_was(serve: Serve) -> None:
    go_on = threading.Event()

    def script(client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nha")
        go_on.wait(_LONG_S)
        client.sendall(b"lf\r\n1\r\n\n\r\n")
        client.recv(1)

    http = HttpConnection(serve(script), server=ETCD, resolver=Resolver(), tls=None)
    http.ask("POST /", b"", headers={}, deadline_s=time.monotonic() + _LONG_S)

    first = http.read_line(deadline_s=time.monotonic() + _SHORT_S)
    go_on.set()
    second = http.read_line(deadline_s=time.monotonic() + _LONG_S)
    http.close()

    assert (first, second) == (None, b"half")


def test_a_server_that_drips_does_not_outlast_the_deadline(serve: Serve) -> None:
    stop = threading.Event()

    def drip(client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\n")
        while not stop.wait(0.05):
            client.sendall(b"X")

    address = serve(drip)

    try:
        with pytest.raises(LinkError) as failed:
            ask(address, within_s=_SHORT_S)
    finally:
        stop.set()

    assert failed.value.timed_out


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 two hundred\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 1000,
        b"x" * 100_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n" + b"y" * 20_000_000,
    ],
    ids=["ssh", "status", "length", "chunk", "headers", "line", "body"],
)
def test_what_is_no_answer_ends_in_an_error_and_not_in_memory(serve: Serve, answer: bytes) -> None:
    address = serve(says(answer))

    with pytest.raises(LinkError):
        ask(address)


@pytest.mark.parametrize(
    "body",
    [
        *(b"{}", b"[]", b"null", b"<html>", b'{"result": 3}', b'{"ID": "1", "TTL": "9"}'),
        *(
            b'{"result": {"ID": "11256099", "TTL": %s}}' % ttl
            for ttl in (b"null", b'"9 s"', b"1e9")
        ),
        b'{"result": {"ID": "11256099", "TTL": "9223372036854775807"}}',
    ],
)
def test_a_stranger_that_answers_a_renewal_neither_renews_nor_ends_a_session(
    serve: Serve, election: Election, body: bytes
) -> None:
    """Some portals and proxies answer 200 to anything."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    address = serve(says(head + body))
    store = connect(f"etcd://{address}", election=election, environ={})

    with pytest.raises(UnreachableError):
        store.renew(_SESSION, look=False, timeout_s=_LONG_S)


def test_an_answer_that_comes_twice_answers_no_other_question(serve: Serve) -> None:
    came_twice = threading.Event()

    def script(client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na" * 2)
        came_twice.set()
        client.recv(65536)

    http = HttpConnection(serve(script), server=ETCD, resolver=Resolver(), tls=None)
    deadline_s = time.monotonic() + _LONG_S
    http.ask("POST /", b"", headers={}, deadline_s=deadline_s)
    assert http.read(deadline_s=deadline_s) == b"a"
    came_twice.wait()

    with pytest.raises(LinkError, match="more than it was asked") as refusal:
        http.ask("POST /", b"", headers={}, deadline_s=deadline_s)

    assert not refusal.value.sent
    http.close()


def test_a_kept_connection_that_was_closed_meanwhile_is_dialled_again(
    serve: Serve, election: Election
) -> None:
    gone = b'{"result":{"ID":"%d"}}' % int(_SESSION.handle, 16)
    address = serve(
        lambda client: client.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(gone) + gone
        )
    )
    store = connect(f"etcd://{address}", election=election, environ={})

    for _ in range(3):
        with pytest.raises(SessionLostError):
            store.renew(_SESSION, look=False, timeout_s=_LONG_S)
