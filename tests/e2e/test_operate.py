"""`coordsidecar list`, `status` and `wait`, asked about real sidecars."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from coordsidecar.cli import boards
from coordsidecar.store.directory import Board
from coordsidecar.store.protocol import Leader
from tests.cli.command import coordsidecar, refusal
from tests.e2e.sidecars import Sidecar, sidecars, wait_for
from tests.servers import EtcdServer
from tests.servers.process import free_ports

Start = Callable[..., Sidecar]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with sidecars(tmp_path) as starts:
        yield starts


@pytest.fixture
def space(etcd: EtcdServer, tmp_path: Path) -> list[str]:
    """Options: a store, and a namespace of the test's own."""
    return ["--store", f"etcd://{etcd.endpoint}", "--namespace", tmp_path.name]


def stands(start: Start, space: list[str], node_id: str, name: str = "nightly") -> Sidecar:
    return start(*space, "--name", name, "--id", node_id, "--", "sleep", "600")


def status(space: list[str]) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(coordsidecar("status", *space, "--json", "nightly").out)
    return answer


def test_status_tells_who_leads_and_who_would_next(start: Start, space: list[str]) -> None:
    nobody = coordsidecar("status", *space, "nightly")
    stands(start, space, "one")
    waited = coordsidecar("wait", *space, "nightly", "--for", "leader=one", "--timeout", "60s")
    stands(start, space, "two")
    wait_for(lambda: status(space)["waiting"], "the second to stand by")

    both = coordsidecar("status", *space, "nightly")
    told = status(space)
    listed = coordsidecar("list", *space)

    assert (nobody.status, nobody.out.splitlines()[0]) == (3, f"{space[-1]}/nightly: nobody leads")
    assert waited.status == both.status == 0
    first, since, behind = both.out.splitlines()
    assert (first.split(" (")[0], behind.split(" (")[0]) == (
        f"{space[-1]}/nightly: led by one",
        "  next two",
    )
    assert re.fullmatch(r"  since [0-9T:Z-]+", since)
    assert (told["version"], told["election"]) == (1, f"{space[-1]}/nightly")
    assert (told["leader"]["id"], told["waiting"][0]["id"], told["in_order"]) == (
        "one",
        "two",
        True,
    )
    assert told["leader"]["token"] == told["last_token"] > 0
    assert [line.split() for line in listed.out.splitlines()[1:]] == [
        ["nightly", "one", str(told["last_token"]), "1"]
    ]


def test_who_waits_for_another_leader_hears_of_it_once_it_leads(
    start: Start, space: list[str]
) -> None:
    first = stands(start, space, "one")
    assert coordsidecar("wait", *space, "nightly", "--timeout", "60s").status == 0
    stands(start, space, "two")
    wait_for(lambda: status(space)["waiting"], "the second to stand by")
    early = coordsidecar("wait", *space, "nightly", "--for", "not=one", "--timeout", "300ms")

    words = ["wait", *space, "nightly", "--for=not=one", "--timeout=60s", "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "coordsidecar", *words], stdout=subprocess.PIPE, text=True
    ) as waiting:
        first.signal(signal.SIGTERM)
        out, _ = waiting.communicate()

    assert (early.status, early.out.splitlines()[0].split(" (")[0][-10:]) == (124, "led by one")
    assert waiting.returncode == 0
    assert json.loads(out)["leader"]["id"] == "two"


def test_once_all_have_left_nobody_leads_and_the_last_token_is_told(
    start: Start, space: list[str]
) -> None:
    only = stands(start, space, "one")
    assert coordsidecar("wait", *space, "nightly", "--timeout", "60s").status == 0
    token = status(space)["leader"]["token"]
    only.signal(signal.SIGTERM)
    only.wait()

    result = coordsidecar("wait", *space, "nightly", "--for", "no-leader", "--timeout", "60s")

    assert result.status == 0
    assert f"nobody leads; the last token was {token}\n" in result.out


def test_a_store_that_is_away_is_no_answer(tmp_path: Path) -> None:
    (nobody,) = free_ports(1)
    away = ("--store", f"etcd://127.0.0.1:{nobody}")

    for words in (["list"], ["status", "x"], ["wait", "x", "--timeout", "300ms"]):
        sentence = refusal(*words, *away, status=125)
        assert sentence.startswith(f"the store cannot be asked: etcd at 127.0.0.1:{nobody}")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["status"], "status takes the NAME of one election: see coordsidecar status --help"),
        (["wait", "a", "b"], "wait takes the NAME of one election"),
        (["list", "a"], "list takes no argument"),
        (["status", "a/b"], "NAME: 'a/b' is not allowed"),
        (["wait", "a", "--for", "peace"], "--for: 'peace' is none of leader, no-leader, leader=ID"),
        (["wait", "a", "--for", "leader="], "--for: 'leader=' is none of"),
        (["wait", "a", "--timeout", "soon"], "--timeout: "),
        (["status", "a", "--store", "nix:"], "--store: unknown store 'nix'"),
        (["status", "a", "--rpc-timeout", "0s"], "--rpc-timeout must be more than 0s"),
    ],
)
def test_what_cannot_be_asked_is_told_in_a_sentence(words: list[str], sentence: str) -> None:
    assert refusal(*words).startswith(sentence)


def test_an_empty_namespace_is_said_to_be(space: list[str]) -> None:
    result = coordsidecar("list", *space)

    assert (result.status, result.out) == (0, f"no elections in the namespace {space[-1]}\n")


@pytest.mark.parametrize(
    "record",
    [
        '{"id": "a\\u001b[2Jb\\nc", "host": "h\\u0007", "pid": {}, "since": []}',
        '{"id": 7}',
        "[" * 100_000,
        "a\x1b]0;b\x07\n\u202ec",
        "",
    ],
)
def test_what_others_wrote_moves_no_cursor_and_breaks_no_line(record: str) -> None:
    board = Board(Leader(token=7, record=record), (record, record), in_order=True)

    for text in (boards.sentences("a/b", board), boards.rows({"b": board})):
        assert all(line.isprintable() for line in text.splitlines())
    assert len(boards.sentences("a/b", board).splitlines()) == 3
    assert "\x1b" not in json.dumps(boards.as_fields("a/b", board), ensure_ascii=False)
