"""The guard's handle on what looks at the job's health: it waits for nothing, and blames nobody."""

from __future__ import annotations

import json
import math
from typing import Literal

import pytest

from coordsidecar.children.forking import Dispositions
from coordsidecar.children.health_prober import NOTHING, STANDBY
from coordsidecar.core import messages as msg
from coordsidecar.core.guard.moves import Health
from coordsidecar.core.guard.phases import Guard, Idle, Rejoin, Running, Stopping
from coordsidecar.guard import health
from coordsidecar.guard.health import HealthWatch
from coordsidecar.log import Log
from coordsidecar.settings.health_options import HealthCheck
from coordsidecar.settings.settings import Settings
from coordsidecar.store.protocol import Election
from coordsidecar.value import replace

_CHECK = HealthCheck(kind="tcp", target="127.0.0.1:1")
_SETTINGS = Settings(
    command=("job",),
    election=Election(namespace="default", name="db"),
    id="one",
    health=_CHECK,
)
_IDLE = Guard(phase=Idle(), elector_due_s=0.0, last_step_s=0.0)
_RUNNING = _IDLE.to(Running(msg.Leased(7, 108.0, 113.0)))
_SILENT_AFTER_S = 25.0


class FakeHelper:
    """One that says what it is given to say, and keeps what it is told."""

    def __init__(self, _name: str, *, guard_pidfd: int) -> None:
        self.pid: int | None = None
        self.fd = None
        self.refused = self.full = False
        self.told: list[list[int]] = []
        self.says: list[bytes] = []
        self.started = self.killed = 0

    def start(self, *_: object) -> None:
        if self.refused:
            raise OSError(11, "no process", "fork")
        self.started += 1
        self.pid = 1000 + self.started

    def send(self, packet: bytes, *, fd: int | None = None) -> bool:
        if not self.full:
            self.told.append(json.loads(packet))
        return not self.full

    def receive(self, _: int) -> bytes | None:
        return self.says.pop(0) if self.says else None

    def kill(self) -> None:
        self.killed += 1

    def abandon(self) -> None:
        self.pid = None

    def was_reaped(self, pid: int) -> bool:
        was_ours, self.pid = pid == self.pid, None
        return was_ours

    def close_link(self) -> None:
        pass


class Bench:
    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, when: Literal["leading", "always"] = "leading"
    ) -> None:
        self.now_s = 100.0
        monkeypatch.setattr(health, "boottime_s", lambda: self.now_s)
        monkeypatch.setattr(health, "Helper", FakeHelper)
        log = Log(fmt="text", election="e", node_id="one")
        untouched = Dispositions(ignored=frozenset(), blocked=frozenset())
        settings = replace(_SETTINGS, health=replace(_CHECK, when=when))
        self.watch = HealthWatch(settings, log, untouched, guard_pidfd=-1)
        helper = self.watch._prober
        assert isinstance(helper, FakeHelper)
        self.helper = helper

    def hear(self, *packets: tuple[object, ...]) -> list[Health]:
        self.helper.says += [json.dumps(packet).encode() for packet in packets]
        return list(self.watch.verdicts())

    def dies(self) -> None:
        assert self.helper.pid is not None
        self.watch.was_reaped(self.helper.pid)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def test_it_is_told_which_run_there_is_and_when_there_is_none(bench: Bench) -> None:
    for guard in (_IDLE, _RUNNING, _RUNNING, _IDLE):
        bench.watch.sees(guard)

    assert bench.helper.told == [[1, 7, 100.0], [*NOTHING]]
    assert bench.hear() == [Health(0, healthy=None, why="no job runs")]


def test_that_a_job_is_well_is_said_once_and_that_it_is_sick_until_it_is_heard(
    bench: Bench,
) -> None:
    bench.watch.sees(_RUNNING)

    heard = bench.hear(
        (1, None, ""), (1, True, ""), (1, True, ""), (1, False, "no"), (1, False, "no")
    )

    sick = Health(1, healthy=False, why="3 checks failed, the last: no")
    assert heard == [Health(1, healthy=True, why="the job is well"), sick, sick]


def test_silence_is_no_verdict_but_a_reason_for_another(bench: Bench) -> None:
    bench.watch.sees(_RUNNING)
    due_s = bench.watch.due_s
    bench.now_s = due_s - 0.1
    bench.watch.sees(_RUNNING)
    early = bench.helper.killed

    bench.now_s = due_s
    bench.watch.sees(_RUNNING)
    due = bench.helper.killed
    bench.dies()
    bench.now_s = bench.watch.due_s
    bench.watch.sees(_RUNNING)

    assert (due_s, early, due) == (100.0 + _SILENT_AFTER_S, 0, 1)
    assert bench.helper.started == 2
    began = [1, 7, 100.0]
    assert bench.helper.told == [began, began], "it knows nothing but when the job began"
    assert bench.hear() == [Health(1, healthy=None, why="nobody looks at the moment")]


def test_a_word_that_cannot_be_said_counts_as_silence_from_the_first_try_on(bench: Bench) -> None:
    bench.helper.full = True
    for bench.now_s in (100.0, 103.0, 106.0):
        bench.watch.sees(_RUNNING)

    assert bench.watch.due_s == 100.0 + _SILENT_AFTER_S


def test_a_guard_that_slept_itself_looks_twice(bench: Bench) -> None:
    bench.watch.sees(_RUNNING)

    bench.now_s = 1000.0
    bench.watch.sees(_RUNNING)

    assert bench.helper.killed == 0
    assert bench.watch.due_s == 1000.0 + _SILENT_AFTER_S


def test_who_has_nothing_to_look_at_may_be_silent(bench: Bench) -> None:
    bench.watch.sees(_RUNNING)
    bench.watch.sees(_IDLE)

    assert bench.watch.due_s == math.inf


def test_those_who_die_are_followed_later_each_time_until_one_has_looked(bench: Bench) -> None:
    pauses_s = []
    for _ in range(8):
        bench.dies()
        pauses_s.append(bench.watch.due_s - bench.now_s)
        bench.now_s = bench.watch.due_s
        bench.watch.sees(_RUNNING)
    bench.hear((1, True, ""))
    bench.dies()

    assert pauses_s == [1, 2, 4, 8, 16, 32, 60, 60]
    assert bench.watch.due_s - bench.now_s == 1


def test_where_one_that_was_killed_does_not_end_nothing_is_known_and_another_follows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else its last word would stand for ever, and keep a candidate from standing."""
    bench = Bench(monkeypatch, when="always")
    bench.watch.sees(_IDLE)
    bench.hear((STANDBY, False, "no"))
    for _ in ("it is silent", "it does not end", "another is due"):
        assert bench.watch.due_s < math.inf
        bench.now_s = bench.watch.due_s
        bench.watch.sees(_IDLE)

    heard = bench.hear()

    assert (bench.helper.killed, bench.helper.started) == (1, 2)
    assert heard == [Health(STANDBY, healthy=None, why="nobody looks at the moment")]
    assert bench.helper.told == [[STANDBY, 0, 100.0]] * 2


def test_one_that_cannot_be_forked_is_tried_again(bench: Bench) -> None:
    bench.dies()
    bench.helper.refused = True
    bench.now_s = bench.watch.due_s
    bench.watch.sees(_RUNNING)
    assert bench.watch.due_s == bench.now_s + 2

    bench.helper.refused = False
    bench.now_s = bench.watch.due_s
    bench.watch.sees(_RUNNING)

    assert bench.helper.told == [[1, 7, 101.0]]


def test_always_means_while_no_job_leads_too(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, when="always")

    for guard in (_IDLE, _RUNNING, _RUNNING.to(Stopping(None, 0.0, Rejoin())), _IDLE):
        bench.watch.sees(guard)
    heard = bench.hear((1, False, "late"), (STANDBY, False, "no"), (STANDBY, True, ""))

    assert bench.helper.told == [[STANDBY, 0, 100.0], [1, 7, 100.0], [STANDBY, 0, 100.0]]
    assert heard == [
        Health(1, healthy=False, why="3 checks failed, the last: late"),
        Health(STANDBY, healthy=False, why="3 checks failed, the last: no"),
        Health(STANDBY, healthy=True, why="the check is passed"),
    ]


def test_where_nobody_can_look_any_more_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Said each time that one could not be forked: what was said before may not have counted."""
    bench = Bench(monkeypatch, when="always")
    bench.watch.sees(_IDLE)
    assert [verdict.healthy for verdict in bench.hear((STANDBY, False, "no"))] == [False]

    bench.dies()
    bench.helper.refused = True
    bench.now_s = bench.watch.due_s
    bench.watch.sees(_IDLE)

    unknown = Health(STANDBY, healthy=None, why="nobody looks at the moment")
    assert bench.hear() == [unknown, unknown]


def test_who_follows_says_anew_that_it_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, when="always")
    for _ in range(2):
        bench.watch.sees(_IDLE)
        assert Health(STANDBY, healthy=True, why="the check is passed") in bench.hear(
            (STANDBY, True, "")
        )
        bench.dies()
        bench.now_s = bench.watch.due_s


def test_where_one_failure_is_enough_it_is_told_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    bench.watch._check = replace(_CHECK, fall=1)
    bench.watch.sees(_RUNNING)

    (sick,) = bench.hear((1, False, "no disk"))

    assert sick.why == "a check failed: no disk"


def test_where_it_cannot_look_nothing_is_known_of_who_stands_by(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch, when="always")
    bench.watch.sees(_IDLE)

    heard = bench.hear((STANDBY, None, "exit code 1", "a check cannot be started"))

    assert heard == [Health(STANDBY, healthy=None, why="a check cannot be started")]
