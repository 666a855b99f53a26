"""What is done to the contenders: start them, break them, and leave them alone."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.contenders import Contender
from bench.figures import Figures
from bench.job import Job, Stamps, Stint
from bench.wrapper import Wrapper, clean_environ, wait_for, wrappers

__all__ = [
    "BUSY_PERIOD_US",
    "FAULTS",
    "Arena",
    "BenchError",
    "Fault",
    "idle",
    "start_up",
    "take_over",
    "warm_up",
]

_READY_WITHIN_S = 30.0
_SETTLE_S = 0.5  # So that a standby not only is in line, but waits.
BUSY_PERIOD_US = 1000
_IDLE_PERIOD_US = 10_000_000
# How long both jobs are looked at after a takeover, to see whether the old one still runs.
_BOTH_ACTIVE_LOOK_S = 0.1


class BenchError(Exception):
    """A contender did not get as far as to be measured."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What befalls a leader, and how long to wait for the next job.

    ``from_fault``: the figure is counted from the fault, not from the old job's last stamp.
    """

    figure: str
    hits_job: bool
    signum: int
    patience_s: float
    from_fault: bool = False


FAULTS = (
    Fault("hand-over", hits_job=False, signum=signal.SIGTERM, patience_s=5.0),
    Fault("child-kill", hits_job=True, signum=signal.SIGKILL, patience_s=30.0),
    Fault("kill-9", hits_job=False, signum=signal.SIGKILL, patience_s=75.0, from_fault=True),
)


class Arena:
    """A place for scenarios: each gets an election and a folder of its own."""

    def __init__(self, folder: Path, *, job: Job, figures: Figures) -> None:
        self.figures = figures
        self._folder = folder
        self._job = job
        self._environ = clean_environ(folder / "bytecode")
        self._numbers = itertools.count()

    @contextlib.contextmanager
    def scene(self, contender: Contender, *, period_us: int = BUSY_PERIOD_US) -> Iterator[Scene]:
        election = f"bench-{os.getpid()}-{next(self._numbers)}"
        folder = self._folder / election
        stamps = Stamps(folder / "stamps", job=self._job, period_us=period_us)
        with wrappers(folder, environ=self._environ, job_command=stamps.command) as start:
            yield Scene(contender, election, stamps, start)


class Scene:
    """One election of one contender."""

    def __init__(
        self, contender: Contender, election: str, stamps: Stamps, start: Callable[..., Wrapper]
    ) -> None:
        self.contender = contender
        self.stamps = stamps
        self._election = election
        self._start = start
        self._started = 0

    def script_exists(self) -> bool:
        return self.contender.script_argv(self._election, self.stamps.command) is not None

    def leader(self, *, by_script: bool = False) -> tuple[Wrapper, Stint]:
        """Start a wrapper where nobody leads; return it and its job."""
        argv_of = self.contender.script_argv if by_script else self.contender.argv
        argv = argv_of(self._election, self.stamps.command)
        assert argv is not None
        wrapper = self._start(argv)
        self._started += 1
        if not wait_for(self.stamps.stints, within_s=_READY_WITHIN_S):
            raise BenchError(f"{self.contender.title} ran no job; it said:\n{wrapper.log()}")
        return wrapper, self.stamps.stints()[0]

    def standby(self) -> Wrapper:
        """Start another wrapper, and return it once it waits behind those before it."""
        wrapper = self._start(self.contender.argv(self._election, self.stamps.command))
        behind, self._started = self._started, self._started + 1
        if not wait_for(
            lambda: self.contender.waits(wrapper, self._election, behind=behind),
            within_s=_READY_WITHIN_S,
        ):
            raise BenchError(f"{self.contender.title} does not stand by; it said:\n{wrapper.log()}")
        time.sleep(_SETTLE_S)
        return wrapper


def warm_up(arena: Arena, contender: Contender) -> None:
    """Start once for nothing: files are read from the disk, and Python's libraries compiled."""
    with arena.scene(contender) as scene:
        scene.leader()


def start_up(arena: Arena, contender: Contender) -> None:
    """From the launch to the job's first stamp, with nobody else there."""
    for figure, by_script in (("start-up", False), ("start-up-script", True)):
        with arena.scene(contender) as scene:
            if by_script and not scene.script_exists():
                continue
            wrapper, stint = scene.leader(by_script=by_script)
            took_ms = (stint.first_ns - wrapper.launched_ns) / 1e6
            arena.figures.add(contender.title, figure, took_ms)


def take_over(arena: Arena, contender: Contender, fault: Fault) -> None:
    """Break the leader: how long until the standby's job runs, and does the old one still?"""
    figures, title = arena.figures, contender.title
    with arena.scene(contender) as scene:
        leader, old = scene.leader()
        time.sleep(_SETTLE_S)
        measure_memory(figures, title, "leader", leader)
        standby = scene.standby()
        measure_memory(figures, title, "standby", standby)
        if fault.hits_job:
            at_ns = time.monotonic_ns()
            os.kill(old.pid, fault.signum)
        else:
            at_ns = leader.signal(fault.signum)
        if not wait_for(lambda: len(scene.stamps.stints()) > 1, within_s=fault.patience_s):
            figures.add_none(title, fault.figure, f"none within {fault.patience_s:g} s")
            return
        time.sleep(_BOTH_ACTIVE_LOOK_S)
        old, new = scene.stamps.stints()[:2]
        gap_ms = (new.first_ns - old.last_ns) / 1e6
        if gap_ms < 0:
            figures.note(title, fault.figure, "BOTH ACTIVE")
        from_fault_ms = (new.first_ns - at_ns) / 1e6
        took_ms = from_fault_ms if fault.from_fault or gap_ms < 0 else gap_ms
        figures.add(title, fault.figure, took_ms)


def measure_memory(figures: Figures, title: str, role: str, wrapper: Wrapper) -> None:
    rss_mb, pss_mb = wrapper.memory_mb()
    figures.add(title, f"{role}-pss", pss_mb)
    figures.add(title, f"{role}-rss", rss_mb)


def idle(arena: Arena, found: list[Contender], *, windows: int, window_s: float) -> None:
    """What leaders and standbys compute while nothing happens; all of them at once."""
    with contextlib.ExitStack() as stack:
        watched: list[tuple[str, str, Wrapper]] = []
        for contender in found:
            scene = stack.enter_context(arena.scene(contender, period_us=_IDLE_PERIOD_US))
            leader, _ = scene.leader()
            watched.append((contender.title, "leader", leader))
            watched.append((contender.title, "standby", scene.standby()))
        time.sleep(1.0)  # The last of them to start shall have settled, too.
        before = [_used(wrapper) for _, _, wrapper in watched]
        for _ in range(windows):
            time.sleep(window_s)
            after = [_used(wrapper) for _, _, wrapper in watched]
            for (title, role, _), was, now in zip(watched, before, after, strict=True):
                for_s, cpu_s, wakeups = (to - since for since, to in zip(was, now, strict=True))
                arena.figures.add(title, f"{role}-cpu", cpu_s / for_s * 3600)
                arena.figures.add(title, f"{role}-wakeups", wakeups / for_s)
            before = after


def _used(wrapper: Wrapper) -> tuple[float, float, int]:
    """The time now, the CPU time that it has used so far, and how often it woke up."""
    return time.monotonic(), wrapper.cpu_s(), wrapper.wakeups()
