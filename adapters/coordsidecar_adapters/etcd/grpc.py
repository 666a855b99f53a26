"""etcd over gRPC, with python-etcd3's stubs: for servers whose JSON gateway cannot be used.

``etcd+grpc://`` and ``etcds+grpc://`` URLs, else as in `etcd.url`. It needs the extra ``grpc`` and
some 30 MB more than the gateway.

python-etcd3 0.12 is the last release. What is used of it are the raw stubs on a channel of our own
that is thrown away after any failure: its own client knows one endpoint, never renews a token,
takes a denied watch for a healthy one, and its watcher thread spins once the server restarts.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from coordsidecar.store.protocol import Election, Store
from coordsidecar_adapters.etcd.client import EtcdClient, Json
from coordsidecar_adapters.etcd.election import EtcdElection
from coordsidecar_adapters.etcd.errors import StatusError
from coordsidecar_adapters.etcd.url import ETCD, parse
from coordsidecar_adapters.lean_import import bare_package
from coordsidecar_adapters.link import EndpointRefusedError, LinkError, Tls

__all__ = ["connect"]

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

# What a server says of our certificate once the handshake is over, as gRPC tells it.
_UNREAD_ALERT = "Unwrap failed (TSI_DATA_CORRUPTED)"
_BAD_CERTIFICATE = {
    "CERTIFICATE_VERIFY_FAILED": "no CA that we know has signed it, or it is out of date",
    "Hostname Verification": "it is for another host",
    "not in peer certificate": "it is for another host",
}

# The gateway's path: stub, method, request, and whether it is a stream.
_METHODS = {
    "/v3/auth/authenticate": ("AuthStub", "Authenticate", "AuthenticateRequest", False),
    "/v3/kv/txn": ("KVStub", "Txn", "TxnRequest", False),
    "/v3/lease/grant": ("LeaseStub", "LeaseGrant", "LeaseGrantRequest", False),
    "/v3/lease/keepalive": ("LeaseStub", "LeaseKeepAlive", "LeaseKeepAliveRequest", True),
    "/v3/lease/revoke": ("LeaseStub", "LeaseRevoke", "LeaseRevokeRequest", False),
}


def connect(url: str, *, election: Election, environ: Mapping[str, str]) -> Store:
    """Build the store; `ValueError` if the URL is wrong, `ImportError` without the extra."""
    settings = parse(url, environ=environ)
    library = _Library()
    if settings.tls is not None:
        from coordsidecar_adapters.tls import SslSide  # Late: it imports ssl.

        SslSide(settings.tls, ETCD)  # It says what is wrong with a file; gRPC would not.

    def dial(address: str) -> GrpcConnection:
        return GrpcConnection(address, library=library, tls=settings.tls)

    def client() -> EtcdClient:
        return EtcdClient(
            endpoints=settings.endpoints,
            dial=dial,
            user=settings.user,
            password=settings.password,
        )

    return EtcdElection(calls=client(), watches=client(), election=election)


class _Library:
    """What is used of grpc, protobuf and python-etcd3; imported only if this store is chosen."""

    def __init__(self) -> None:
        try:
            from google.protobuf import __version__ as protobuf_version

            # Its stubs alone: the package imports its own client, which is not used.
            with (
                warnings.catch_warnings(action="ignore"),
                _environment(protobuf_version),
                bare_package("etcd3"),
            ):
                import grpc
                from etcd3 import etcdrpc
                from google.protobuf import json_format
                from grpc import insecure_channel  # Any folder of that name could be imported.
        except TypeError as e:  # Generated code that this protobuf does not take.
            raise ImportError(str(e)) from e
        self.grpc: Any = grpc
        self.insecure_channel: Any = insecure_channel
        self.rpc: Any = etcdrpc
        self.json_format: Any = json_format

    def method(self, channel: Any, path: str) -> Any:
        """What puts a request of this kind to a channel."""
        stub, method, _, _ = _METHODS[path]
        return getattr(getattr(self.rpc, stub)(channel), method)

    def ask(self, ask: Any, path: str, body: Json, **call: Any) -> Json:
        """Put one request, in the gateway's terms; raises `grpc.RpcError`."""
        _, _, request, streams = _METHODS[path]
        message = self.json_format.ParseDict(body, getattr(self.rpc, request)())
        if not streams:
            return self.as_json(ask(message, **call))
        requests = _Requests([message])
        stream = ask(iter(requests), **call)
        try:
            return self.as_json(next(stream))
        finally:
            requests.end()
            stream.cancel()

    def as_json(self, message: Any) -> Json:
        read: Json = self.json_format.MessageToDict(message, preserving_proto_field_name=True)
        return read

    def failed(self, error: Any, address: str) -> Exception:
        """Say what a `grpc.RpcError` means."""
        code, details = error.code(), error.details() or ""
        for sign, why in _BAD_CERTIFICATE.items():
            if sign in details:
                return EndpointRefusedError(ETCD.certificate_refusal(address, why))
        alert = next((part for part in details.split(":") if "ALERT" in part), "")
        if _UNREAD_ALERT in details:
            alert = "its ALERT could not be read; probably: CERTIFICATE REQUIRED"
        if refusal := ETCD.client_certificate_refusal(address, alert):
            return EndpointRefusedError(refusal)
        if code is self.grpc.StatusCode.DEADLINE_EXCEEDED:
            return LinkError("timed out", sent=True, timed_out=True)
        if code is self.grpc.StatusCode.UNAVAILABLE and "etcdserver" not in details:
            return LinkError(details, sent="failed to connect" not in details)
        return StatusError(code.value[0], details)


class _Requests:
    """What is asked on a stream. Our side of it stays open until `end`.

    etcd's gRPC proxy takes the end of it for the end of the stream, and drops what it has to say.
    gRPC asks for the next one in a thread of its own, which `end` lets go.
    """

    def __init__(self, messages: Sequence[Any]) -> None:
        self._messages = iter(messages)
        self._over = threading.Event()

    def __iter__(self) -> Iterator[Any]:
        yield from self._messages
        self._over.wait()

    def end(self) -> None:
        self._over.set()


@contextmanager
def _environment(protobuf_version: str) -> Iterator[None]:
    """Set what the libraries read when they are imported; no child process may inherit it."""
    # gRPC core would write to stderr, past our log, what the exceptions say anyway.
    ours = {"GRPC_VERBOSITY": os.environ.get("GRPC_VERBOSITY", "NONE")}
    # python-etcd3's generated code is so old that protobuf 4 and later take it in pure Python only.
    if int(protobuf_version.partition(".")[0]) >= 4:
        ours["PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"] = "python"
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class GrpcConnection:
    """A `Connection`: one channel to one endpoint, thrown away after a failure."""

    def __init__(self, address: str, *, library: _Library, tls: Tls | None) -> None:
        self._address = address
        self._library = library
        self._methods: dict[str, Any] = {}
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
            return self._library.ask(
                self._methods[path], path, body, timeout=timeout_s, metadata=metadata
            )
        except self._library.grpc.RpcError as e:
            raise self._library.failed(e, self._address) from e
        except StopIteration as e:
            raise LinkError("the server ended the stream", sent=True) from e

    def watch(self, creates: Sequence[Json], *, token: str, timeout_s: float) -> GrpcWatch:
        # A member without a leader would otherwise keep the watch open and say nothing.
        metadata = [("hasleader", "true")]
        if token:
            metadata.append(("token", token))
        library = self._library
        request = library.rpc.WatchRequest
        requests = _Requests(
            [library.json_format.ParseDict({"create_request": c}, request()) for c in creates]
        )
        stream = library.rpc.WatchStub(self._channel).Watch(iter(requests), metadata=metadata)
        return GrpcWatch(stream, requests, address=self._address, library=library)

    def close(self) -> None:
        self._channel.close()


class GrpcWatch:
    """A `WatchStream`. Once `next` has returned None the stream is at its end."""

    def __init__(
        self, stream: Any, requests: _Requests, *, address: str, library: _Library
    ) -> None:
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


def _credentials(library: _Library, tls: Tls) -> Any:
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
