"""What the process ``health-prober`` tells the guard where the job says itself how it is."""

from __future__ import annotations

import array
import json
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from coordsidecar.children import health_listener, notify_socket
from coordsidecar.children.health_listener import HealthListener
from coordsidecar.children.health_prober import NOTHING
from coordsidecar.children.notify_sender import Senders
from coordsidecar.children.status_lines import StatusLines
from coordsidecar.log import Log
from coordsidecar.trees.process import NotSeenError


class Bench:
    """A listener without a process: a clock, the job's sockets, and the guard's end of the link.

    The job is this process, whose parent so is taken for the guard.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 100.0
        monkeypatch.setattr(health_listener, "boottime_s", lambda: self.now_s)
        self.guards, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.guards.setblocking(False)
        self.pidfd = os.pidfd_open(os.getpid())
        self.sockets: list[socket.socket] = []
        self.listener = HealthListener(
            Log(fmt="text", election="e", node_id="one"),
            link=self.theirs,
            guard=os.getppid(),
            guard_pidfd=self.pidfd,
            watchdog_s=10.0,
            start_period_s=90.0,
        )

    def job_starts(self) -> socket.socket:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        made.bind(f"\0coordsidecar-test-{os.urandom(8).hex()}")
        self.sockets.append(made)
        return made

    def tell(self, run: int, start: int, sock: socket.socket, stage: str = "") -> None:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [sock.fileno()]))]
        self.guards.sendmsg(
            [json.dumps([run or NOTHING[0], 7, 100.0, start, stage]).encode()], rights
        )
        self.listener._hear_guard()

    def job_says(self, text: str, sock: socket.socket) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto(text.encode(), sock.getsockname())

    def turn(self) -> list[list[Any]]:
        """What the guard is told in one turn of the loop."""
        self.listener._look()
        found = []
        while True:
            try:
                found.append(json.loads(self.guards.recv(4096)))
            except BlockingIOError:
                return found

    def close(self) -> None:
        self.listener._use(None)
        os.close(self.pidfd)
        for end in (self.guards, self.theirs, *self.sockets):
            end.close()


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    bench = Bench(monkeypatch)
    yield bench
    bench.close()


def test_the_guard_is_told_what_is_new_and_so_often_what_is_not(bench: Bench) -> None:
    sock = bench.job_starts()
    bench.tell(3, 1, sock)
    assert bench.turn() == [[3, None, "", 1, ""]]
    bench.job_says("READY=1", sock)
    assert bench.turn() == [[3, True, "", 1, "ready"]]
    bench.job_says("WATCHDOG=1", sock)
    assert bench.turn() == []

    bench.now_s += health_listener.BEAT_S

    assert bench.turn() == [[3, True, "", 1, "ready"]]


def test_the_watchdog_runs_out(bench: Bench) -> None:
    sock = bench.job_starts()
    bench.tell(3, 1, sock, "ready")
    bench.turn()

    bench.now_s = 110.0

    assert bench.turn() == [[3, False, "no WATCHDOG=1 for 10s", 1, "ready"]]


def test_what_waits_is_heard_before_it_is_judged(bench: Bench) -> None:
    sock = bench.job_starts()
    bench.tell(3, 1, sock, "ready")
    bench.turn()
    bench.job_says("WATCHDOG=1", sock)

    bench.now_s = 111.0

    assert bench.turn() == [[3, True, "", 1, "ready"]]


def test_the_guard_knows_of_it_before_it_is_taken(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a successor of one that is killed in between can hear it."""
    sock = bench.job_starts()
    bench.tell(3, 1, sock)
    bench.turn()
    bench.job_says("READY=1", sock)

    def is_killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(HealthListener, "_tell", is_killed)
        with pytest.raises(KeyboardInterrupt):
            bench.turn()

    assert sock.recv(100, socket.MSG_DONTWAIT) == b"READY=1"


def test_another_start_of_the_job_begins_anew(bench: Bench) -> None:
    first, second = bench.job_starts(), bench.job_starts()
    bench.tell(3, 1, first)
    bench.job_says("READY=1", first)
    bench.turn()

    bench.tell(4, 2, second)
    bench.job_says("READY=1", first)

    assert bench.turn() == [[4, None, "", 2, ""]]
    bench.now_s += 90.0
    assert bench.turn()[-1] == [4, False, "no READY=1 within 1m30s", 2, ""]


def test_a_job_that_is_kept_is_not_judged_while_it_stands_by_and_is_ready_after(
    bench: Bench,
) -> None:
    sock = bench.job_starts()
    bench.tell(0, 1, sock)
    bench.job_says("READY=1", sock)
    bench.turn()
    bench.now_s = 1000.0
    assert bench.turn() == []

    bench.tell(1, 1, sock)

    assert bench.turn() == [[1, True, "", 1, "ready"]]
    bench.now_s = 1010.0
    assert bench.turn()[-1] == [1, False, "no WATCHDOG=1 for 10s", 1, "ready"]


def test_who_was_not_there_itself_blames_nobody_but_only_once(bench: Bench) -> None:
    """The host slept, say. But one that is always late must not hide that the job is sick."""
    bench.tell(3, 1, bench.job_starts(), "ready")
    bench.turn()

    bench.now_s = 200.0
    bench.listener._woke_up(110.0, 200.0)
    assert bench.turn() == [[3, True, "", 1, "ready"]]
    bench.now_s = 300.0
    bench.listener._woke_up(210.0, 300.0)

    assert bench.turn() == [[3, False, "no WATCHDOG=1 for 10s", 1, "ready"]]


def test_in_a_flood_what_was_said_in_time_is_heard_and_silence_is_noticed_all_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify_socket, "_MOST_A_TURN", 2)
    sock = bench.job_starts()
    bench.tell(3, 1, sock, "ready")
    bench.turn()
    for text in ("NOISE=1", "NOISE=1", "WATCHDOG=1"):
        bench.job_says(text, sock)

    bench.now_s = 110.5
    assert bench.turn()[-1][1] is True, "there is more to be heard"
    bench.now_s = 110.6
    assert bench.turn() == []
    assert bench.listener._tally.due_s == pytest.approx(120.6)

    for bench.now_s in (121.5, 121.7):
        for _ in range(3):
            bench.job_says("NOISE=1", sock)
        told = bench.turn()
    assert told[-1][:3] == [3, False, "no WATCHDOG=1 for 10s"]


def test_who_floods_us_is_read_slowly(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify_socket, "_MOST_A_TURN", 2)
    sock = bench.job_starts()
    bench.tell(3, 1, sock)
    bench.turn()
    for text in ("NOISE=1", "NOISE=1", "READY=1"):
        bench.job_says(text, sock)
    bench.turn()

    assert bench.turn() == [], "not in the same instant"
    bench.now_s += 0.02
    assert bench.turn()[-1][1] is True


def test_who_cannot_see_who_speaks_judges_nobody_and_takes_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    sock = bench.job_starts()
    bench.tell(3, 1, sock, "ready")
    bench.turn()
    bench.job_says("WATCHDOG=trigger", sock)

    def blind(*_: object) -> bool:
        raise NotSeenError("/proc", OSError(24, os.strerror(24)))

    with monkeypatch.context() as patch:
        patch.setattr(Senders, "is_the_jobs", blind)
        for bench.now_s in (115.0, 125.0):
            assert bench.turn()[-1][1] is True

    bench.now_s = 125.2
    assert bench.turn()[-1][:3] == [3, False, "it has said WATCHDOG=trigger"]


def test_the_socket_of_an_earlier_start_is_let_go_once_the_guard_has_shut_it(bench: Bench) -> None:
    """Else it would wake us up again and again."""
    sock = bench.job_starts()
    bench.tell(3, 1, sock)

    sock.shutdown(socket.SHUT_RDWR)
    bench.listener._wait()

    assert bench.listener._socket is None


def test_it_ends_with_the_link(bench: Bench) -> None:
    bench.guards.close()

    bench.listener._hear_guard()

    assert bench.listener._over


def test_what_it_says_of_its_state_is_logged_once_a_second_cut_to_size_and_the_last_in_the_end(
    bench: Bench, capfd: pytest.CaptureFixture[str]
) -> None:
    log = Log(fmt="text", election="e", node_id="one")
    lines = StatusLines(log)
    for number in range(1000):
        lines.say(f"{number}\n\x1b[2J" + "x" * 5000, 100.0)
    assert lines.due_s == 101.0

    lines.flush(101.0)
    lines.say("999\n\x1b[2J" + "x" * 5000, 103.0)

    first, last = capfd.readouterr().err.splitlines()
    assert "job-status: 0\\n\\x1b[2Jxxx" in first
    assert "job-status: 999\\n" in last
    assert len(last) < 300
    assert lines.due_s == float("inf")
