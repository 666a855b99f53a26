"""A TCP proxy that breaks the network between a client and a server on demand.

One thread owns every socket, so that a fault holds from the moment its method returns. Directions
are the client's: *outbound* is what it asks, *inbound* what it is answered. Bytes that a black hole
swallows are not lost but held back, as TCP's retransmissions hold them: once healed, they arrive
late. What a client sent on a connection that it opened in the black hole and has given up since
never arrives: its handshake could not have succeeded.
"""

from __future__ import annotations

import contextlib
import queue
import select
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

from tests.servers.process import free_ports

__all__ = ["Proxy"]

_CHUNK_BYTES = 65536
_HELD_CHUNKS = 64
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_GONE = select.POLLHUP | select.POLLERR | select.POLLRDHUP


class _Pipe:
    """One direction of a connection: read from ``source``, held, written to ``sink``."""

    def __init__(self, source: socket.socket, sink: socket.socket, *, outbound: bool) -> None:
        self.source, self.sink, self.outbound = source, sink, outbound
        self.held: deque[tuple[float, bytes]] = deque()
        self.ended = False
        self.done = False

    def read(self, *, due_s: float) -> None:
        chunk = self.source.recv(_CHUNK_BYTES)
        self.ended = not chunk
        self.held.append((due_s, chunk))

    def write(self, now_s: float) -> None:
        while self.held and self.held[0][0] <= now_s:
            due_s, chunk = self.held.popleft()
            if not chunk:
                self.sink.shutdown(socket.SHUT_WR)
                self.done = True
                return
            sent = self.sink.send(chunk)
            if sent < len(chunk):
                self.held.appendleft((due_s, chunk[sent:]))
                return


class _Connection:
    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server
        self.pipes = (
            _Pipe(client, server, outbound=True),
            _Pipe(server, client, outbound=False),
        )

    def reset(self) -> None:
        for end in (self.client, self.server):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            end.close()

    def close(self) -> None:
        self.client.close()
        self.server.close()


class Proxy:
    """Forwards ``endpoint`` to ``target`` (both ``host:port``) until told otherwise.

    ``delay_s`` holds every chunk back for so long, in each direction.
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._port = free_ports(1)[0]
        self.delay_s = 0.0
        self._outbound_open = self._inbound_open = True
        self._connections: list[_Connection] = []
        self._unconnected: list[socket.socket] = []
        self._listener: socket.socket | None = self._listen()
        self._orders: queue.SimpleQueue[tuple[Callable[[], None], threading.Event]]
        self._orders = queue.SimpleQueue()
        self._waker, self._wakeup = socket.socketpair()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=f"proxy to {target}", daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> str:
        """Host and port to connect to."""
        return f"127.0.0.1:{self._port}"

    def black_hole(self) -> None:
        """Swallow everything in both directions; connections, old and new, stay up."""
        self._order(lambda: self._open_ways(outbound=False, inbound=False))

    def cut_outbound(self) -> None:
        """Swallow what the clients ask."""
        self._order(lambda: self._open_ways(outbound=False, inbound=True))

    def cut_inbound(self) -> None:
        """Swallow what the server answers: requests arrive, and nobody hears of it."""
        self._order(lambda: self._open_ways(outbound=True, inbound=False))

    def cut(self) -> None:
        """Reset every connection and refuse new ones."""
        self._order(self._refuse)

    def heal(self) -> None:
        """End every fault."""
        self._order(self._heal)

    def close(self) -> None:
        """End the proxy and its thread."""
        if self._closing:
            return
        self._order(self._refuse)
        self._closing = True
        self._waker.send(b"!")
        self._thread.join()
        self._waker.close()
        self._wakeup.close()

    def _order(self, order: Callable[[], None]) -> None:
        """Run ``order`` in the proxy's thread and return once it has been."""
        done = threading.Event()
        self._orders.put((order, done))
        self._waker.send(b"!")
        done.wait()

    def _open_ways(self, *, outbound: bool, inbound: bool) -> None:
        self._outbound_open, self._inbound_open = outbound, inbound

    def _refuse(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for connection in self._connections:
            connection.reset()
        for client in self._unconnected:
            client.close()
        self._connections, self._unconnected = [], []

    def _heal(self) -> None:
        self.delay_s = 0.0
        self._open_ways(outbound=True, inbound=True)
        if self._listener is None:
            self._listener = self._listen()

    def _listen(self) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", self._port), backlog=128)
        listener.setblocking(False)
        return listener

    def _run(self) -> None:
        while not self._closing:
            self._connect_the_unconnected()
            ready = self._wait()
            if self._wakeup.fileno() in ready:
                self._wakeup.recv(1)
                order, done = self._orders.get() if not self._closing else (None, None)
                if order is not None and done is not None:
                    order()
                    done.set()
                continue  # The order may have closed what is in `ready`.
            if self._listener is not None and self._listener.fileno() in ready:
                with contextlib.suppress(BlockingIOError, ConnectionError):
                    self._unconnected.append(self._listener.accept()[0])
            for connection in list(self._connections):
                self._move(connection, ready)

    def _wait(self) -> dict[int, int]:
        """Wait until something can be done; which descriptors are ready, and for what."""
        poll = select.poll()
        interest = {self._wakeup.fileno(): select.POLLIN}
        if self._listener is not None:
            interest[self._listener.fileno()] = select.POLLIN
        due_s: list[float] = []
        for pipe in self._open_pipes():
            if not pipe.ended and len(pipe.held) < _HELD_CHUNKS:
                fd = pipe.source.fileno()
                interest[fd] = interest.get(fd, 0) | select.POLLIN
            if pipe.held and pipe.held[0][0] <= time.monotonic():
                fd = pipe.sink.fileno()
                interest[fd] = interest.get(fd, 0) | select.POLLOUT
            elif pipe.held:
                due_s.append(pipe.held[0][0])
        for fd, events in interest.items():
            poll.register(fd, events)
        wait_ms = None if not due_s else max(0.0, min(due_s) - time.monotonic()) * 1000 + 1
        return dict(poll.poll(wait_ms))

    def _open_pipes(self) -> Iterator[_Pipe]:
        """The directions in which bytes may move: a swallowed one is not even looked at."""
        for connection in self._connections:
            for pipe in connection.pipes:
                way_open = self._outbound_open if pipe.outbound else self._inbound_open
                if way_open and not pipe.done:
                    yield pipe

    def _move(self, connection: _Connection, ready: dict[int, int]) -> None:
        moving = [pipe for pipe in self._open_pipes() if pipe in connection.pipes]
        try:
            for pipe in moving:
                readable = ready.get(pipe.source.fileno(), 0) & ~select.POLLOUT
                if readable and not pipe.ended and len(pipe.held) < _HELD_CHUNKS:
                    pipe.read(due_s=time.monotonic() + self.delay_s)
                with contextlib.suppress(BlockingIOError):
                    pipe.write(time.monotonic())
        except OSError:  # Reset by one end: the other is told the same.
            connection.reset()
            self._connections.remove(connection)
            return
        if all(pipe.done for pipe in connection.pipes):
            connection.close()
            self._connections.remove(connection)

    def _connect_the_unconnected(self) -> None:
        if not self._outbound_open:
            return
        for client in self._unconnected:
            poll = select.poll()
            poll.register(client, select.POLLRDHUP)
            if any(events & _GONE for _, events in poll.poll(0)):
                client.close()
                continue
            try:
                server = socket.create_connection(self._target, timeout=1.0)
            except OSError:  # Nobody listens behind us: the client is told as directly.
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                client.close()
                continue
            for end in (client, server):
                end.setblocking(False)
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections.append(_Connection(client, server))
        self._unconnected = []
