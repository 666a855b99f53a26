"""Who listens to the job holds up nobody, and is replaced without the job's noticing."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

from tests.e2e.arena import Arena
from tests.e2e.sidecars import named, wait_for
from tests.guard.test_health import said
from tests.guard.test_health_notify import READY_ONLY, SOON, WATCHDOG, job, stamping, well_while
from tests.guard.test_health_prober import prober
from tests.guard.test_hooks import notes


def test_a_flood_holds_up_no_renewal_and_no_stop(etcd_arena: Arena, tmp_path: Path) -> None:
    """Datagrams that are too long, no text, and with descriptors; and STATUS again and again."""
    over = tmp_path / "over"
    flooding = ("READY=1", *(f"flood:{20_000}",) * 5, f"note:{over}:it is", "flood:1000000000")
    first = etcd_arena.start("--id", "one", *READY_ONLY, command=stamping(etcd_arena, *flooding))
    etcd_arena.stamps.wait_for_stints(1)
    second = etcd_arena.start("--id", "two")
    wait_for(lambda: "standing-by" in second.log(), "the second to stand by")
    wait_for(lambda: notes(over), "100,000 datagrams to be sent", within_s=120)
    assert said(first, "lead-lost") == []
    assert said(first, "unhealthy") == []
    assert len(etcd_arena.stamps.stints()) == 1
    assert len(os.listdir(f"/proc/{prober(first).pid}/fd")) < 12
    assert len(first.log()) < 30_000

    first.signal(signal.SIGTERM)

    etcd_arena.stamps.wait_for_stints(2)
    etcd_arena.stamps.assert_never_two()
    assert first.wait() == 128 + signal.SIGTERM


def test_what_nobody_of_the_jobs_says_is_not_heard(arena: Arena, tmp_path: Path) -> None:
    """Anybody on this host may read the address."""
    ledger = tmp_path / "ledger"
    steps = (f"note:{ledger}:$NOTIFY_SOCKET", "sleep")
    sidecar = arena.start(*READY_ONLY, *SOON, command=job(*steps))
    wait_for(lambda: notes(ledger), "the address")

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(b"READY=1\nSTATUS=hello", "\0" + notes(ledger)[0][1:])

    wait_for(lambda: said(sidecar, "unhealthy"), "it to be sick")
    assert said(sidecar, "healthy") == said(sidecar, "job-status") == []


def test_a_listener_that_is_killed_is_replaced_and_the_job_goes_on(
    arena: Arena, tmp_path: Path
) -> None:
    """It knows that the job is ready, which says so only once, and that its watchdog runs."""
    file = tmp_path / "well"
    sidecar = arena.start(*WATCHDOG, *SOON, command=job(*well_while(file), "sleep"))
    wait_for(lambda: said(sidecar, "healthy"), "it to be well")
    first, pid = prober(sidecar), sidecar.job().pid

    first.kill()

    wait_for(lambda: said(sidecar, "health-prober"), "its end to be said")
    wait_for(lambda: named(sidecar.children(), "health-prober"), "its successor")
    assert prober(sidecar).pid != first.pid
    assert sidecar.job().pid == pid
    file.unlink()
    wait_for(lambda: said(sidecar, "unhealthy"), "the successor to judge the job")
    assert "no WATCHDOG=1 for 3s" in said(sidecar, "unhealthy")[0]
    assert len(said(sidecar, "health-prober")) == 1


def test_what_is_said_while_nobody_listens_is_heard_by_the_next(
    arena: Arena, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    sidecar = arena.start(*READY_ONLY, command=job(f"until:{go}", "READY=1", "sleep"))
    wait_for(lambda: named(sidecar.children(), "health-prober"), "somebody to listen")
    wait_for(sidecar.leads, "the job to run")

    prober(sidecar).kill()
    go.touch()

    wait_for(lambda: said(sidecar, "healthy"), "the next to hear it")
    assert said(sidecar, "unhealthy") == []


def test_a_listener_that_is_stopped_holds_up_no_stop(arena: Arena) -> None:
    command = stamping(arena, "READY=1", "sleep")
    first, second = arena.pair(*READY_ONLY, command=command)
    prober(first).suspend()

    first.signal(signal.SIGTERM)

    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()
    assert first.wait() == 128 + signal.SIGTERM
    wait_for(lambda: first.everyone() == [], "all of it to be gone")
    assert second.leads()


def test_a_listener_that_is_stopped_is_replaced_and_the_job_goes_on(
    arena: Arena, tmp_path: Path
) -> None:
    file = tmp_path / "well"
    sidecar = arena.start(*WATCHDOG, command=job(*well_while(file), "sleep"))
    wait_for(lambda: said(sidecar, "healthy"), "it to be well")
    first, pid = prober(sidecar), sidecar.job().pid

    first.suspend()

    wait_for(lambda: "says nothing; it is replaced" in sidecar.log(), "its silence to be noticed")
    wait_for(lambda: named(sidecar.children(), "health-prober"), "its successor")
    assert sidecar.job().pid == pid
    file.unlink()
    wait_for(lambda: said(sidecar, "unhealthy"), "the successor to judge the job")
    assert len(said(sidecar, "health-prober")) == 2


def test_a_guard_that_is_killed_leaves_no_listener_and_no_socket_behind(
    arena: Arena, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    steps = (f"note:{ledger}:$NOTIFY_SOCKET", "READY=1", "sleep")
    sidecar = arena.start(*READY_ONLY, command=job(*steps))
    wait_for(lambda: said(sidecar, "healthy"), "it to be well")
    name = notes(ledger)[0]
    assert name in Path("/proc/net/unix").read_text()

    sidecar.signal(signal.SIGKILL)

    wait_for(lambda: sidecar.everyone() == [], "all of it to be gone")
    assert name not in Path("/proc/net/unix").read_text()
