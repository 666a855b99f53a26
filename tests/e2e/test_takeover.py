"""The promise, row by row: whatever happens to the leader, one job at a time, and soon one."""

from __future__ import annotations

import signal
import subprocess

import psutil

from tests.e2e.arena import PATIENT_TTL, Arena
from tests.e2e.sidecars import Sidecar, has_ended, wait_for


def assert_taken_over(arena: Arena) -> None:
    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()


def test_a_deploy_hands_over(arena: Arena) -> None:
    """SIGTERM: the job is stopped, the election released, and the standby's job runs."""
    leader, _ = arena.pair()

    leader.signal(signal.SIGTERM)

    assert leader.wait() == 128 + signal.SIGTERM
    assert_taken_over(arena)


def test_a_deploy_stops_what_the_shell_runs(arena: Arena) -> None:
    """`sh -c 'job; true'`: the shell dies of TERM at once, its job must not live on."""
    job = subprocess.list2cmdline(arena.stamps.command("slow-term"))
    leader, _ = arena.pair(command=["sh", "-c", f"{job}; true"])

    leader.signal(signal.SIGTERM)

    leader.wait()
    assert_taken_over(arena)


def test_a_job_that_dies_makes_room(arena: Arena) -> None:
    leader, _ = arena.pair()

    leader.job().kill()

    assert leader.wait() == 128 + signal.SIGKILL
    assert_taken_over(arena)


def test_a_killed_guard_takes_its_job_along(arena: Arena) -> None:
    leader, _ = arena.pair()
    job, elector = leader.job(), leader.elector()

    leader.signal(signal.SIGKILL)

    assert_taken_over(arena)
    assert has_ended(job)
    wait_for(lambda: has_ended(elector), "the elector to end")


def test_a_frozen_guard_loses_its_job_before_its_lease(arena: Arena) -> None:
    leader, _ = arena.pair()
    job = leader.job()

    leader.signal(signal.SIGSTOP)

    assert_taken_over(arena)
    assert has_ended(job)
    assert leader.wait() == 128 + signal.SIGKILL


def test_guard_and_elector_killed_at_once_leave_no_job(arena: Arena) -> None:
    leader, _ = arena.pair()
    job, elector = leader.job(), leader.elector()

    elector.kill()
    leader.signal(signal.SIGKILL)

    assert_taken_over(arena)
    assert has_ended(job)


def test_guard_and_elector_frozen_at_once_cannot_keep_the_job_alive(network_arena: Arena) -> None:
    """`pkill -STOP coordsidecar`: nobody is left to end the job but its fuse."""
    leader, _ = network_arena.pair()
    job, elector = leader.job(), leader.elector()

    elector.suspend()
    leader.signal(signal.SIGSTOP)

    assert_taken_over(network_arena)
    assert has_ended(job)


def test_a_frozen_guard_with_a_dead_elector_cannot_keep_the_job_alive(
    network_arena: Arena,
) -> None:
    leader, _ = network_arena.pair()
    job, elector = leader.job(), leader.elector()

    leader.signal(signal.SIGSTOP)
    elector.kill()

    assert_taken_over(network_arena)
    assert has_ended(job)


def test_a_leader_that_is_cut_off_stops_in_time_and_rejoins(network_arena: Arena) -> None:
    arena = network_arena
    wire = arena.proxy()
    leader = arena.start(by=wire)
    arena.stamps.wait_for_stints(1)
    standby = arena.start()
    wait_for(lambda: "standing-by" in standby.log(), "the second instance to stand by")

    wire.black_hole()

    assert_taken_over(arena)
    rejoined = leader.log().count("standing-by")
    wire.heal()
    wait_for(lambda: leader.log().count("standing-by") > rejoined, "the old leader to rejoin")
    assert leader.process.poll() is None
    arena.stamps.assert_never_two()


def test_a_revoked_leader_stops_at_once(arena: Arena) -> None:
    arena.pair()

    arena.revoke()

    assert_taken_over(arena)


def test_a_leader_whose_key_is_deleted_stops_at_once(arena: Arena) -> None:
    arena.pair()

    arena.delete_key()

    assert_taken_over(arena)


def test_an_elector_that_dies_ten_times_disturbs_nothing(arena: Arena) -> None:
    arena.ttl = PATIENT_TTL  # Ten starts of an elector must fit into it.
    leader, _ = arena.pair()
    job = leader.job()

    for _ in range(10):
        elector = leader.elector()
        elector.kill()
        wait_for(lambda dead=elector: has_ended(dead), "the elector to die")  # type: ignore[misc]

    replacement(leader, job)
    assert [stint.token for stint in arena.stamps.stints()] == [arena.stamps.stints()[0].token]


def test_an_elector_that_hangs_is_replaced(arena: Arena) -> None:
    arena.ttl = PATIENT_TTL
    leader, _ = arena.pair()
    job, elector = leader.job(), leader.elector()

    elector.suspend()

    wait_for(lambda: has_ended(elector), "the guard to end the elector that hangs")
    replacement(leader, job)
    assert len(arena.stamps.stints()) == 1


def replacement(leader: Sidecar, job: psutil.Process) -> None:
    """The job never noticed, and outlives by far the lease that the dead elector had."""
    first = leader.elector()
    before = leader.job()
    assert before == job
    stamp = job.cpu_times()
    wait_for(lambda: job.cpu_times() != stamp, "the job to go on")
    assert not has_ended(first)
