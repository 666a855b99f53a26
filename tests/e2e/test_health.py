"""Health checks where it matters which store there is: who is sick leaves the lead to another."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.cli.command import coordsidecar
from tests.e2e.arena import Arena
from tests.e2e.scraped import Scraped
from tests.e2e.sidecars import wait_for
from tests.guard.test_health import QUICK, about, said, well_while, why

SPEAKS = Path(__file__).parents[1] / "guard/jobs/notify.py"


def test_a_sick_job_moves_to_another_instance_and_the_history_says_why(
    arena: Arena, tmp_path: Path
) -> None:
    """It must go with all that it started, though it takes no notice of being asked."""
    sick = tmp_path / "sick"
    mine = f"test ! -e {sick} || test $COORDSIDECAR_ID = two || {{ echo no disk; exit 1; }}"
    options = ("--health-cmd", mine, *QUICK, "--stop-timeout", "500ms")
    stubborn = arena.stamps.command("ignore-term", "daemon-child")
    first = arena.start("--id", "one", *options, command=stubborn)
    arena.stamps.wait_for_stints(1)
    second = arena.start("--id", "two", *options, command=stubborn)
    wait_for(lambda: "standing-by" in second.log(), "the second to stand by")
    wait_for(lambda: said(first, "healthy"), "the first to be well")

    sick.touch()

    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()
    wait_for(lambda: said(second, "healthy"), "the second to be well")
    assert why(arena) == ["the job is unhealthy: 3 checks failed, the last: no disk"]
    assert len(said(first, "unhealthy")) == 1
    assert first.process.poll() is None
    assert second.leads()


def test_who_is_sick_while_it_stands_by_is_passed_over_and_stands_again_when_it_is_well(
    arena: Arena, tmp_path: Path
) -> None:
    sick = tmp_path / "sick"
    mine = f"test ! -e {sick} || test $COORDSIDECAR_ID != two || {{ echo no disk; exit 1; }}"
    options = ("--health-cmd", mine, *QUICK, "--health-when", "always")
    first = arena.start("--id", "one", *options)
    arena.stamps.wait_for_stints(1)
    second = arena.start("--id", "two", *options)
    wait_for(lambda: "standing-by" in second.log(), "the second to stand by")
    sick.touch()
    wait_for(lambda: said(second, "unhealthy"), "the second to be sick")
    third = arena.start("--id", "three", *options)
    wait_for(lambda: "standing-by" in third.log(), "the third to stand by")

    first.signal(signal.SIGTERM)
    arena.stamps.wait_for_stints(2)
    wait_for(third.leads, "the third to lead, though it came last")
    sick.unlink()
    stands = "standing for election"
    wait_for(lambda: second.log().count(stands) == 2, "the second to be well again")
    wait_for(lambda: second.log().count("standing-by") > 1, "the second to stand again")
    third.signal(signal.SIGTERM)

    arena.stamps.wait_for_stints(3)
    wait_for(second.leads, "the second to lead")
    arena.stamps.assert_never_two()
    assert "no disk; not standing until that is over" in said(second, "unhealthy")[0]


def test_a_job_that_does_not_say_any_more_that_it_lives_moves(arena: Arena, tmp_path: Path) -> None:
    lives = tmp_path / "lives"
    lives.touch()
    speaks = [sys.executable, "-S", str(SPEAKS), "READY=1", f"while:{lives}:WATCHDOG=1", "sleep"]
    first = arena.start("--id", "one", "--health-notify", "2s", command=speaks)
    wait_for(lambda: said(first, "healthy"), "it to be well")
    second = arena.start("--id", "two")
    wait_for(lambda: "standing-by" in second.log(), "the second to stand by")

    lives.unlink()

    arena.stamps.wait_for_stints(1)
    assert second.leads()
    assert why(arena) == ["the job is unhealthy: no WATCHDOG=1 for 2s"]
    assert first.process.poll() is None


def healths(pages: Sequence[Scraped]) -> list[float | None]:
    """What the metrics say."""
    return [page.value("healthy") for page in pages]


def reasons(pages: Sequence[Scraped]) -> list[str]:
    return [page.json("/v1/status")["reason"] for page in pages]


def test_if_all_are_sick_nobody_leads_and_each_says_why(
    arena_of_local: Arena, tmp_path: Path
) -> None:
    arena, pages = arena_of_local, (Scraped(), Scraped())
    options = (*well_while(tmp_path / "well"), "--health-when", "always")
    both = [
        arena.start("--id", name, *page.option, *options)
        for name, page in zip(("one", "two"), pages, strict=True)
    ]
    arena.stamps.wait_for_stints(1)
    wait_for(lambda: healths(pages) == [1, 1], "both to be well")

    (tmp_path / "well").unlink()
    wait_for(lambda: healths(pages) == [0, 0], "both to be sick")
    aside = "unhealthy, so it does not stand: 3 checks failed"
    wait_for(lambda: all(reason.startswith(aside) for reason in reasons(pages)), "both to know")
    sick = [page.json("/")["health"] for page in pages]
    nobody = coordsidecar("status", *about(arena))
    ended = why(arena)
    (tmp_path / "well").touch()

    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()
    assert sick == ["sick", "sick"]
    assert all(said(one, "unhealthy") for one in both)
    assert (nobody.status, "is unhealthy: 3 checks failed" in nobody.out) == (3, True)
    assert all("is unhealthy: 3 checks failed" in ended_so for ended_so in ended)
    assert ended


@pytest.fixture
def arena_of_local(arena_of: Callable[[str], Arena]) -> Arena:
    return arena_of("local")
