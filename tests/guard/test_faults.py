"""Guard, elector and job killed and frozen, singly and in pairs: never two jobs, and then one."""

from __future__ import annotations

import contextlib
import itertools
import signal
import time

import psutil
import pytest

from tests.e2e.arena import Arena
from tests.e2e.sidecars import Sidecar, wait_for
from tests.trees.test_trees import tree

_KILL, _STOP = signal.SIGKILL, signal.SIGSTOP
_PARTS = ("guard", "elector", "job")
_SINGLE = [((part, how),) for part in _PARTS for how in (_KILL, _STOP)]
_DOUBLE = [
    ((one, how_one), (other, how_other))
    for one, other in itertools.combinations(_PARTS, 2)
    for how_one, how_other in itertools.product((_KILL, _STOP), repeat=2)
]
# How long a freeze lasts: the fault itself, and longer than guard and elector wait for each other.
_FROZEN_S = 1.2


def strike(leader: Sidecar, faults: tuple[tuple[str, int], ...]) -> list[psutil.Process]:
    """Kill or stop these parts; return those that were stopped."""
    guard = psutil.Process(leader.pid)
    parts = {"guard": guard, "elector": leader.elector(), "job": leader.job()}
    for part, how in faults:
        parts[part].send_signal(how)
    return [parts[part] for part, how in faults if how == _STOP]


def freeze(processes: list[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):  # It was about to end.
            process.suspend()


def thaw(frozen: list[psutil.Process]) -> None:
    for process in frozen:
        with contextlib.suppress(psutil.NoSuchProcess):  # Ended by the others, as it should be.
            process.resume()


def names(faults: tuple[tuple[str, int], ...]) -> str:
    return " and ".join(f"{part} {signal.Signals(how).name}" for part, how in faults)


@pytest.mark.parametrize("faults", [*_SINGLE, *_DOUBLE], ids=names)
def test_whatever_is_killed_or_frozen_there_are_never_two_jobs_and_then_one(
    arena: Arena, faults: tuple[tuple[str, int], ...]
) -> None:
    leader, _ = arena.pair("--stop-timeout", "300ms")

    frozen = strike(leader, faults)

    if frozen:
        time.sleep(_FROZEN_S)
        thaw(frozen)
    if leader.process.poll() is None:
        leader.signal(signal.SIGTERM)
    arena.stamps.wait_for_stints(2)
    assert tree(leader) == []
    arena.stamps.assert_never_two()
    leader.wait()
    wait_for(lambda: not leader.everyone(), "all of the first instance to end")


def test_a_frozen_job_is_left_to_whoever_froze_it(arena: Arena) -> None:
    """A debugger may hold it; that is no fault of ours."""
    leader, _ = arena.pair()
    job = leader.job()
    job.suspend()
    size = arena.stamps.path.stat().st_size

    job.resume()

    wait_for(lambda: arena.stamps.path.stat().st_size > size, "the job to go on")
    assert leader.job() == job


def test_a_guard_that_wakes_up_past_its_deadline_ends_the_job_before_it_acts(
    etcd_arena: Arena,
) -> None:
    """All of it frozen for longer than its lease, as by a suspended host: no stamp after that."""
    arena = etcd_arena
    arena.ttl = "2s"
    leader = arena.start("--takeover-delay", "0s")
    arena.stamps.wait_for_stints(1)
    job, elector, guard = leader.job(), leader.elector(), psutil.Process(leader.pid)
    everyone = [process for process in leader.everyone() if process.pid != job.pid]
    freeze([guard, job, *everyone])
    size = arena.stamps.path.stat().st_size
    queue = ("get", "--prefix", f"{arena.election.prefix}/", "--keys-only")
    etcdctl = arena.server.etcdctl  # type: ignore[union-attr]  # The etcd arena has an etcd.
    wait_for(lambda: not etcdctl(*queue).split(), "the lease to expire")

    thaw([guard, elector, *everyone])

    wait_for(lambda: not job.is_running(), "the job to be killed")
    arena.stamps.wait_for_stints(2)
    lines = arena.stamps.path.read_text()[size:].splitlines()
    assert str(job.pid) not in {line.split()[1] for line in lines}
    arena.stamps.assert_never_two()


def test_a_guard_that_wakes_up_alone_past_its_deadline_ends_the_job(etcd_arena: Arena) -> None:
    """It needs nobody for that: not the elector, nor the fuse."""
    arena = etcd_arena
    arena.ttl = "2s"
    leader = arena.start()
    arena.stamps.wait_for_stints(1)
    job = leader.job()
    everyone = leader.everyone()
    freeze(everyone)
    time.sleep(2)  # The lease.

    leader.signal(signal.SIGCONT)

    wait_for(lambda: not job.is_running(), "the job to be killed")
    thaw(everyone)


def test_if_all_of_us_are_killed_at_once_the_kernel_ends_the_job(arena: Arena) -> None:
    leader, _ = arena.pair()
    job = leader.job()
    ours = [process for process in leader.everyone() if process != job]

    freeze(ours)
    for process in ours:
        process.kill()

    wait_for(lambda: not job.is_running(), "the job to die")
    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()


def test_a_whole_instance_that_is_frozen_and_thawed_ends_its_job_and_rejoins(
    etcd_arena: Arena,
) -> None:
    """Thawed job first, which may act for an instant: only its token can stop that."""
    arena = etcd_arena
    arena.ttl = "2s"
    leader, _ = arena.pair("--takeover-delay", "0s")
    job, first_token = leader.job(), arena.stamps.stints()[0].token
    everyone = leader.everyone()
    freeze(everyone)
    arena.stamps.wait_for_stints(2)

    thaw(sorted(everyone, key=lambda process: process.pid != job.pid))

    wait_for(lambda: not job.is_running(), "the thawed job to be ended")
    wait_for(lambda: leader.process.poll() is not None or "standing-by" in leader.log(),
             "the thawed instance to rejoin, or to have been ended")  # fmt: skip
    second = arena.stamps.stints()[1]
    assert int(second.token) > int(first_token)
