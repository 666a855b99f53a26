"""What the process ``health-prober`` makes of its checks, and what it tells the guard."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from coordsidecar.children import health_prober
from coordsidecar.children.forking import Dispositions
from coordsidecar.children.health_prober import NOTHING, STANDBY, HealthProber
from coordsidecar.log import Log


class Check:
    """In place of a command: one that is under way, until ``exit_code`` says how it has ended."""

    runs = True
    until_s = 105.0
    exit_code: int | None = None

    def close(self) -> tuple[str, int]:
        self.runs = False
        return "", 0

    def start(self, *_: object, **__: object) -> None:
        raise OSError(11, os.strerror(11), "fork")


class Bench:
    """A prober without a process: a check, a clock, and the guard's end of the link."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, start_period_s: float = 0.0) -> None:
        self.now_s = 100.0
        monkeypatch.setattr(health_prober, "boottime_s", lambda: self.now_s)
        self.guards, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.guards.setblocking(False)
        self.prober = HealthProber(
            Log(fmt="text", election="e", node_id="one"),
            Dispositions(ignored=frozenset(), blocked=frozenset()),
            lambda _: None,
            link=self.theirs,
            guard_pidfd=os.pidfd_open(os.getpid()),
            interval_s=10.0,
            timeout_s=5.0,
            rise=1,
            fall=1,
            start_period_s=start_period_s,
        )
        self.tell(3, 7)

    def tell(self, run: int, token: int, began_s: float = 100.0) -> None:
        self.guards.send(json.dumps([run, token, began_s]).encode())
        self.prober._hear()

    def judge(self, check: Check, *, printed: str = "") -> list[Any]:
        """What the guard is told once this check is looked at."""
        self.prober._command = check  # type: ignore[assignment]
        self.prober._said = printed
        self.prober._judge()
        return self.told()

    def told(self) -> list[Any]:
        found = []
        while True:
            try:
                found.append(json.loads(self.guards.recv(4096)))
            except BlockingIOError:
                return found


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    bench = Bench(monkeypatch)
    yield bench
    bench.guards.close()
    bench.theirs.close()


def ended(code: int) -> Check:
    check = Check()
    check.exit_code = code
    return check


@pytest.mark.parametrize(
    ("code", "printed", "why"),
    [
        (1, "", "exit code 1"),
        (1, "no disk", "no disk"),
        (3, "no disk", "exit code 3: no disk"),
        (137, "", "exit code 137"),
        (1, "\x1b[2Jclear\u202e", r"\x1b[2Jclear\u202e"),
    ],
)
def test_the_reason_is_what_it_printed_and_how_it_ended(
    code: int, printed: str, why: str, bench: Bench
) -> None:
    assert bench.judge(ended(code), printed=printed) == [[3, False, why]]


def test_the_reason_is_cut_to_size(bench: Bench) -> None:
    ((_, _, why),) = bench.judge(ended(1), printed="\U0001f600" * 5000)

    assert len(why) == 200


def test_a_check_that_has_not_ended_in_time_has_failed(bench: Bench) -> None:
    bench.now_s = 104.9
    assert bench.judge(Check()) == []

    bench.now_s = 105.1
    assert bench.judge(Check()) == [[3, False, "it did not end within 5s"]]


def test_who_looks_too_late_was_not_there_itself_but_only_once(bench: Bench) -> None:
    """The host slept, say. But one that is always late must not hide that the job is sick."""
    bench.now_s = 200.0

    first, then = bench.judge(Check()), bench.judge(Check())

    assert first == [[3, None, ""]]
    assert then == [[3, False, "it did not end within 5s"]]


def test_a_check_that_could_not_be_started_says_nothing_of_the_job(bench: Bench) -> None:
    check = Check()
    bench.prober._command = check  # type: ignore[assignment]

    bench.prober._start()

    assert bench.told() == [[3, None, ""]]


def test_where_none_can_be_started_who_stands_by_is_not_kept_from_standing(bench: Bench) -> None:
    """Whatever was found before: else it would be sick for as long as nobody can look."""
    bench.tell(STANDBY, 0)
    assert bench.judge(ended(1)) == [[STANDBY, False, "exit code 1"]]
    bench.prober._command = Check()  # type: ignore[assignment]

    bench.prober._start()

    assert bench.told() == [[STANDBY, None, "exit code 1", "a check cannot be started"]]


def test_what_was_found_of_one_run_is_forgotten_in_the_next(bench: Bench) -> None:
    assert bench.judge(ended(1)) == [[3, False, "exit code 1"]]

    bench.tell(4, 7)

    bench.now_s = 200.0
    assert bench.judge(Check()) == [[4, None, ""]], "of this one nothing is known yet"


def test_it_looks_away_at_once_when_no_job_runs_any_more(bench: Bench) -> None:
    check = Check()
    bench.prober._command = check  # type: ignore[assignment]

    bench.tell(*NOTHING)

    assert not check.runs
    assert bench.prober._next_s == float("inf")


def test_it_looks_on_where_it_is_to_look_while_no_job_leads(bench: Bench) -> None:
    bench.tell(STANDBY, 0)

    assert bench.prober._next_s == 100.0, "it is waited for"
    assert bench.judge(ended(1)) == [[STANDBY, False, "exit code 1"]]


def test_the_start_period_is_that_of_the_job_whoever_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that follows another begins none anew: else who keeps dying would find nobody sick."""
    bench = Bench(monkeypatch, start_period_s=60.0)
    bench.now_s = 161.0
    bench.tell(4, 7, began_s=100.0)

    assert bench.judge(ended(1)) == [[4, False, "exit code 1"]]
    bench.guards.close()
    bench.theirs.close()
