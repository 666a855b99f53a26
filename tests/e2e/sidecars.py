"""Real sidecars for the end-to-end tests, and the stamps their jobs leave."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

STAMP_JOB = Path(__file__).parent / "jobs" / "stamp.py"
MARK = "SIDECAR_UNDER_TEST"
_PATIENCE_S = 60.0
HELPERS = ("job-fuse", "job-to-be", "hook-runner", "health-prober")
PROCESS_ONE = "process-one"


def wait_for(condition: Callable[[], object], what: str, *, within_s: float = _PATIENCE_S) -> None:
    """Wait until ``condition`` holds; fail with ``what`` if it never does."""
    give_up_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < give_up_s, f"waited in vain for: {what}"
        time.sleep(0.01)


def every_process() -> Iterator[psutil.Process]:
    """All that there are. By what psutil keeps of its last look, it once leaves out whoever has a
    number that was another's."""
    psutil.process_iter.cache_clear()
    return psutil.process_iter()


def marked(mark: str) -> list[psutil.Process]:
    """All living processes that have ``mark`` in their environment."""
    found = []
    for process in every_process():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def status_of(process: psutil.Process) -> str:
    """Its status, as psutil has it; dead if it went before we could look."""
    try:
        return str(process.status())
    except psutil.NoSuchProcess:
        return psutil.STATUS_DEAD


def words_of(process: psutil.Process) -> list[str]:
    """Its command line; none if it went before we could look."""
    try:
        return list(process.cmdline())
    except psutil.NoSuchProcess:
        return []


def has_ended(process: psutil.Process) -> bool:
    """Whether it has ended, reaped or not."""
    ended = (psutil.STATUS_DEAD, psutil.STATUS_ZOMBIE)
    return not process.is_running() or status_of(process) in ended


def named(processes: Iterable[psutil.Process], name: str) -> list[psutil.Process]:
    """Those of this name that are still there."""
    found = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            found += [process] if process.name() == name else []
    return found


@dataclass(frozen=True, slots=True)
class Stint:
    """One job under one token: from its first stamp to its last, on CLOCK_MONOTONIC."""

    token: str
    first_ns: int
    last_ns: int


class Stamps:
    """The file in which every job of an election leaves its stamps."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def command(self, *habits: str) -> list[str]:
        return [sys.executable, "-S", str(STAMP_JOB), str(self.path), *habits]

    def stints(self) -> list[Stint]:
        """All stints so far, in the order of their first stamps."""
        found: dict[str, Stint] = {}
        text = self.path.read_text() if self.path.exists() else ""
        for line in text[: text.rfind("\n") + 1].splitlines():
            at_text, _, token = line.split()
            at_ns = int(at_text)
            stint = found.get(token, Stint(token, at_ns, at_ns))
            found[token] = Stint(token, stint.first_ns, max(stint.last_ns, at_ns))
        return sorted(found.values(), key=lambda stint: stint.first_ns)

    def wait_for_stints(self, count: int) -> list[Stint]:
        wait_for(lambda: len(self.stints()) >= count, f"job number {count} to run")
        return self.stints()

    def assert_never_two(self) -> None:
        """No job stamped after the next one's first stamp, and tokens strictly increase."""
        stints = self.stints()
        for before, after in itertools.pairwise(stints):
            overlap_ms = (before.last_ns - after.first_ns) / 1e6
            assert overlap_ms < 0, f"both active for {overlap_ms:.1f} ms: {before} {after}"
            assert int(before.token) < int(after.token), f"token went back: {before} {after}"


class Sidecar:
    """One instance of coordsidecar as a real process, and who belongs to it."""

    def __init__(
        self,
        arguments: Sequence[str],
        log: Path,
        env: dict[str, str],
        *,
        through: Sequence[str] = (),
        program: Sequence[str] = (sys.executable, "-m", "coordsidecar"),
        stdout: int | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        """``through`` is a command that executes the rest of its arguments, such as nohup."""
        self.log_path = log
        self._log = log.open("ab")
        self.mark = uuid.uuid4().hex
        self.process = subprocess.Popen(
            [*through, *program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=self._log,
            env=env | {MARK: self.mark},
            start_new_session=True,
            pass_fds=pass_fds,
        )
        self._seen: dict[int, psutil.Process] = {}

    @property
    def pid(self) -> int:
        return self.process.pid

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def children(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            children = psutil.Process(self.pid).children()
            everyone = psutil.Process(self.pid).children(recursive=True)
            self._seen |= {process.pid: process for process in everyone}
            return children
        return []

    def elector(self) -> psutil.Process:
        """The elector: the child with its own group that still runs our own program."""
        return _first(self._electors, "the elector to start")

    def _electors(self) -> list[psutil.Process]:
        found = []
        for child in self.children():
            with contextlib.suppress(psutil.Error):
                ours = "coordsidecar" in child.cmdline() and child.name() not in HELPERS
                if ours and child.status() != psutil.STATUS_ZOMBIE:
                    found.append(child)
        return found

    def job(self) -> psutil.Process:
        """The main process of the job."""
        return _first(self._jobs, "the job to start")

    def _jobs(self) -> list[psutil.Process]:
        found = []
        for child in self.children():
            with contextlib.suppress(psutil.Error):
                command = child.cmdline()
                # One of ours that was killed has none for an instant, before it is a zombie.
                if command and "coordsidecar" not in command:
                    found.append(child)
        return found

    def leads(self) -> bool:
        return bool(self._jobs())

    def everyone(self) -> list[psutil.Process]:
        """Whoever lives that we started, directly or not; but for who wiped the environment."""
        return marked(self.mark)

    def signal(self, signum: int) -> None:
        os.kill(self.pid, signum)

    def wait(self) -> int:
        """The exit code, as a shell would show it."""
        code = self.process.wait(timeout=_PATIENCE_S)
        return code if code >= 0 else 128 - code

    def end(self) -> None:
        """Whatever the test did, nothing of us stays behind. Another call does nothing."""
        if self._log.closed:
            return
        self.children()
        for patience_s in (0.5, 5):  # To ask twice kills the job, whatever it makes of TERM.
            with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                self.signal(signal.SIGCONT)
                self.process.terminate()
                self.process.wait(timeout=patience_s)
        self.process.kill()
        self.process.wait()
        for process in (*self._seen.values(), *self.everyone()):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._log.close()


def _first(look: Callable[[], list[psutil.Process]], what: str) -> psutil.Process:
    """Wait until there is one; who is seen once may be gone at the next look."""
    found: list[psutil.Process] = []

    def there_is() -> bool:
        found.extend(look())
        return bool(found)

    wait_for(there_is, what)
    return found[0]


@contextlib.contextmanager
def sidecars(folder: Path) -> Iterator[Callable[..., Sidecar]]:
    """A function that starts sidecars; all of them are ended at the end."""
    started: list[Sidecar] = []
    clean = {name: value for name, value in os.environ.items() if "COORDSIDECAR" not in name}

    def start(*arguments: str, env: dict[str, str] | None = None, **how: Any) -> Sidecar:
        log = folder / f"sidecar-{len(started)}.log"
        started.append(Sidecar(arguments, log, clean | (env or {}), **how))
        return started[-1]

    try:
        yield start
    finally:
        for sidecar in started:
            sidecar.end()
