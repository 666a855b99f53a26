"""What a request to a store is about, read from its path and its body.

The recipes are described in `coordsidecar_adapters`: from outside, the kinds of transaction
differ in what they compare and in what they write.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from enum import Enum
from typing import Any

from tests.servers.http import Request, answer

__all__ = ["DIALECTS", "Dialect", "Operation", "of_consul", "of_etcd", "of_kubernetes"]


_READ_BY_A_CANDIDATE = 4


class Operation(Enum):
    """What a sidecar asks of its store."""

    OPEN = "open"
    KEEPALIVE = "keepalive"
    LOOK = "look"
    """The read that proves ownership; a standby's, where it stands."""
    CAMPAIGN = "campaign"
    """Become a candidate; of Consul, take the lock."""
    SUCCEED = "succeed"
    """Take the election, and office with it, after an orderly end."""
    TAKE_OFFICE = "take office"
    RESIGN = "resign"
    CLOSE = "close"
    WATCH = "watch"
    OTHER = "other"


class Dialect:
    """How one kind of server is asked, and how it says no."""

    def __init__(
        self,
        read: Callable[[Request], Operation],
        refuse: Callable[[Operation, Request], bytes],
    ) -> None:
        self.read = read
        self.refuse = refuse


def of_etcd(request: Request) -> Operation:
    plain = {
        "/v3/lease/grant": Operation.OPEN,
        "/v3/lease/keepalive": Operation.KEEPALIVE,
        "/v3/lease/revoke": Operation.CLOSE,
        "/v3/watch": Operation.WATCH,
        "/v3/kv/range": Operation.LOOK,
    }
    if request.target != "/v3/kv/txn":
        return plain.get(request.target, Operation.OTHER)
    transaction = json.loads(request.body)
    compared, changes = transaction["compare"], transaction["success"]
    if any(_is_of_a_roster(key) for change in changes for key in _keys_of(change)):
        return Operation.OTHER
    puts = [change["request_put"] for change in changes if "request_put" in change]
    if any("request_delete_range" in change for change in changes):
        return Operation.RESIGN
    if any("lease" in put for put in puts):
        return Operation.CAMPAIGN
    # Both ask that nobody is before us; only who campaigns asks otherwise where it stands.
    first = any("range_end" in one for one in compared)
    if first and len(transaction["failure"]) == _READ_BY_A_CANDIDATE:
        return Operation.SUCCEED
    if puts:
        return _of_office(puts[0]["value"])
    raise AssertionError("a transaction that only reads may end the server")


def _keys_of(change: dict[str, Any]) -> list[str]:
    return [base64.b64decode(one["key"]).decode() for one in change.values()]


def _is_of_a_roster(key: str) -> bool:
    return "/.instances/" in key


def of_consul(request: Request) -> Operation:
    plain = {"create": Operation.OPEN, "renew": Operation.KEEPALIVE, "destroy": Operation.CLOSE}
    path, _, parameters = request.target.partition("?")
    _, _, area, *rest = path.split("/")
    if area == "session":
        return plain.get(rest[0], Operation.OTHER)
    if area == "kv" and request.method == "GET":
        return Operation.WATCH if "index=" in parameters else Operation.LOOK
    if area != "txn":
        return Operation.OTHER
    asked = [one["KV"] for one in json.loads(request.body)]
    if any(_is_of_a_roster(one["Key"]) for one in asked):
        return Operation.OTHER
    operations = {one["Verb"]: one for one in asked}
    written = operations.get("set") or operations.get("cas")
    if "lock" in operations:
        return Operation.CAMPAIGN if written is None else Operation.SUCCEED
    if "unlock" in operations:
        return Operation.RESIGN
    return Operation.LOOK if written is None else _of_office(written["Value"])


def of_kubernetes(request: Request) -> Operation:
    """A Lease is not opened or closed. Whoever renews it for the first time after it was given it
    with office writes what one writes who takes office."""
    if request.method == "GET":
        return Operation.WATCH if "watch=1" in request.target else Operation.LOOK
    if request.method != "PATCH":
        return Operation.OTHER
    patch = json.loads(request.body)
    annotations, spec = patch["metadata"].get("annotations") or {}, patch.get("spec") or {}
    term = json.loads(annotations.get("coordsidecar/term", "{}"))
    office = json.loads(annotations.get("coordsidecar/office", "{}"))
    if "acquireTime" in spec and spec["holderIdentity"]:
        is_taken = office and office["led"] == term["lock"]  # Both by this very write.
        return Operation.SUCCEED if is_taken else Operation.CAMPAIGN
    if not spec.get("holderIdentity"):
        return Operation.RESIGN
    return Operation.TAKE_OFFICE if term and office else Operation.KEEPALIVE


def _of_office(record: str) -> Operation:
    """Whoever writes the office record takes office, or says that its job has ended."""
    office: dict[str, Any] = json.loads(base64.b64decode(record))
    return Operation.RESIGN if office["led"] == office["released"] else Operation.TAKE_OFFICE


def _etcd_refuses(operation: Operation, _request: Request) -> bytes:
    """As etcd 3.5 words it. A denied watch is told so by its first message."""
    if operation is Operation.WATCH:
        reason = "rpc error: code = PermissionDenied desc = etcdserver: permission denied"
        result = {"header": {}, "created": True, "canceled": True, "cancel_reason": reason}
        body = json.dumps({"result": result}).encode() + b"\n"
        return answer("200 OK", body, Content_Type="application/json")
    why = "etcdserver: permission denied"
    body = json.dumps({"error": why, "code": 7, "message": why}).encode()
    return answer("403 Forbidden", body, Content_Type="application/json")


def _consul_refuses(operation: Operation, request: Request) -> bytes:
    """As Consul 1.8 words it. It refuses to read a key; of what is below one it shows nothing."""
    why = b"Permission denied"
    match operation:
        case Operation.LOOK | Operation.WATCH if "recurse" in request.target:
            return answer("404 Not Found", b"", X_Consul_Index="7")
        case Operation.CAMPAIGN | Operation.SUCCEED | Operation.TAKE_OFFICE | Operation.RESIGN:
            errors = {"Results": None, "Errors": [{"OpIndex": 0, "What": why.decode()}]}
            return answer("409 Conflict", json.dumps(errors).encode())
        case _:
            return answer("403 Forbidden", why, Content_Type="text/plain; charset=utf-8")


def _kubernetes_refuses(_operation: Operation, request: Request) -> bytes:
    """As its API server 1.20 words it."""
    why = f"User cannot {request.method} leases in API group coordination.k8s.io"
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": f"leases.coordination.k8s.io is forbidden: {why}",
        "reason": "Forbidden",
        "details": {"group": "coordination.k8s.io", "kind": "leases"},
        "code": 403,
    }
    body = json.dumps(status).encode()
    return answer("403 Forbidden", body, Content_Type="application/json")


DIALECTS = {
    "etcd": Dialect(of_etcd, _etcd_refuses),
    "consul": Dialect(of_consul, _consul_refuses),
    "kubernetes": Dialect(of_kubernetes, _kubernetes_refuses),
}
