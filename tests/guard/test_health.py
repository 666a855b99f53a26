"""--health-cmd: a job that is sick moves, or starts again."""

from __future__ import annotations

import json
import shlex
import signal
from pathlib import Path

from tests.cli.command import coordsidecar
from tests.e2e.arena import Arena
from tests.e2e.sidecars import Sidecar, wait_for
from tests.guard.test_hooks import note, notes

QUICK = ("--health-interval", "100ms")


def well_while(file: Path) -> tuple[str, ...]:
    file.touch()
    return ("--health-cmd", f"test -e {shlex.quote(str(file))}", *QUICK)


def said(sidecar: Sidecar, event: str) -> list[str]:
    return [line for line in sidecar.log().splitlines() if f" {event}: " in line]


def about(arena: Arena) -> tuple[str, ...]:
    """The words with which an operator asks for this election."""
    store, url, namespace, name = arena.options()[:4]
    return (store, url, namespace, name, arena.election.name)


def why(arena: Arena) -> list[str]:
    """Why each term has ended, as `coordsidecar history` has it."""
    told = coordsidecar("history", *about(arena), "--json")
    assert told.status == 0
    return [term["why"] for term in json.loads(told.out)["terms"] if term["state"] == "over"]


def test_who_had_a_sick_job_rests_first(arena: Arena, tmp_path: Path) -> None:
    """Else the same one would be elected again at once: alone it is, and nobody leads for now."""
    file = tmp_path / "well"
    first = arena.start(*well_while(file))
    wait_for(lambda: said(first, "healthy"), "it to be well")

    file.unlink()
    wait_for(lambda: said(first, "job-ended"), "the sick job to end")
    arena.start("--id", "two")

    (_, after) = arena.stamps.wait_for_stints(2)
    assert after.token == "2"
    assert not first.leads()
    arena.stamps.assert_never_two()


def test_with_restart_the_same_instance_goes_on_under_the_same_token(
    arena: Arena, tmp_path: Path
) -> None:
    ledger, file = tmp_path / "ledger", tmp_path / "well"
    job = f"{note(ledger, '$COORDSIDECAR_TOKEN')}; touch {file}; exec sleep 600"
    options = (*well_while(file), "--unhealthy", "restart")
    first = arena.start(*options, command=["sh", "-c", job])
    wait_for(lambda: said(first, "healthy"), "it to be well")

    file.unlink()
    wait_for(lambda: len(notes(ledger)) == 2, "the job to start again")

    wait_for(lambda: len(said(first, "healthy")) == 2, "the next job to be well")
    assert notes(ledger) == ["1", "1"]
    assert "starts again" in said(first, "unhealthy")[0]
    assert why(arena) == []


def test_after_too_many_restarts_another_instance_leads(arena: Arena) -> None:
    options = ("--health-cmd", "test $COORDSIDECAR_ID = two", *QUICK, "--unhealthy", "restart")
    first = arena.start("--id", "one", *options, "--max-restarts", "1/60s")
    arena.stamps.wait_for_stints(1)

    arena.start("--id", "two", *options)

    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()
    assert len(said(first, "unhealthy")) == 2


def test_fewer_failures_than_it_takes_change_nothing(arena: Arena, tmp_path: Path) -> None:
    """Two bad ones, a good one, and so on."""
    ledger = tmp_path / "ledger"
    check = f"{note(ledger, 'check')}; test $(( $(wc -l < {ledger}) % 3 )) = 0"
    sidecar = arena.start("--health-cmd", check, *QUICK)
    arena.stamps.wait_for_stints(1)
    pid = sidecar.job().pid

    wait_for(lambda: len(notes(ledger)) >= 9, "nine checks")

    assert sidecar.job().pid == pid
    assert len(arena.stamps.stints()) == 1
    assert said(sidecar, "unhealthy") == []


def test_failures_in_the_start_period_do_not_count_until_the_first_success(
    arena: Arena, tmp_path: Path
) -> None:
    ledger, file = tmp_path / "ledger", tmp_path / "well"
    check = f"{note(ledger, 'check')}; test -e {file}"
    options = ("--health-cmd", check, *QUICK, "--health-start-period", "1h")
    sidecar = arena.start(*options)
    wait_for(lambda: len(notes(ledger)) >= 6, "six checks to fail")
    assert sidecar.leads()
    assert said(sidecar, "unhealthy") == []

    file.touch()
    wait_for(lambda: said(sidecar, "healthy"), "it to be well")
    file.unlink()

    wait_for(lambda: said(sidecar, "unhealthy"), "it to be sick")


def test_no_check_runs_while_no_job_does(arena: Arena, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    first = arena.start("--id", "one")
    arena.stamps.wait_for_stints(1)
    standby = arena.start(
        "--id", "two", "--health-cmd", note(ledger, "$COORDSIDECAR_TOKEN"), *QUICK
    )
    wait_for(lambda: "standing-by" in standby.log(), "the second to stand by")
    assert notes(ledger) == []

    first.signal(signal.SIGTERM)

    wait_for(lambda: notes(ledger), "the second to lead and to be checked")
    assert set(notes(ledger)) == {"2"}
