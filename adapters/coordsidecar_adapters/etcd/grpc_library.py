"""What is used of grpc, protobuf and python-etcd3, imported only if that store is chosen."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from coordsidecar_adapters.etcd.client import Json
from coordsidecar_adapters.etcd.errors import StatusError
from coordsidecar_adapters.etcd.url import ETCD
from coordsidecar_adapters.lean_import import bare_package
from coordsidecar_adapters.link import EndpointRefusedError, LinkError

__all__ = ["KEEP_ALIVE", "Library", "Requests"]

KEEP_ALIVE = "/v3/lease/keepalive"

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
    "/v3/kv/range": ("KVStub", "Range", "RangeRequest", False),
    "/v3/kv/txn": ("KVStub", "Txn", "TxnRequest", False),
    "/v3/lease/grant": ("LeaseStub", "LeaseGrant", "LeaseGrantRequest", False),
    KEEP_ALIVE: ("LeaseStub", "LeaseKeepAlive", "LeaseKeepAliveRequest", True),
    "/v3/lease/revoke": ("LeaseStub", "LeaseRevoke", "LeaseRevokeRequest", False),
    "/v3/lease/timetolive": ("LeaseStub", "LeaseTimeToLive", "LeaseTimeToLiveRequest", False),
}


class Library:
    """To make one raises `ImportError` without the extra ``grpc``."""

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
        requests = Requests([message])
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


class Requests:
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
