"""The store goes away and comes back: a short outage disturbs nobody, a long one stops the job."""

from __future__ import annotations

import json
from pathlib import Path

from tests.e2e.arena import PATIENT_TTL, Arena
from tests.e2e.sidecars import Sidecar, has_ended, wait_for


def deadline_s(role_file: Path) -> float:
    return float(json.loads(role_file.read_text())["run_until_boottime_s"])


def wait_for_renewal(role_file: Path) -> None:
    """A renewal that was sent from now on has been answered."""
    before_s = deadline_s(role_file)
    wait_for(lambda: deadline_s(role_file) > before_s, "a renewal")


def test_an_outage_shorter_than_the_step_down_time_disturbs_nobody(
    network_arena: Arena, tmp_path: Path
) -> None:
    arena, role_file = network_arena, tmp_path / "role.json"
    arena.ttl = "60s"  # D is 32 s, so that the outage is the short one on any machine.
    wire = arena.proxy()
    leader = arena.start("--role-file", str(role_file), "--rpc-timeout", "1s", by=wire)
    arena.stamps.wait_for_stints(1)
    job = leader.job()

    wire.black_hole()
    wait_for(lambda: "unreachable" in leader.log(), "the outage to be noticed")
    wire.heal()

    wait_for_renewal(role_file)
    assert leader.job() == job
    assert len(arena.stamps.stints()) == 1
    assert "lost" not in leader.log()


def test_a_store_that_is_gone_for_long_stops_the_job_and_is_asked_for_ever(
    arena_of_own: Arena,
) -> None:
    arena = arena_of_own
    assert arena.server is not None
    leader = arena.start()
    arena.stamps.wait_for_stints(1)
    job = leader.job()

    arena.server.kill()

    wait_for(lambda: has_ended(job), "the job to be stopped")
    assert leader.process.poll() is None
    arena.server.restart()
    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()


def test_a_store_that_is_frozen_stops_the_job(arena_of_own: Arena) -> None:
    arena = arena_of_own
    assert arena.server is not None
    leader = arena.start()
    arena.stamps.wait_for_stints(1)
    job = leader.job()

    arena.server.pause()

    wait_for(lambda: has_ended(job), "the job to be stopped")
    arena.server.resume()
    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()


def test_a_replaced_elector_renews_the_session_it_adopted(
    network_arena: Arena, tmp_path: Path
) -> None:
    network_arena.ttl = PATIENT_TTL
    role_file = tmp_path / "role.json"
    leader = network_arena.start("--role-file", str(role_file))
    network_arena.stamps.wait_for_stints(1)
    job, token = leader.job(), json.loads(role_file.read_text())["token"]

    leader.elector().kill()

    wait_for(lambda: "elector-replaced" in leader.log(), "a new elector")
    wait_for_renewal(role_file)
    assert_undisturbed(leader, job.pid)
    assert json.loads(role_file.read_text())["token"] == token


def assert_undisturbed(leader: Sidecar, job_pid: int) -> None:
    assert leader.job().pid == job_pid
    assert "lost" not in leader.log()
