"""What nobody should write, and right answers with one thing wrong."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

__all__ = [
    "NASTY_RECORDS",
    "any_json",
    "any_text",
    "any_value",
    "encoded",
    "examples",
    "http",
    "mutated",
    "spoilt_http",
]

_DEEP = 100_000

# Hand-picked values of keys, which hypothesis would not hit upon: by name, for the tests' ids.
NASTY_RECORDS: dict[str, bytes] = {
    "nothing": b"",
    "escapes": b'{"id": "\x1b[2J\x1b]0;owned\x07\\u001b[31m", "led": 1}\r\x9b',
    "not-utf-8": b"\xff\xfe\x00\xc3\x28",
    "megabyte": b'{"id": "' + b"A" * 1_000_000 + b'"}',
    "deep": b"[" * _DEEP + b"]" * _DEEP,
    "deep-id": b'{"id": ' + b"[" * 900 + b"]" * 900 + b"}",
    "huge-int": b'{"id": %s, "led": %s, "released": 0}' % (b"9" * 4000, b"9" * 4000),
    "too-huge-int": b'{"id": "a", "led": %s}' % (b"9" * 9000),
    "not-a-number": b'{"id": NaN, "led": NaN, "released": NaN, "token": Infinity}',
    "wrong-types": b'{"id": {"a": null}, "led": "1", "released": [1], "run": 5, "lock": {}}',
    "surrogates": b'{"id": "\\ud800\\udfff\\ud800", "led": 1, "released": 0, "run": "\\ud800"}',
    "another-run": b'{"led": 1, "released": 0, "run": "\xc3\xa4:b=c", "lock": ""}',
    "clean": b'{"led": 5, "released": 5, "run": "", "lock": ""}',
}


def examples(share: float) -> settings:
    """As many examples as the profile says, times ``share``: dear tests have fewer."""
    return settings(max_examples=max(1, round(settings().max_examples * share)))


any_text = st.text(max_size=40) | st.sampled_from(
    [
        "",
        "\0",
        "\x1b[2J",
        "\ud800",
        "é" * 30,
        "1",
        "-1",
        "1e9",
        "9" * 30,
        "9" * 5000,
        "٣",
        "====",
        "A",
    ]
)
_numbers = (
    st.integers()
    | st.floats()
    | st.sampled_from([0, -1, 2**31, 2**63 - 1, 2**63, 2**64, 10**400, 1e308])
)
any_value = st.recursive(
    st.none() | st.booleans() | _numbers | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=6,
)
any_json = any_value.map(json.dumps)


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def _places(value: Any) -> Iterator[tuple[Any, ...]]:
    """The path of each part of a JSON value, itself (the empty path) included."""
    yield ()
    parts: dict[Any, Any] = value if isinstance(value, dict) else {}
    if isinstance(value, list):
        parts = dict(enumerate(value))
    for key, part in parts.items():
        for path in _places(part):
            yield (key, *path)


@st.composite
def mutated(draw: st.DrawFn, value: Any) -> Any:
    """``value`` with one part of it replaced, left out, or given twice."""
    place = ["value", *draw(st.sampled_from(list(_places(value))))]
    path, last = place[:-1], place[-1]
    changed = {"value": copy.deepcopy(value)}
    around: Any = changed
    for key in path:
        around = around[key]
    how = draw(st.sampled_from(["replace"] * 4 + ["leave-out", "twice"]))
    if how == "leave-out" and path:
        del around[last]
    elif how == "twice":
        around[last] = [around[last], around[last]]
    else:
        around[last] = draw(any_value)
    return changed["value"]


def http(body: bytes, *, status: str = "200 OK", headers: str = "") -> bytes:
    """A sound HTTP answer."""
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


_STATUS = ["200 OK", "200", "0 x", "-1 x", "99999999999 x", "204 x", "100 Continue", "404 x"]
_STATUS += ["500 x", "301 x", "two x", "200 \x1b[2J"]
_HEADERS = ["", "Content-Length: 0\r\n", "Content-Length: 99999\r\n", "Content-Length: -1\r\n"]
_HEADERS += ["Content-Length: ٣\r\n", "Transfer-Encoding: chunked\r\n", "Location: http://[/\r\n"]
_HEADERS += ["Content-Encoding: gzip\r\n", "Content-Encoding: br, gzip\r\n", ":\r\n", "x\r\n"]
_HEADERS += ["X-Consul-Index: x\r\n", "Set-Cookie: \x00=\x1b\r\n", "Content-Type: a;charset=x\r\n"]
_HEADERS += ["A: " + "b" * 70_000 + "\r\n", "A: b\r\n" * 300, "\x80\xff: \xfe\r\n"]


@st.composite
def spoilt_http(draw: st.DrawFn, body: bytes) -> bytes:
    """An answer that is no HTTP, or not quite, or ends too early."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=300))
    version = draw(st.sampled_from(["HTTP/1.1"] * 6 + ["HTTP/1.0", "HTTP/2", "HTTP/1.", "ICY", ""]))
    head = f"{version} {draw(st.sampled_from(_STATUS))}\r\n"
    head += "".join(draw(st.lists(st.sampled_from(_HEADERS), max_size=3)))
    pieces = draw(st.lists(st.binary(max_size=20) | st.just(body), max_size=3))
    if draw(st.booleans()):
        sizes = st.sampled_from(["", "0", "fffffffffffffffff", "-1", "zz", "1_0", "5;x", "٣"])
        head += "Transfer-Encoding: chunked\r\n"
        pieces = [
            (draw(sizes) if draw(st.booleans()) else f"{len(piece):x}").encode()
            + b"\r\n"
            + piece
            + draw(st.sampled_from([b"\r\n", b"\r\n", b"\n", b""]))
            for piece in [*pieces, b""]
        ]
    answer = head.encode() + b"\r\n" + b"".join(pieces)
    return answer[: draw(st.integers(0, len(answer)))] if draw(st.booleans()) else answer
