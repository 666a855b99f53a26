"""etcd over gRPC, with python-etcd3's stubs: for servers whose JSON gateway cannot be used.

``etcd+grpc://`` and ``etcds+grpc://`` URLs, else as in `etcd.url`. It needs the extra ``grpc`` and
some 30 MB more than the gateway.

python-etcd3 0.12 is the last release. What is used of it are the raw stubs on a channel of our own
that is thrown away after any failure: its own client knows one endpoint, never renews a token,
takes a denied watch for a healthy one, and its watcher thread spins once the server restarts.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from coordsidecar.store.protocol import Election, Store
from coordsidecar_adapters.etcd.client import EtcdClient, Json
from coordsidecar_adapters.etcd.election import EtcdElection
from coordsidecar_adapters.etcd.errors import StatusError
from coordsidecar_adapters.etcd.grpc_library import KEEP_ALIVE, Library, Requests
from coordsidecar_adapters.etcd.url import ETCD, parse
from coordsidecar_adapters.link import EndpointRefusedError, LinkError, Tls

__all__ = ["client", "connect"]

_OPTIONS = [
    # Without a time-out on pings, a stopped server is noticed after a minute. etcd tolerates a ping
    # every 5 s.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 3_000),
    ("grpc.http2.ping_timeout_ms", 3_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.enable_http_proxy", 0),
    # A new channel shall not inherit the back-off of the one that it replaces.
    ("grpc.use_local_subchannel_pool", 1),
]

# Which etcd serves since 3.4, and its proxy does not.
_HEALTH = "/grpc.health.v1.Health/Check"


def connect(url: str, *, election: Election, environ: Mapping[str, str]) -> Store:
    """Build the store; `ValueError` if the URL is wrong, `ImportError` without the extra."""
    calls, watches = (client(url, environ=environ) for _ in range(2))
    return EtcdElection(calls=calls, watches=watches, election=election)


def client(url: str, *, environ: Mapping[str, str]) -> EtcdClient:
    """One client of what such a URL names; raises as `connect`."""
    settings = parse(url, environ=environ)
    library = Library()
    if settings.tls is not None:
        from coordsidecar_adapters.tls import SslSide  # Late: it imports ssl.

        SslSide(settings.tls, ETCD)  # It says what is wrong with a file; gRPC would not.

    def dial(address: str) -> GrpcConnection:
        return GrpcConnection(address, library=library, tls=settings.tls)

    return EtcdClient(
        endpoints=settings.endpoints, dial=dial, user=settings.user, password=settings.password
    )


class GrpcConnection:
    """A `Connection`: one channel to one endpoint, thrown away after a failure."""

    def __init__(self, address: str, *, library: Library, tls: Tls | None) -> None:
        self._address = address
        self._library = library
        self._methods: dict[str, Any] = {}
        self._meets_server: bool | None = None
        if tls is None:
            self._channel = library.insecure_channel(address, options=_OPTIONS)
            return
        credentials = _credentials(library, tls)
        self._channel = library.grpc.secure_channel(address, credentials, options=_OPTIONS)

    def call(self, path: str, body: Json, *, token: str, timeout_s: float) -> Json:
        metadata = [("token", token)] if token else []
        if path not in self._methods:
            self._methods[path] = self._library.method(self._channel, path)
        try:
            answer = self._library.ask(
                self._methods[path], path, body, timeout=timeout_s, metadata=metadata
            )
        except self._library.grpc.RpcError as e:
            raise self._library.failed(e, self._address) from e
        except StopIteration as e:
            raise LinkError("the server ended the stream", sent=True) from e
        if path == KEEP_ALIVE and not self._meets_server:
            # The proxy renews by itself, and answers with a renewal that may be of long ago.
            answer.pop("header", None)
        return answer

    def meets_server(self, *, timeout_s: float) -> bool:
        if self._meets_server is None:
            check = self._channel.unary_unary(
                _HEALTH, request_serializer=bytes, response_deserializer=bytes
            )
            try:
                check(b"", timeout=timeout_s)
                self._meets_server = True
            except self._library.grpc.RpcError as e:
                failure = self._library.failed(e, self._address)
                if not isinstance(failure, StatusError):
                    raise failure from e
                self._meets_server = False  # It does not know the service, or hides it.
        return self._meets_server

    def watch(self, creates: Sequence[Json], *, token: str, timeout_s: float) -> GrpcWatch:
        # A member without a leader would otherwise keep the watch open and say nothing.
        metadata = [("hasleader", "true")]
        if token:
            metadata.append(("token", token))
        library = self._library
        request = library.rpc.WatchRequest
        requests = Requests(
            [library.json_format.ParseDict({"create_request": c}, request()) for c in creates]
        )
        stream = library.rpc.WatchStub(self._channel).Watch(iter(requests), metadata=metadata)
        return GrpcWatch(stream, requests, address=self._address, library=library)

    def close(self) -> None:
        self._channel.close()


class GrpcWatch:
    """A `WatchStream`. Once `next` has returned None the stream is at its end."""

    stays_open = False

    def __init__(self, stream: Any, requests: Requests, *, address: str, library: Library) -> None:
        self._stream = stream
        self._requests = requests
        self._address = address
        self._library = library

    def next(self, *, timeout_s: float) -> Json | None:
        # A gRPC stream has one deadline for all its life; a single read is ended by canceling it.
        timed_out = threading.Event()

        def give_up() -> None:
            timed_out.set()
            self._stream.cancel()

        timer = threading.Timer(max(timeout_s, 0.0), give_up)
        timer.daemon = True
        timer.start()
        try:
            return self._library.as_json(next(self._stream))
        except self._library.grpc.RpcError as e:
            if timed_out.is_set():
                return None
            raise self._library.failed(e, self._address) from e
        except StopIteration as e:
            raise LinkError("the server ended the stream", sent=True) from e
        finally:
            timer.cancel()  # Its thread ends by itself: to wait for it would cost 0.3 ms.

    def close(self) -> None:
        self._requests.end()
        self._stream.cancel()


def _credentials(library: Library, tls: Tls) -> Any:
    """Read the files, which may have been replaced since the last channel."""
    from coordsidecar_adapters.tls import system_ca_file

    cacert = tls.cacert or system_ca_file()
    try:
        root, key, cert = (path and Path(path).read_bytes() for path in (cacert, tls.key, tls.cert))
    except OSError as e:
        raise EndpointRefusedError(f"cannot read the certificate {e.filename}: {e.strerror}") from e
    return library.grpc.ssl_channel_credentials(
        root_certificates=root, private_key=key, certificate_chain=cert
    )
