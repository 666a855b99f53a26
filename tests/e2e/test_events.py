"""`/v1/events` of real sidecars: a hand-over as those see it who listen."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.arena import PATIENT_TTL, Arena
from tests.e2e.crowd import crowd
from tests.e2e.scraped import Scraped
from tests.e2e.sidecars import wait_for
from tests.e2e.test_monitoring import connections_of
from tests.e2e.test_outages import wait_for_renewal
from tests.elector.shown import connected
from tests.elector.test_events import Listener


@pytest.fixture(params=["local", "etcd", "consul"])
def either(request: pytest.FixtureRequest, arena_of: Callable[[str], Arena]) -> Arena:
    return arena_of(request.param)


def until(listener: Listener, **expected: Any) -> list[dict[str, Any]]:
    """All events up to the first that says so."""
    seen: list[dict[str, Any]] = []
    while not seen or not expected.items() <= seen[-1].items():
        seen.append(listener.event())
    return seen


def test_a_hand_over_is_told_on_both_sides_in_the_order_in_which_it_happened(either: Arena) -> None:
    arena, pages = either, (Scraped(), Scraped())
    first = arena.start(*pages[0].option, "--id", "first")
    (stint,) = arena.stamps.wait_for_stints(1)
    second = arena.start(*pages[1].option, "--id", "second")
    wait_for(lambda: "standing-by" in second.log(), "the second instance to stand by")
    there, here = (Listener(connected(page.port)) for page in pages)
    before = [until(there, role="leader"), until(here, leader="first")]

    first.signal(signal.SIGTERM)

    gained = until(here, role="leader")
    lost = until(there, role="standby")
    assert [events[-1]["token"] for events in before] == [int(stint.token), None]
    tokens = [event["token"] for event in gained if event["role"] == "leader"]
    assert tokens == [int(arena.stamps.wait_for_stints(2)[1].token)]
    assert gained[-1]["leader"] == "second"
    assert [event["role"] for event in lost].count("standby") == 1
    for events in (before[0] + lost, before[1] + gained):
        ids = [event["event_id"] for event in events]
        assert ids == sorted(set(ids))
        told = [[e[name] for name in ("role", "token", "leader", "reason")] for e in events]
        assert all(one != other for one, other in itertools.pairwise(told))
    first.wait()
    there.close()
    here.close()


def test_who_connects_again_after_a_change_is_told_how_it_stands_now(either: Arena) -> None:
    arena, page = either, Scraped()
    first = arena.start("--id", "first")
    arena.stamps.wait_for_stints(1)
    arena.start(*page.option, "--id", "second")
    wait_for(page.samples, "the page")
    listener = Listener(connected(page.port))
    until(listener, leader="first")
    listener.close()

    first.signal(signal.SIGTERM)
    token = int(arena.stamps.wait_for_stints(2)[1].token)
    wait_for(lambda: page.value("leader") == 1, "the page to say so")

    again = Listener(connected(page.port))
    now = again.event()
    assert (now["role"], now["token"], now["leader"]) == ("leader", token, "second")
    again.close()


def test_two_hundred_who_listen_and_never_read_hold_up_no_renewal(
    arena_of: Callable[[str], Arena], tmp_path: Path
) -> None:
    arena, page, role_file = arena_of("etcd"), Scraped(), tmp_path / "role.json"
    arena.ttl = PATIENT_TTL
    leader = arena.start(*page.option, "--role-file", str(role_file), "--renew-every", "0.5s")
    arena.stamps.wait_for_stints(1)
    elector, job = leader.elector(), leader.job()

    with crowd(page.port, 200, path="/v1/events"):
        let_in = []
        for _ in range(6):
            wait_for_renewal(role_file)
            let_in.append(connections_of(elector, page.port))
        wait_for(page.samples, "an answer in spite of the crowd")

    # And one who has been let in, while the oldest is hung up on.
    assert 8 < max(let_in) <= 16 + 1
    assert leader.elector() == elector
    assert leader.job() == job
    assert len(arena.stamps.stints()) == 1
    assert page.value("transitions_total elected") == 1
    assert page.value("renewal_failures_total") == 0


def test_a_lead_passes_on_though_nobody_reads_of_it(
    arena_of: Callable[[str], Arena],
) -> None:
    """Each change of either instance is told to all who listen there, and none of them takes it."""
    arena, pages = arena_of("etcd"), (Scraped(), Scraped())
    first = arena.start(*pages[0].option)
    arena.stamps.wait_for_stints(1)
    second = arena.start(*pages[1].option)
    wait_for(lambda: "standing-by" in second.log(), "the second instance to stand by")

    with (
        crowd(pages[0].port, 100, path="/v1/events"),
        crowd(pages[1].port, 100, path="/v1/events"),
    ):
        elector = second.elector()
        first.signal(signal.SIGTERM)
        arena.stamps.wait_for_stints(2)
        first.wait()

        assert second.elector() == elector

    assert "elector" not in first.log() + second.log()  # None was missed, or replaced.
    assert len(arena.stamps.stints()) == 2
    arena.stamps.assert_never_two()
