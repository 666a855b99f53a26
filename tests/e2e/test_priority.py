"""`--priority` and `--preempt`: real sidecars on every store."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from coordsidecar.settings.settings import build_settings
from coordsidecar.settings.sources import UsageError
from tests.cli.command import coordsidecar
from tests.e2e.arena import Arena
from tests.e2e.sidecars import wait_for

HIGH = ("--priority", "20", "--preempt", "4s")
HIGHEST = ("--priority", "30", "--preempt", "4s")


def about(arena: Arena) -> list[str]:
    store, url, namespace, name = arena.options()[:4]
    return [store, url, namespace, name, arena.election.name]


def whys(arena: Arena) -> list[str | None]:
    told = json.loads(coordsidecar("history", *about(arena), "--json").out)
    return [term["why"] for term in told["terms"]]


def test_the_higher_one_takes_over_in_order_and_the_lower_one_does_not_take_it_back(
    arena: Arena,
) -> None:
    low = arena.start("--id", "low", "--priority", "10", "--preempt", "4s")
    arena.stamps.wait_for_stints(1)

    high = arena.start("--id", "high", *HIGH)
    wait_for(high.leads, "the higher one to lead")
    wait_for(lambda: "standing-by" in low.log().partition("stepping-down")[2], "the other to stand")
    since_ns = arena.stamps.stints()[-1].first_ns
    wait_for(
        lambda: arena.stamps.stints()[-1].last_ns > since_ns + 9 * 10**9, "twice the time to pass"
    )

    assert high.leads()
    assert "preempting" not in low.log()
    assert whys(arena) == ["high (priority 20 over 10) ordered a transfer to high", None]
    arena.stamps.assert_never_two()


def test_of_three_the_highest_leads_in_the_end(arena_of: Callable[[str], Arena]) -> None:
    arena = arena_of("etcd")
    arena.start("--id", "low")
    arena.stamps.wait_for_stints(1)

    arena.start("--id", "high", *HIGH)
    highest = arena.start("--id", "highest", *HIGHEST)
    wait_for(highest.leads, "the highest to lead")

    arena.stamps.assert_never_two()


def test_in_a_pause_nobody_is_preempted(arena_of: Callable[[str], Arena]) -> None:
    arena = arena_of("etcd")
    low = arena.start("--id", "low")
    arena.stamps.wait_for_stints(1)
    paused = coordsidecar("pause", *about(arena), "--yes")

    high = arena.start("--id", "high", *HIGH)
    wait_for(lambda: "standing-by" in high.log(), "the higher one to stand by")
    since_ns = arena.stamps.stints()[-1].last_ns
    wait_for(lambda: arena.stamps.stints()[-1].last_ns > since_ns + 6 * 10**9, "the time to pass")
    led_on = low.leads()
    resumed = coordsidecar("resume", *about(arena), "--yes")
    wait_for(high.leads, "the higher one to lead")

    assert (paused.status, led_on, resumed.status) == (0, True, 0)
    arena.stamps.assert_never_two()


def test_status_shows_it(arena_of: Callable[[str], Arena]) -> None:
    arena = arena_of("etcd")
    arena.start(*HIGH)
    arena.stamps.wait_for_stints(1)

    assert "priority 20" in coordsidecar("status", *about(arena)).out
    told = json.loads(coordsidecar("status", *about(arena), "--json").out)
    assert told["leader"]["priority"] == 20


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ({"preempt": "60s"}, "give --priority"),
        ({"preempt": "60s", "priority": "0"}, "give --priority"),
        ({"preempt": "14s", "priority": "1"}, "at least the --ttl, 15s"),
        ({"priority": "-1"}, "no priority"),
        ({"priority": "high"}, "no priority"),
        ({"preempt": "soon", "priority": "1"}, "--preempt"),
    ],
)
def test_what_makes_no_sense_is_refused(flags: dict[str, str], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        build_settings(flags={"store": "local:"} | flags, command=("true",), environ={})
