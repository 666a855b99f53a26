"""`coordsidecar history` and `/v1/history`: why the lead moved, of real sidecars on every store."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coordsidecar.settings.serving import UnixSocket
from tests.cli.command import Result, coordsidecar, refusal
from tests.e2e.arena import Arena
from tests.e2e.at_once import kill_at_once
from tests.e2e.sidecars import wait_for
from tests.elector.shown import ask

GET = b"GET /v1/history HTTP/1.0\r\n\r\n"


def about(arena: Arena) -> list[str]:
    store, url, namespace, name = arena.options()[:4]
    return [store, url, namespace, name, arena.election.name]


def history(arena: Arena, *options: str) -> Result:
    return coordsidecar("history", *about(arena), *options)


def terms(arena: Arena, *options: str) -> list[dict[str, Any]]:
    result = history(arena, "--json", *options)
    assert (result.status, result.err) == (0, "")
    told = json.loads(result.out)
    assert (told["version"], told["election"]) == (1, arena.election.prefix)
    return list(told["terms"])


def test_it_says_who_led_when_and_why_not_any_more(arena: Arena) -> None:
    first = arena.start("--id", "web-1")
    arena.stamps.wait_for_stints(1)
    second = arena.start("--id", "web-2")
    wait_for(lambda: "standing-by" in second.log(), "the second to stand by")

    first.signal(signal.SIGTERM)
    first.wait()
    stints = arena.stamps.wait_for_stints(2)
    ordered = coordsidecar(
        "step-down", *about(arena), "--yes", "--reason", "a reboot", "--sit-out", "1s"
    )
    arena.stamps.wait_for_stints(3)
    by_signal, by_order, now = terms(arena)

    assert ordered.status == 0
    assert [by_signal["id"], by_order["id"], now["id"]] == ["web-1", "web-2", "web-2"]
    assert [str(by_signal["token"]), str(by_order["token"])] == [s.token for s in stints]
    assert by_signal["why"] == "SIGTERM: stopping the job"
    assert by_order["why"].endswith("ordered to step down: a reboot")
    assert [term["state"] for term in (by_signal, by_order, now)] == ["over", "over", "lasts"]
    times = [term[at] for term in (by_signal, by_order) for at in ("began", "ended")]
    assert sorted(times) == times
    assert (now["ended"], now["why"]) == (None, None)
    assert terms(arena, "--limit", "1") == [now]
    arena.stamps.assert_never_two()


def test_a_death_of_all_is_not_told_of(arena_of: Callable[[str], Arena]) -> None:
    arena = arena_of("etcd")
    sidecar = arena.start()
    arena.stamps.wait_for_stints(1)

    kill_at_once(sidecar.everyone)
    wait_for(lambda: terms(arena)[0]["state"] == "unknown", "its lease to end")
    (row,) = history(arena).out.splitlines()[1:]
    status = coordsidecar("status", *about(arena))

    assert row.split("Z ")[1].split(maxsplit=1) == ["?", "not told: it died, hung, or was cut off"]
    assert "which ended without a word" in status.out


def test_status_says_since_when_and_what_was_before(arena_of: Callable[[str], Arena]) -> None:
    arena = arena_of("local")
    first, second = arena.pair()
    first.signal(signal.SIGTERM)
    arena.stamps.wait_for_stints(2)

    told = coordsidecar("status", *about(arena))
    fields = json.loads(coordsidecar("status", *about(arena), "--json").out)

    assert second.leads()
    assert f"  since {fields['since']}; before it " in told.out
    assert "SIGTERM: stopping the job" in told.out
    assert fields["last_ended"]["why"] == "SIGTERM: stopping the job"


def test_the_page_tells_the_same(arena: Arena, tmp_path: Path) -> None:
    where = UnixSocket(str(tmp_path / "x.sock"))
    sidecar = arena.start("--http", f"unix:{where.path}")
    arena.stamps.wait_for_stints(1)

    status, body = ask(where, GET)
    told = json.loads(body)

    assert sidecar.leads()
    assert status == 200
    assert told == {"version": 1, "election": arena.election.prefix, "terms": terms(arena)}


def test_where_the_store_is_silent_the_page_says_so(network_arena: Arena, tmp_path: Path) -> None:
    where = UnixSocket(str(tmp_path / "x.sock"))
    proxy = network_arena.proxy()
    sidecar = network_arena.start("--http", f"unix:{where.path}", by=proxy)
    wait_for(lambda: "leader" in sidecar.log(), "it to lead")

    proxy.black_hole()
    status, body = ask(where, GET)

    assert status == 503
    assert json.loads(body)["refused"]


def test_of_what_never_was_there_is_none(arena: Arena) -> None:
    result = history(arena)

    assert (result.status, result.err) == (0, "")
    assert "nobody has led yet" in result.out
    assert terms(arena) == []


def test_nothing_is_that_new(arena_of: Callable[[str], Arena]) -> None:
    arena = arena_of("local")
    sidecar = arena.start(command=["true"])
    assert sidecar.wait() == 0

    wait_for(lambda: not terms(arena, "--since", "1ms"), "the term to be older than that")
    assert "none since then" in history(arena, "--since", "1ms").out
    assert [term["why"] for term in terms(arena, "--since", "1h")] == ["the job ended; exit code 0"]


@pytest.mark.parametrize("options", [("--limit", "0"), ("--limit", "x"), ("--since", "soon")])
def test_what_makes_no_sense_is_refused(
    arena_of: Callable[[str], Arena], options: tuple[str, ...]
) -> None:
    assert options[0] in refusal("history", *about(arena_of("local")), *options)
