"""--pre-start and --post-stop: in the job's place, and under its rules."""

from __future__ import annotations

import shlex
import signal
from pathlib import Path

import pytest

from tests.e2e.arena import Arena
from tests.e2e.sidecars import Sidecar, wait_for

_STAY = ("ignore-term", "setsid-child")


def note(ledger: Path, *words: str) -> str:
    """A command that adds a line to the ledger: these words, and what stands in these variables."""
    return f"echo {' '.join(words)} >> {shlex.quote(str(ledger))}"


def notes(ledger: Path) -> list[str]:
    return ledger.read_text().splitlines() if ledger.exists() else []


def job(ledger: Path) -> list[str]:
    return ["sh", "-c", f"{note(ledger, 'job', '$COORDSIDECAR_TOKEN')}; exec sleep 600"]


def stamping(arena: Arena, *habits: str) -> str:
    """A hook that stamps as the job does, so that no other may stamp beside it."""
    return shlex.join(arena.stamps.command(*habits))


def failed(sidecar: Sidecar, hook: str = "pre-start") -> bool:
    return f"{hook}-failed" in sidecar.log()


def test_the_gate_runs_before_the_job_and_knows_the_term(arena: Arena, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    told = ("$COORDSIDECAR_HOOK", "$COORDSIDECAR_ROLE_OLD", "$COORDSIDECAR_ROLE")
    gate = note(ledger, *told, "$COORDSIDECAR_TOKEN", "$COORDSIDECAR_LEADER", "$COORDSIDECAR_NAME")

    arena.start("--id", "one", "--pre-start", gate, command=job(ledger))
    wait_for(lambda: len(notes(ledger)) == 2, "gate and job")

    name = arena.election.name
    assert notes(ledger) == [f"pre-start standby leader 1 one {name}", "job 1"]


def test_what_the_gate_leaves_behind_is_gone_before_the_job_starts(arena: Arena) -> None:
    until_it_runs = f"while ! test -s {arena.stamps.path}; do sleep 0.02; done"
    gate = f"COORDSIDECAR_TOKEN=0 {stamping(arena, *_STAY)} & {until_it_runs}"

    arena.start("--pre-start", gate)

    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()


def test_the_gate_is_asked_once_a_term(arena: Arena, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    options = ("--pre-start", note(ledger, "gate"), "--restart", "on-failure")
    turn = f"{note(ledger, 'job')}; test $(grep -c job {ledger}) = 3"

    sidecar = arena.start(*options, command=["sh", "-c", turn])

    assert sidecar.wait() == 0
    assert notes(ledger) == ["gate", "job", "job", "job"]


def test_where_the_gate_fails_another_instance_leads(arena: Arena) -> None:
    first = arena.start("--pre-start", "echo no disk; exit 3")
    wait_for(lambda: failed(first), "the gate to fail")

    arena.start("--pre-start", "true")

    (stint,) = arena.stamps.wait_for_stints(1)
    assert int(stint.token) == 2
    assert "exit code 3; the job is not started" in first.log()
    assert "no disk" in first.log()
    assert first.process.poll() is None


@pytest.mark.parametrize("stores", ["arena", "etcd_arena"])
def test_a_gate_that_hangs_is_killed_with_its_tree_and_another_leads(
    stores: str, request: pytest.FixtureRequest
) -> None:
    arena: Arena = request.getfixturevalue(stores)
    gate = stamping(arena, *_STAY)
    first = arena.start("--pre-start", gate, "--hook-timeout", "1s")
    arena.stamps.wait_for_stints(1)

    arena.start()

    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()
    assert failed(first)
    assert not first.leads()


def test_a_gate_is_gone_by_the_deadline_when_the_store_is(etcd_arena: Arena) -> None:
    arena = etcd_arena
    wire = arena.proxy()
    gate = stamping(arena, *_STAY)
    first = arena.start("--pre-start", gate, "--hook-timeout", "1h", by=wire)
    arena.stamps.wait_for_stints(1)
    arena.start()

    wire.black_hole()

    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()
    wait_for(lambda: "lost" in first.log(), "the first to notice")


def test_a_lead_that_is_lost_ends_the_gate(etcd_arena: Arena, tmp_path: Path) -> None:
    arena, ledger = etcd_arena, tmp_path / "ledger"
    hooks = ("--pre-start", stamping(arena, *_STAY), "--post-stop", note(ledger, "post"))
    lost = note(tmp_path / "lost", "$COORDSIDECAR_HOOK", "$COORDSIDECAR_ROLE_OLD")
    first = arena.start(*hooks, "--hook-timeout", "1h", "--on-lead-lost", lost)
    arena.stamps.wait_for_stints(1)
    arena.start()

    arena.revoke()

    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()
    assert "lost" in first.log()
    assert notes(ledger) == []
    wait_for(lambda: notes(tmp_path / "lost") == ["on-lead-lost standby"], "it to be told")


def test_nothing_of_a_gate_is_left_when_its_guard_was_killed(arena: Arena) -> None:
    first = arena.start("--pre-start", stamping(arena, *_STAY), "--hook-timeout", "1h")
    arena.stamps.wait_for_stints(1)
    arena.start()

    first.signal(signal.SIGKILL)

    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()
    wait_for(lambda: first.everyone() == [], "all of the first to be gone")


def test_a_stop_ends_the_gate(arena: Arena) -> None:
    first = arena.start("--pre-start", stamping(arena, "setsid-child"), "--hook-timeout", "1h")
    arena.stamps.wait_for_stints(1)

    first.signal(signal.SIGTERM)

    assert first.wait() == 128 + signal.SIGTERM
    assert first.everyone() == []


def test_post_stop_runs_between_the_end_of_the_tree_and_the_next_leader(
    arena: Arena, tmp_path: Path
) -> None:
    """What stamps meanwhile is the tree of before, or the next job: nothing may."""
    before, after = tmp_path / "before", tmp_path / "after"
    stamps = arena.stamps.path
    clear = f"cp {stamps} {before}; sleep 0.5; cp {stamps} {after}"
    options = ("--post-stop", clear, "--stop-timeout", "300ms")
    leader, standby = arena.pair(*options, command=arena.stamps.command("daemon-child", *_STAY))

    leader.signal(signal.SIGTERM)

    wait_for(lambda: len(arena.stamps.stints()) == 2, "the next job")
    assert before.read_bytes() == after.read_bytes() != b""
    arena.stamps.assert_never_two()
    assert leader.wait() == 128 + signal.SIGKILL, "the job's code"
    assert standby.process.poll() is None


def test_post_stop_runs_once_and_leaves_the_exit_code_alone(arena: Arena, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    told = ("$COORDSIDECAR_HOOK", "$COORDSIDECAR_ROLE_OLD", "$COORDSIDECAR_ROLE")
    clear = note(ledger, *told, "$COORDSIDECAR_TOKEN", "$COORDSIDECAR_REASON") + "; exit 9"

    sidecar = arena.start("--post-stop", clear, command=["sh", "-c", "exit 5"])

    assert sidecar.wait() == 5
    assert notes(ledger) == ["post-stop leader stopping 1 the job ended; exit code 5"]
    assert failed(sidecar, "post-stop")


@pytest.mark.parametrize("stores", ["arena", "etcd_arena"])
def test_a_post_stop_that_hangs_is_killed_and_the_lead_given_up(
    stores: str, request: pytest.FixtureRequest
) -> None:
    arena: Arena = request.getfixturevalue(stores)
    clear = stamping(arena, *_STAY)
    leader, _ = arena.pair("--post-stop", clear, "--hook-timeout", "1s")

    leader.signal(signal.SIGTERM)

    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()
    assert failed(leader, "post-stop")
    assert leader.wait() == 128 + signal.SIGTERM


def test_post_stop_does_not_run_where_the_lead_was_lost(etcd_arena: Arena, tmp_path: Path) -> None:
    arena, ledger = etcd_arena, tmp_path / "ledger"
    leader, _ = arena.pair("--post-stop", note(ledger, "post"))

    arena.revoke()

    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()
    wait_for(lambda: "standing-by" in leader.log(), "the first to stand by")
    assert notes(ledger) == []


def test_a_gate_reads_nothing_and_writes_to_the_log(arena: Arena, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with out.open("wb") as file:
        sidecar = arena.start(
            "--pre-start",
            "cat; echo from the gate",
            command=["echo", "from the job"],
            stdout=file.fileno(),
        )
        assert sidecar.wait() == 0

    assert out.read_text() == "from the job\n"
    assert "from the gate" in sidecar.log()


def test_post_stop_knows_why_the_gate_let_nothing_in(arena: Arena, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"

    arena.start("--pre-start", "exit 3", "--post-stop", note(ledger, '"$COORDSIDECAR_REASON"'))

    wait_for(lambda: notes(ledger), "it to clean up")
    assert notes(ledger)[0].startswith("it ended; exit code 3; the job is not started")


def test_with_standard_error_closed_they_run_all_the_same(arena: Arena, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    hooks = ("--pre-start", note(ledger, "gate"), "--post-stop", note(ledger, "post"))
    closed = ("sh", "-c", 'exec "$0" "$@" 2>&-')

    arena.start(*hooks, command=["sh", "-c", note(ledger, "job")], through=closed)

    wait_for(lambda: notes(ledger) == ["gate", "job", "post"], "all of them")


def test_wait_is_over_for_a_gate_that_lets_nobody_in(arena: Arena) -> None:
    sidecar = arena.start("--pre-start", "exit 3", "--wait", "0s")

    assert sidecar.wait() == 124
    assert "the lead was given up here, and --wait is over" in sidecar.log()
    assert "the guard is dead" not in sidecar.log()
