"""Signals work in every state: they reach the job, or end what there is without one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.arena import Arena
from tests.e2e.sidecars import MARK, Sidecar, marked, wait_for
from tests.guard.forked import exit_codes
from tests.servers import EtcdServer

_NOTE_SIGNALS = Path(__file__).parent / "jobs" / "note_signals.py"
_HOW_TO_ASK = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
# What a fault of our own or the kernel's job control means; a wrapper has no use for passing it on.
_NOT_PASSED_ON = {
    *(signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT, signal.SIGCHLD),
    *(signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGPIPE, signal.SIGXFSZ),
    *(signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL),
    *(signal.SIGTRAP, signal.SIGSYS),
    *(signal.SIGTERM, signal.SIGINT),  # They stop the job: tested apart.
}


class Noted:
    """A job that notes its signals, and the file in which it does."""

    def __init__(self, arena: Arena, *options: str) -> None:
        self.path = arena.folder / "noted"
        command = [sys.executable, "-I", "-S", str(_NOTE_SIGNALS), str(self.path)]
        self.sidecar = arena.start(*options, command=command)
        self.wait_for("ready")

    def lines(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []

    def wait_for(self, line: str | int) -> None:
        wait_for(lambda: str(line) in self.lines(), f"the job to note {line}")


def test_every_signal_that_means_the_job_reaches_it_once(arena: Arena) -> None:
    noted = Noted(arena, "--stop-timeout", "100ms")
    passed_on = sorted(int(signum) for signum in signal.valid_signals() - _NOT_PASSED_ON)

    for signum in passed_on:
        noted.sidecar.signal(signum)
        noted.wait_for(signum)

    assert noted.lines() == ["ready", *map(str, passed_on)]


@pytest.mark.parametrize(
    ("options", "sent", "received"),
    [
        ((), signal.SIGTERM, signal.SIGTERM),
        (("--stop-signal", "USR2"), signal.SIGTERM, signal.SIGUSR2),
        (("--stop-signal", "USR2"), signal.SIGINT, signal.SIGINT),
    ],
)
def test_who_asks_to_stop_has_the_job_asked(
    arena: Arena, options: tuple[str, ...], sent: int, received: int
) -> None:
    noted = Noted(arena, "--stop-timeout", "600s", *options)

    noted.sidecar.signal(sent)

    noted.wait_for(int(received))


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_to_ask_twice_kills_at_once(arena: Arena, second: int) -> None:
    noted = Noted(arena, "--stop-timeout", "600s")
    noted.sidecar.signal(signal.SIGTERM)
    noted.wait_for(int(signal.SIGTERM))

    noted.sidecar.signal(second)

    assert noted.sidecar.wait() == 128 + signal.SIGKILL
    assert noted.sidecar.everyone() == []


def test_a_job_that_does_not_stop_in_time_is_killed(arena: Arena) -> None:
    noted = Noted(arena, "--stop-timeout", "200ms")

    noted.sidecar.signal(signal.SIGTERM)

    assert noted.sidecar.wait() == 128 + signal.SIGKILL
    assert noted.sidecar.everyone() == []


def test_a_job_that_is_stopping_still_gets_other_signals(arena: Arena) -> None:
    noted = Noted(arena, "--stop-timeout", "600s")
    noted.sidecar.signal(signal.SIGTERM)
    noted.wait_for(int(signal.SIGTERM))

    noted.sidecar.signal(signal.SIGHUP)

    noted.wait_for(int(signal.SIGHUP))


def test_the_log_says_how_long_a_stop_may_take_and_whom_it_waits_for(arena: Arena) -> None:
    left = "trap '' TERM; (trap '' TERM; exec sleep 600) & sleep 600 & wait; exit 0"
    sidecar = arena.start("--stop-timeout", "1s", command=["sh", "-c", left])
    wait_for(lambda: len(sidecar.everyone()) >= 5, "the job to have children")

    sidecar.signal(signal.SIGTERM)

    sidecar.wait()
    assert "SIGTERM: stopping the job; SIGKILL follows in 1s" in sidecar.log()


def test_the_log_says_that_what_the_job_left_is_waited_for(arena: Arena) -> None:
    left = "(trap '' TERM; exec sleep 600) & exit 0"
    sidecar = arena.start("--stop-timeout", "1s", command=["sh", "-c", left])

    assert sidecar.wait() == 0
    assert "waiting for what the job left; SIGKILL follows in 1s at most pids=" in sidecar.log()


def test_a_fault_of_our_own_still_ends_us() -> None:
    """SIGABRT is passed on if somebody sent it, but `abort` must not return."""
    program = (
        "import os, signal\n"
        "from coordsidecar.children.forking import Dispositions\n"
        "from coordsidecar.cli import launch\n"
        "launch._catch_signals(Dispositions.inherited())\n"
        "os.abort()"
    )

    process = subprocess.run(
        ["sh", "-c", 'ulimit -c 0; exec "$@"', "sh", sys.executable, "-c", program],
        timeout=60,
        check=False,
    )

    assert process.returncode == -signal.SIGABRT


def test_a_stopped_job_acts_on_the_stop_signal(arena: Arena) -> None:
    """A process that was stopped does not act on TERM until CONT."""
    sidecar = arena.start("--stop-timeout", "600s")
    arena.stamps.wait_for_stints(1)
    sidecar.job().suspend()

    sidecar.signal(signal.SIGTERM)

    assert sidecar.wait() == 128 + signal.SIGTERM


@pytest.mark.parametrize("signum", _HOW_TO_ASK)
def test_a_standby_that_is_asked_to_stop_leaves_with_128_and_the_signal(
    arena: Arena, signum: int
) -> None:
    leader, standby = arena.pair()

    standby.signal(signum)

    assert standby.wait() == 128 + signum
    assert standby.everyone() == []
    assert leader.job().is_running()


def test_a_standby_that_is_asked_to_stop_leaves_the_queue(etcd_arena: Arena) -> None:
    arena = etcd_arena
    _, standby = arena.pair()
    queue = ("get", "--prefix", f"{arena.election.prefix}/", "--keys-only")
    assert arena.server is not None
    etcdctl = arena.server.etcdctl  # type: ignore[union-attr]  # It is the etcd arena's.
    assert len(etcdctl(*queue).split()) == 2

    standby.signal(signal.SIGTERM)

    standby.wait()
    assert len(etcdctl(*queue).split()) == 1


@pytest.mark.parametrize("signum", _HOW_TO_ASK)
def test_to_stop_works_while_the_store_does_not_answer(arena: Arena, signum: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        store = f"etcd://127.0.0.1:{deaf.getsockname()[1]}"
        sidecar = arena.start("--store", store, "--ttl", "2s")
        deaf.accept()[0].close()
        connection, _ = deaf.accept()

        sidecar.signal(signum)

        assert sidecar.wait() == 128 + signum
        connection.close()
    assert sidecar.everyone() == []


def test_a_stop_between_any_two_steps_of_the_start_is_not_lost(tmp_path: Path) -> None:
    """TERM at every moment, between fork and exec too: the sidecar and all that it started end."""
    runs: list[tuple[list[str], float | None]] = []
    runs += [(["sleep", "600"], step * 0.4) for step in range(150)]
    mark = str(tmp_path)

    codes = exit_codes(runs, folder=tmp_path, env=dict(os.environ) | {MARK: mark})

    assert set(codes) == {128 + signal.SIGTERM}
    assert marked(mark) == []


def test_a_stop_at_any_moment_of_a_real_start_is_not_lost(arena: Arena) -> None:
    sidecars: list[Sidecar] = []

    for step in range(16):
        sidecars.append(arena.start("--name", f"n{step}", command=["sleep", "600"]))
        for sidecar in sidecars[-3:-2]:
            sidecar.signal(signal.SIGTERM)  # About where the start of the last but two has got to.
    for sidecar in sidecars[-2:]:
        sidecar.signal(signal.SIGTERM)

    assert {sidecar.wait() for sidecar in sidecars} == {128 + signal.SIGTERM}
    assert [sidecar.everyone() for sidecar in sidecars] == [[]] * len(sidecars)


def test_a_log_that_may_not_grow_is_no_signal_to_the_job(etcd: EtcdServer, tmp_path: Path) -> None:
    """The kernel sends SIGXFSZ to who writes beyond the limit: us, with a line of the log."""
    log = tmp_path / "log"
    log.write_bytes(bytes(1024))
    words = ["--store", f"etcd://{etcd.endpoint}", "--name", "growing", "--"]
    words += ["sh", "-c", "sleep 1; exit 3"]
    limited = f'ulimit -f 1; exec {sys.executable} -m coordsidecar "$@" 2>>{log}'

    ended = subprocess.run(["sh", "-c", limited, "sh", *words], timeout=60, check=False)

    assert ended.returncode == 3
