"""--standby COMMAND: what runs while another leads, and is gone before the job starts."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from tests.e2e.arena import Arena
from tests.e2e.sidecars import Sidecar, Stamps, wait_for
from tests.guard.usurper import usurped


def standing_by(arena: Arena, *habits: str) -> tuple[Sidecar, Sidecar, Stamps]:
    """A leader, and a second instance whose standby command runs and leaves stamps."""
    leader = arena.start()
    arena.stamps.wait_for_stints(1)
    kept = Stamps(arena.folder / "kept")
    words = subprocess.list2cmdline(kept.command(*habits))
    standby = arena.start("--standby", words, "--stop-timeout", "300ms")
    kept.wait_for_stints(1)
    return leader, standby, kept


def test_the_standby_command_runs_while_another_leads(arena: Arena) -> None:
    leader, standby, kept = standing_by(arena)

    environ = standby.job().environ()

    assert environ["COORDSIDECAR_ROLE"] == "standby"
    assert "COORDSIDECAR_TOKEN" not in environ
    assert leader.job().is_running()
    assert kept.stints()[0].token == "-"


def test_the_standby_command_is_gone_before_the_job_starts(arena: Arena) -> None:
    leader, standby, kept = standing_by(arena, "ignore-term", "daemon-child", "close-fds")

    leader.signal(signal.SIGTERM)

    last = arena.stamps.wait_for_stints(2)[1]
    assert kept.stints()[-1].last_ns < last.first_ns
    assert standby.job().environ()["COORDSIDECAR_ROLE"] == "leader"


def test_a_standby_command_that_ends_does_not_end_the_wait(arena: Arena, tmp_path: Path) -> None:
    leader = arena.start()
    arena.stamps.wait_for_stints(1)
    standby = arena.start("--standby", f"touch {tmp_path}/ran")
    wait_for(lambda: "job-ended" in standby.log(), "the standby command to end")

    leader.signal(signal.SIGTERM)

    arena.stamps.wait_for_stints(2)
    assert standby.process.poll() is None


def test_a_stop_ends_the_standby_command_first(arena: Arena) -> None:
    _, standby, _ = standing_by(arena, "daemon-child")

    standby.signal(signal.SIGTERM)

    assert standby.wait() == 128 + signal.SIGTERM
    assert standby.everyone() == []


def test_the_standby_command_dies_with_its_guard(arena: Arena) -> None:
    _, standby, _ = standing_by(arena, "daemon-child", "close-fds")

    standby.signal(signal.SIGKILL)

    standby.wait()
    wait_for(lambda: not standby.everyone(), "all of the standby to end")


def test_who_loses_the_lead_runs_the_standby_command_again(arena: Arena) -> None:
    kept = Stamps(arena.folder / "kept")
    words = subprocess.list2cmdline(kept.command())
    sidecar = arena.start("--standby", words, "--takeover-delay", "0s")
    arena.stamps.wait_for_stints(1)
    turns = sidecar.log().count("started the standby command")

    with usurped(arena):
        wait_for(
            lambda: sidecar.log().count("started the standby command") > turns,
            "the standby command to run again",
        )
        size = arena.stamps.path.stat().st_size
        resumed_ns = kept.wait_for_stints(1)[-1].last_ns
        wait_for(lambda: kept.stints()[-1].last_ns > resumed_ns, "it to leave stamps")

        assert arena.stamps.path.stat().st_size == size
    arena.stamps.wait_for_stints(2)
