"""What `coordsidecar status` shows of each instance, while it lives: of real sidecars."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from coordsidecar.cli import boards
from coordsidecar.store.directory import Board
from coordsidecar.store.protocol import Leader
from coordsidecar.utc import utc
from tests.cli.command import coordsidecar
from tests.e2e.arena import Arena
from tests.e2e.at_once import kill_at_once
from tests.e2e.sidecars import Sidecar, wait_for


@pytest.fixture
def arena(arena: Arena) -> Arena:
    if arena.scheme.startswith("kubernetes"):
        pytest.skip("there it takes a pod: see tests/kubernetes/test_roster.py")
    return arena


def status(arena: Arena) -> dict[str, Any]:
    store, url, namespace, name = arena.options()[:4]
    result = coordsidecar("status", store, url, namespace, name, "--json", arena.election.name)
    told: dict[str, Any] = json.loads(result.out)
    return told


def leader(arena: Arena) -> dict[str, Any]:
    return status(arena)["leader"] or {}


def standing_by(arena: Arena) -> list[dict[str, Any]]:
    told = status(arena)
    return [*(told["waiting"] or ()), *told["others"]]


def pair(arena: Arena, *options: str) -> tuple[Sidecar, Sidecar]:
    first = arena.start("--id", "one", "--label", "zone=a", "--label", "rack=3", *options)
    arena.stamps.wait_for_stints(1)
    second = arena.start("--id", "two", *options)
    return first, second


def says_job(who: dict[str, Any], state: str) -> bool:
    return (who.get("job") or {}).get("state") == state


def test_each_is_shown_with_its_job_its_health_and_its_labels(arena: Arena) -> None:
    first, _ = pair(arena, "--health-cmd", "true", "--health-interval", "1s")

    wait_for(lambda: says_job(leader(arena), "running"), "the leader to say that its job runs")
    wait_for(lambda: leader(arena)["health"] == "well", "it to say that it is well")
    wait_for(lambda: [who["role"] for who in standing_by(arena)] == ["standby"], "the other's word")

    leads, (stands,) = leader(arena), standing_by(arena)
    assert (leads["id"], leads["role"], leads["labels"]) == (
        "one",
        "leader",
        {"zone": "a", "rack": "3"},
    )
    assert leads["job"]["pid"] == first.job().pid
    assert (stands["id"], stands["job"]) == ("two", {"state": "none", "pid": None})
    assert stands["reason"] == "somebody else leads"
    told = coordsidecar("status", *arena.options()[:4], arena.election.name).out
    assert f"job running (pid {first.job().pid}), health well, zone=a, rack=3), token" in told


def test_who_takes_over_says_so_and_who_died_is_gone(arena: Arena) -> None:
    first, second = pair(arena)
    wait_for(lambda: says_job(leader(arena), "running"), "the leader to say that its job runs")
    wait_for(lambda: standing_by(arena), "the other's word")

    first.signal(signal.SIGKILL)
    first.wait()

    wait_for(
        lambda: leader(arena).get("id") == "two" and says_job(leader(arena), "running"),
        "the other to lead, and to say so",
    )
    wait_for(lambda: standing_by(arena) == [], "the dead one to be gone")
    assert leader(arena)["job"]["pid"] == second.job().pid
    arena.stamps.assert_never_two()


def test_who_sits_out_does_not_go_on_to_say_that_it_leads(arena_of: Any) -> None:
    arena: Arena = arena_of("local")
    pair(arena)
    wait_for(lambda: says_job(leader(arena), "running"), "the leader to say that its job runs")

    coordsidecar("step-down", *arena.options()[:4], "--yes", "--sit-out", "1h", arena.election.name)

    wait_for(lambda: says_job(leader(arena), "running"), "the other to say that its job runs")
    wait_for(lambda: [who["role"] for who in standing_by(arena)] == ["resting"], "it to rest")
    (rests,) = standing_by(arena)
    assert (rests["id"], rests["job"]) == ("one", {"state": "none", "pid": None})


def test_who_was_replaced_as_elector_says_it_anew(arena: Arena) -> None:
    arena.ttl = "15s"
    first, _ = pair(arena)
    wait_for(lambda: says_job(leader(arena), "running"), "the leader to say that its job runs")
    job, since = first.job(), leader(arena)["role_since"]
    wait_for(lambda: utc(time.time() - 1) > since, "the clock to go on")

    first.elector().kill()

    wait_for(lambda: first.log().count("elector") > 0, "the elector to be missed")
    wait_for(
        lambda: (leader(arena).get("job") or {}).get("pid") == job.pid, "it to be said once more"
    )
    assert leader(arena)["role_since"] == since


def test_who_waits_for_the_takeover_delay_is_elected_and_leads_not_yet(arena_of: Any) -> None:
    arena: Arena = arena_of("etcd")
    first, _ = pair(arena, "--takeover-delay", "600s")
    wait_for(lambda: [who["role"] for who in standing_by(arena)] == ["standby"], "the other's word")

    kill_at_once(lambda: [psutil.Process(first.pid), *first.everyone()])

    wait_for(lambda: "the job waits until" in (leader(arena).get("reason") or ""), "it to say so")
    asked = coordsidecar("status", *arena.options()[:4], arena.election.name)
    assert asked.status == 3
    assert "nobody leads; two (" in asked.out
    assert not leader(arena)["in_office"]


def test_a_job_that_is_stopping_is_shown_as_such(arena_of: Any) -> None:
    arena: Arena = arena_of("etcd")
    stubborn = ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"]
    first = arena.start("--id", "one", "--stop-timeout", "60s", command=stubborn)
    wait_for(lambda: says_job(leader(arena), "running"), "the leader to say that its job runs")

    first.signal(signal.SIGTERM)

    wait_for(lambda: says_job(leader(arena), "stopping"), "the leader to say that it stops")
    first.signal(signal.SIGTERM)  # Once more: at once.
    first.wait()


def test_where_it_cannot_be_written_the_job_runs_all_the_same(
    tmp_path: Path, arena_of: Any
) -> None:
    arena: Arena = arena_of("local")
    folder = arena.folder / "locks" / arena.election.namespace
    folder.mkdir(parents=True)
    (folder / ".instances").write_text("in the way")
    first = arena.start("--id", "one")
    arena.stamps.wait_for_stints(1)

    wait_for(lambda: "roster" in first.log(), "it to be said")

    told = [line for line in first.log().splitlines() if "roster" in line]
    assert len(told) == 1
    assert "others cannot see what this instance does: local store: " in told[0]
    assert status(arena)["leader"]["id"] == "one"
    assert status(arena)["others"] == []


@pytest.mark.parametrize(
    "said",
    [
        {"job": {"state": "\x1b[2J", "pid": "7\n"}, "labels": {"a\x1b": "b\n", "c": 7}},
        {"job": [], "labels": [1], "role": {}, "reason": ["x"], "health": True},
        {"job": {"state": {}, "pid": True}, "labels": {f"k{n}": "v" for n in range(1000)}},
        {"reason": "x" * 10_000, "labels": {"k" * 1000: "v" * 1000}, "role_since": 7},
    ],
)
def test_what_anybody_says_of_itself_moves_no_cursor_and_breaks_no_line(
    said: dict[str, Any],
) -> None:
    record = json.dumps({"id": "a", **said})
    board = Board(Leader(token=7, record=record), None, others=(record,))

    text = boards.sentences("a/b", board)
    fields = boards.as_fields("a/b", board)

    assert len(text.splitlines()) == 3
    assert all(line.isprintable() for line in text.splitlines())
    assert len(json.dumps(fields)) < 10_000
    assert "\\u001b" not in json.dumps(fields)
