"""What a monitoring system reads of real sidecars."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from coordsidecar.linux import boottime_s
from tests.e2e.arena import Arena
from tests.e2e.crowd import crowd
from tests.e2e.scraped import Scraped
from tests.e2e.sidecars import wait_for
from tests.e2e.test_outages import wait_for_renewal
from tests.elector.shown import get


def test_a_load_balancer_finds_the_leader_and_who_stands_by(arena_of_local: Arena) -> None:
    arena, pages = arena_of_local, (Scraped(), Scraped())
    arena.start(*pages[0].option, "--id", "first")
    arena.stamps.wait_for_stints(1)
    second = arena.start(*pages[1].option, "--id", "second")
    wait_for(lambda: "standing-by" in second.log(), "the second instance to stand by")

    answers = [[page.status(path) for path in ("/leader", "/standby")] for page in pages]

    assert answers == [[200, 503], [503, 200]]
    assert [page.json("/")["name"] for page in pages] == ["first", "first"]
    assert [page.json("/v1/status")["role"] for page in pages] == ["leader", "standby"]
    assert [page.value("leader") for page in pages] == [1, 0]


def test_a_hostile_name_is_what_it_is_in_the_metrics(arena_of_local: Arena) -> None:
    hostile, page = 'a"} 1 \\ncoordsidecar_leader 7 {#=\\', Scraped()
    arena_of_local.start(*page.option, "--id", hostile)
    arena_of_local.stamps.wait_for_stints(1)

    text = get(page.port, "/metrics")[2].decode()

    found = {family.name: family.samples for family in text_string_to_metric_families(text)}
    assert found["coordsidecar_info"][0].labels["id"] == hostile
    assert [sample.value for sample in found["coordsidecar_leader"]] == [1]


def test_the_store_is_named_and_its_password_is_not(arena_of_local: Arena) -> None:
    page = Scraped()
    folder = arena_of_local.folder
    words = ("--store", f"local:{folder}?password=hunter2", *page.option, "--", "sleep", "60")
    arena_of_local.start_words(*words)
    wait_for(page.samples, "the page")

    shown = [get(page.port, path)[2].decode() for path in ("/metrics", "/v1/status")]

    assert all(str(folder) in text and "hunter2" not in text for text in shown)


def test_a_takeover_is_counted_where_it_happened(arena: Arena) -> None:
    page = Scraped()
    leader = arena.start()
    arena.stamps.wait_for_stints(1)
    standby = arena.start(*page.option)
    wait_for(lambda: "standing-by" in standby.log(), "the second instance to stand by")
    before = page.samples()

    leader.signal(signal.SIGTERM)

    wait_for(lambda: page.value("job_starts_total") == 1, "the job to be counted")
    after = page.samples()
    assert (before["leader"], after["leader"]) == (0, 1)
    assert (before["token"], after["token"]) == (0, int(arena.stamps.wait_for_stints(2)[1].token))
    assert not before.keys() & {"takeover_seconds", "deadline_left_seconds"}
    assert after["takeover_seconds"] > 0
    assert after["deadline_left_seconds"] > 0
    assert before["transitions_total elected"] == 0
    assert after["transitions_total elected"] == 1


def test_a_lead_that_an_operator_revokes_is_counted_as_lost(arena: Arena) -> None:
    page = Scraped()
    arena.start(*page.option)
    arena.stamps.wait_for_stints(1)

    arena.revoke()

    wait_for(lambda: page.value("transitions_total lost") == 1, "the loss to be counted")
    arena.stamps.wait_for_stints(2)
    wait_for(lambda: page.value("transitions_total elected") == 2, "its second term")
    assert page.value("transitions_total resigned") == 0


def test_an_outage_shows_as_failures_and_silence_and_ends_the_lead(network_arena: Arena) -> None:
    arena, page = network_arena, Scraped()
    wire = arena.proxy()
    arena.start(*page.option, by=wire)
    arena.stamps.wait_for_stints(1)
    wait_for(lambda: (page.value("renewal_seconds_count") or 0) >= 2, "two renewals")
    before = page.samples()

    wire.black_hole()

    # On a busy host some may have failed before.
    failed = before["renewal_failures_total"]
    wait_for(lambda: (page.value("renewal_failures_total") or 0) > failed, "a renewal to fail")
    silent_s = boottime_s()
    wait_for(lambda: (page.value("renewal_failures_total") or 0) > failed + 1, "another to fail")
    wait_for(lambda: page.value("transitions_total expired") == 1, "the term to end")
    asked_s = boottime_s()
    during = page.samples()
    assert asked_s - during["store_heard_seconds"] < silent_s
    assert during["leader"] == 0


def test_no_count_goes_back_when_an_elector_is_replaced(arena: Arena) -> None:
    page = Scraped()
    arena.ttl = "15s"  # Another elector is to come in time.
    leader = arena.start(*page.option, "--renew-every", "0.5s")
    arena.stamps.wait_for_stints(1)
    wait_for(lambda: (page.value("renewal_seconds_count") or 0) >= 2, "two renewals")
    before = page.samples()

    leader.elector().kill()

    wait_for(lambda: page.value("elector_restarts_total") == 1, "another elector's page")
    wait_for(lambda: page.value("leader") == 1, "the lead to be taken over")
    after = page.samples()
    counters = [name for name in before if "_total" in name or "_bucket" in name]
    counters += ["renewal_seconds_count", "renewal_seconds_sum", "takeover_seconds"]
    assert [name for name in counters if after[name] < before[name]] == []
    assert after["renewal_seconds_count"] > before["renewal_seconds_count"]
    # The lead has not changed, nor the job.
    assert after["transitions_total elected"] == 1
    assert after["job_starts_total"] == 1
    assert len(arena.stamps.stints()) == 1


def test_every_start_of_the_job_is_counted(arena_of_local: Arena) -> None:
    page = Scraped()
    arena_of_local.start(
        *page.option, "--restart", "always", "--max-restarts", "100/1s", command=["sleep", "0.2"]
    )

    wait_for(lambda: (page.value("job_starts_total") or 0) >= 3, "three starts")


@pytest.fixture
def arena_of_local(arena_of: Callable[[str], Arena]) -> Arena:
    return arena_of("local")


def test_two_hundred_who_dawdle_hold_up_no_renewal_and_few_are_let_in(
    arena_of: Callable[[str], Arena], tmp_path: Path
) -> None:
    arena, page, role_file = arena_of("etcd"), Scraped(), tmp_path / "role.json"
    arena.ttl = "15s"
    leader = arena.start(*page.option, "--role-file", str(role_file), "--renew-every", "0.5s")
    arena.stamps.wait_for_stints(1)
    elector, job = leader.elector(), leader.job()

    with crowd(page.port, 200):
        let_in = []
        for _ in range(5):
            wait_for_renewal(role_file)
            let_in.append(connections_of(elector, page.port))
        wait_for(page.samples, "an answer in spite of the crowd")

    # And one who has been let in, while the oldest is hung up on.
    assert 0 < max(let_in) <= 16 + 1
    assert leader.elector() == elector
    assert leader.job() == job
    assert len(arena.stamps.stints()) == 1
    assert page.value("transitions_total elected") == 1


def connections_of(elector: psutil.Process, port: int) -> int:
    """How many are let in."""
    return len(
        [
            found
            for found in elector.net_connections("tcp")
            if found.laddr.port == port and found.status == psutil.CONN_ESTABLISHED
        ]
    )
