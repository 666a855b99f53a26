"""The vocabulary of Consul's transactions, which do all of their operations or none."""

from __future__ import annotations

import base64

from coordsidecar.hints import Any
from coordsidecar_adapters.consul.state import Lock

__all__ = [
    "Operation",
    "check_held",
    "check_index",
    "delete",
    "lock",
    "read_below",
    "replace_value",
    "results_of",
    "set_value",
    "unlock",
]

Operation = dict[str, Any]

# What Go's api.Lock sets, and insists on: github.com/hashicorp/consul/api/lock.go, LockFlagValue.
_LOCK_FLAGS = 0x2DDCCBC058A50C18
_DELETE = "delete-cas"


def lock(key: str, session: str, value: str) -> Operation:
    """For ``session``, which may be anybody's, if nobody holds it."""
    return _operation("lock", key, Session=session, Flags=_LOCK_FLAGS, Value=_encoded(value))


def unlock(key: str, session: str) -> Operation:
    return _operation("unlock", key, Session=session, Flags=_LOCK_FLAGS)


def check_held(key: str, found: Lock) -> list[Operation]:
    """It is held by the same session, and has not been written since."""
    return [
        _operation("check-session", key, Session=found.session),
        check_index(key, found.modify_index),
    ]


def check_index(key: str, index: int) -> Operation:
    return _operation("check-index", key, Index=index)


def delete(key: str, index: int) -> Operation:
    """If it has not been written since. Of a held key that brings no lock-delay."""
    return _operation(_DELETE, key, Index=index)


def set_value(key: str, value: str) -> Operation:
    return _operation("set", key, Value=_encoded(value))


def replace_value(key: str, index: int, value: str) -> Operation:
    """If it has not been written since; 0: if there is none."""
    return _operation("cas", key, Index=index, Value=_encoded(value))


def read_below(prefix: str) -> Operation:
    return _operation("get-tree", prefix)


def results_of(operations: list[Operation]) -> int:
    """How many results these have, if they read nothing: each one, but a deletion has none."""
    return sum(operation["KV"]["Verb"] != _DELETE for operation in operations)


def _operation(verb: str, key: str, **fields: object) -> Operation:
    return {"KV": {"Verb": verb, "Key": key, **fields}}


def _encoded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()
