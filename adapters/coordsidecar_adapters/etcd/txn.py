"""The vocabulary of etcd's transactions, in the shape of its JSON gateway.

A transaction compares, then does one of two lists of operations; here it reports the key that each
of its reads found.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from collections.abc import Sequence

from coordsidecar.hints import Any
from coordsidecar.store.protocol import UnreachableError
from coordsidecar.value import Value

__all__ = [
    "Answer",
    "Found",
    "Json",
    "Key",
    "Witness",
    "b64",
    "created_at",
    "event_of",
    "get",
    "none_older",
    "number",
    "put",
    "range_end",
    "read_answer",
    "read_range",
    "touch",
    "value_is",
    "witness_of",
]

Json = dict[str, Any]


class Key(Value):
    """A key as etcd has it. Anybody may have written it."""

    name: str
    value: bytes
    created: int
    modified: int

    @property
    def text(self) -> str:
        return self.value.decode(errors="replace")


class Witness(Value):
    """Which member answered, and the last term of the members' own leader that it had heard of.

    Of leases that leader alone knows, by heart: one that was deposed and has not heard of it goes
    on telling of them, and renewing them. A transaction it cannot answer. So what was said of a
    lease between two transactions was true then if all three have the same witness.
    """

    member: str
    term: str


class Found(Value):
    """What a read found, as of which revision."""

    keys: list[Key]
    revision: int
    witness: Witness | None


class Answer(Value):
    """What a transaction did, and the key that each of its reads found."""

    succeeded: bool
    keys: list[Key | None]
    revision: int
    witness: Witness | None


def b64(text: str) -> str:
    # Names of other programs' keys need not be UTF-8: surrogates carry such bytes through.
    return b2a_base64(text.encode(errors="surrogateescape"), newline=False).decode()


def number(answer: Json, field: str) -> int:
    """Read a 64-bit integer: a string to the gateway, left out if it is 0. Raises `ValueError`."""
    value = answer.get(field, 0)
    if type(value) is not int and type(value) is not str:
        raise ValueError(f"{field} is no number")
    read = int(value)
    if not -(2**63) <= read < 2**63:
        raise ValueError(f"{field} is out of range")
    return read


def witness_of(answer: Json) -> Witness | None:
    """Read it from the header; None: that does not tell, as it would not by way of some proxy."""
    header = answer.get("header")
    if not isinstance(header, dict):
        return None
    # Only ever compared, so they stay text: a member's number may be too large for `number`.
    member: Any = header.get("member_id")
    term: Any = header.get("raft_term")
    for one in (member, term):
        if not isinstance(one, str) or not one.strip("0").isdecimal():
            return None
    return Witness(member, term)


def _key(kv: Json) -> Key:
    created = number(kv, "create_revision")
    if created <= 0:
        raise ValueError("a key that was never created")
    return Key(
        name=a2b_base64(kv["key"]).decode(errors="surrogateescape"),
        value=a2b_base64(kv.get("value", "")),
        created=created,
        modified=number(kv, "mod_revision"),
    )


def event_of(event: Json, name: str) -> Key | None:
    """The key ``name`` as an event of a watch says that it was written; None: it is another event.

    A watch is only a hint, so what cannot be read is no event.
    """
    try:
        if event.get("type", "PUT") not in ("PUT", 0):
            return None
        key = _key(event["kv"])
    except (TypeError, KeyError, ValueError, AttributeError):
        return None
    return key if key.name == name else None


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


def touch(name: str) -> Json:
    """Write the key as it is: whoever watches it hears of it."""
    return {"request_put": {"key": b64(name), "ignore_value": True, "ignore_lease": True}}


def created_at(name: str, revision: int) -> Json:
    """Compare: the key was created at this revision; 0: there is no such key."""
    return {"key": b64(name), "target": "CREATE", "create_revision": str(revision)}


def value_is(name: str, value: bytes | None) -> Json:
    """Compare: the key has this value; None: there is no such key."""
    if value is None:
        return created_at(name, 0)
    encoded = b2a_base64(value, newline=False).decode()
    return {"key": b64(name), "target": "VALUE", "value": encoded}


def read_range(answer: Json) -> Found:
    """Read a RangeResponse; `UnreachableError` if it is none."""
    try:
        keys = [_key(kv) for kv in answer.get("kvs", ())]
        return Found(keys, _revision(answer), witness_of(answer))
    except (TypeError, KeyError, ValueError, AttributeError) as e:
        raise UnreachableError("what answered the read is not etcd") from e


def _revision(answer: Json) -> int:
    """At which revision it was answered. Raises `ValueError`."""
    revision = number(answer.get("header", {}), "revision")
    if revision <= 0:
        raise ValueError("no answer of etcd's")
    return revision


def read_answer(answer: Json, *, success: Sequence[Json], failure: Sequence[Json]) -> Answer:
    """Read a TxnResponse, given the operations of both lists.

    `UnreachableError` if it is none: whoever answered it, nothing is known.
    """
    try:
        succeeded, revision = answer.get("succeeded", False), _revision(answer)
        done, responses = success if succeeded else failure, answer.get("responses", [])
        if type(succeeded) is not bool or len(responses) != len(done):
            raise ValueError("no TxnResponse")
        # Its reads are told by what was asked for: what answers may have left one out.
        keys = [
            next((_key(kv) for kv in response["response_range"].get("kvs", ())), None)
            for operation, response in zip(done, responses, strict=True)
            if "request_range" in operation
        ]
    except (TypeError, KeyError, ValueError, AttributeError) as e:
        raise UnreachableError("what answered the transaction is not etcd") from e
    return Answer(succeeded=succeeded, keys=keys, revision=revision, witness=witness_of(answer))
