"""The vocabulary of etcd's transactions, in the shape of its JSON gateway.

A transaction compares, then does one of two lists of operations; here it reports the key that each
of its reads found.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from typing import Any

from coordsidecar.store import UnreachableError
from coordsidecar.value import Value

__all__ = [
    "Answer",
    "Json",
    "Key",
    "b64",
    "created_at",
    "get",
    "none_older",
    "put",
    "range_end",
    "read_answer",
    "value_is",
]

Json = dict[str, Any]


class Key(Value):
    """A key as etcd has it. Anybody may have written it."""

    name: str
    value: bytes
    created: int

    @property
    def text(self) -> str:
        return self.value.decode(errors="replace")


class Answer(Value):
    """What a transaction did, and the key that each of its reads found."""

    succeeded: bool
    keys: list[Key | None]
    revision: int


def b64(text: str) -> str:
    # Names of other programs' keys need not be UTF-8: surrogates carry such bytes through.
    return b2a_base64(text.encode(errors="surrogateescape"), newline=False).decode()


def _read_key(found: Json) -> Key | None:
    """Read the one key of a RangeResponse."""
    for kv in found.get("kvs", ()):
        return Key(
            name=a2b_base64(kv["key"]).decode(errors="surrogateescape"),
            value=a2b_base64(kv.get("value", "")),
            created=int(kv["create_revision"]),
        )
    return None


def get(name: str) -> Json:
    return {"request_range": {"key": b64(name)}}


def none_older(prefix: str, revision: int) -> Json:
    """Compare: no key that begins with ``prefix`` (a slash at its end) was created earlier."""
    return {
        "key": b64(prefix),
        "range_end": range_end(prefix),
        "target": "CREATE",
        "result": "GREATER",
        "create_revision": str(revision - 1),
    }


def range_end(prefix: str) -> str:
    """The first key that no longer begins with ``prefix``: in ASCII, 0 follows the slash."""
    return b64(f"{prefix.removesuffix('/')}0")


def put(name: str, value: str) -> Json:
    return {"request_put": {"key": b64(name), "value": b64(value)}}


def created_at(name: str, revision: int) -> Json:
    """Compare: the key was created at this revision; 0: there is no such key."""
    return {"key": b64(name), "target": "CREATE", "create_revision": str(revision)}


def value_is(name: str, value: bytes | None) -> Json:
    """Compare: the key has this value; None: there is no such key."""
    if value is None:
        return created_at(name, 0)
    encoded = b2a_base64(value, newline=False).decode()
    return {"key": b64(name), "target": "VALUE", "value": encoded}


def read_answer(answer: Json, *, if_succeeded: int, otherwise: int) -> Answer:
    """Read a TxnResponse, given how many operations either list had."""
    succeeded = bool(answer.get("succeeded"))
    responses = answer.get("responses", [])
    revision = int(answer.get("header", {}).get("revision", 0))
    if revision == 0 or len(responses) != (if_succeeded if succeeded else otherwise):
        raise UnreachableError("what answered the transaction is not etcd")
    keys = [_read_key(r["response_range"]) for r in responses if "response_range" in r]
    return Answer(succeeded=succeeded, keys=keys, revision=revision)
