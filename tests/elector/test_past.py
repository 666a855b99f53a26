"""``/v1/history``: what it says, and how often the store is asked for it."""

from __future__ import annotations

import json
import threading

import pytest

from coordsidecar.elector import past
from coordsidecar.elector.past import Past
from coordsidecar.elector.status import Answer
from coordsidecar.store.directory import Board
from coordsidecar.store.history import Term
from coordsidecar.store.protocol import Leader, UnreachableError

BOARD = Board(Leader(9, '{"id": "b"}'), None, led=9, history=(Term(9, "b\ud800", "2026"),))
PATIENCE_S = 60.0


def test_what_the_store_knows_is_told_whoever_wrote_it() -> None:
    answer = Past("default/nightly", lambda: BOARD).page()

    assert (answer.status, answer.content_type) == (200, "application/json")
    told = json.loads(answer.body)
    assert (told["version"], told["election"]) == (1, "default/nightly")
    assert [(term["token"], term["state"]) for term in told["terms"]] == [(9, "lasts")]


def test_that_the_store_cannot_be_asked_is_told() -> None:
    def look() -> Board:
        raise UnreachableError("etcd: no answer")

    answer = Past("default/nightly", look).page()

    assert answer.status == 503
    assert json.loads(answer.body)["refused"] == "etcd: no answer"


def test_however_many_ask_at_once_the_store_hears_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "_FRESH_S", 1e9)
    asked: list[int] = []
    answers: list[Answer] = []
    go = threading.Event()

    def look() -> Board:
        asked.append(1)
        assert go.wait(PATIENCE_S)
        return BOARD

    page = Past("default/nightly", look).page
    clients = [threading.Thread(target=lambda: answers.append(page())) for _ in range(50)]
    for client in clients:
        client.start()
    go.set()
    for client in clients:
        client.join(PATIENCE_S)

    assert len(asked) == 1
    assert [answer.status for answer in answers] == [200] * 50


def test_what_is_old_is_asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "_FRESH_S", -1.0)
    boards = [Board(None, None), BOARD]
    page = Past("default/nightly", lambda: boards.pop(0)).page

    told = [len(json.loads(page().body)["terms"]) for _ in range(2)]

    assert told == [0, 1]
