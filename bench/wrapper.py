"""One wrapper as a real process: start it, look at what it takes, end it and all it left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil

__all__ = ["Wrapper", "wait_for", "wrappers"]

_MARK = "BENCH_WRAPPER"
# The stamps carry the times, so looking more often would only disturb what is measured.
_POLL_EVERY_S = 0.02
_END_WITHIN_S = 5.0
# What would change what a wrapper does; each of them gets all it needs on its command line.
_NOT_INHERITED = ("COORDSIDECAR", "ETCD", "CONSUL")


def wait_for(condition: Callable[[], object], *, within_s: float) -> bool:
    """Wait until ``condition`` holds; False if it does not in time."""
    give_up_s = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > give_up_s:
            return False
        time.sleep(_POLL_EVERY_S)
    return True


class Wrapper:
    """A started wrapper. Its own processes are those of its tree that are not the job."""

    def __init__(self, argv: Sequence[str], *, job_command: Sequence[str], log_path: Path) -> None:
        self._job_command = list(job_command)
        self._mark = uuid.uuid4().hex
        self._log_path = log_path
        environ = {k: v for k, v in os.environ.items() if not k.startswith(_NOT_INHERITED)}
        with log_path.open("wb") as log:
            self.launched_ns = time.monotonic_ns()
            self.process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environ | {_MARK: self._mark},
                start_new_session=True,
            )

    def log(self) -> str:
        return self._log_path.read_text(errors="replace")

    def signal(self, signum: int) -> int:
        """Send ``signum`` to the wrapper alone; return the CLOCK_MONOTONIC time in ns."""
        at_ns = time.monotonic_ns()
        os.kill(self.process.pid, signum)
        return at_ns

    def own_pids(self) -> list[int]:
        root = psutil.Process(self.process.pid)
        everyone = [root, *root.children(recursive=True)]
        return [process.pid for process in everyone if process.cmdline() != self._job_command]

    def memory_mb(self) -> tuple[float, float]:
        """RSS and PSS of the wrapper's own processes, summed."""
        rss_kb = pss_kb = 0
        for pid in self.own_pids():
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                name, _, value = line.partition(":")
                if name == "Rss":
                    rss_kb += int(value.split()[0])
                elif name == "Pss":
                    pss_kb += int(value.split()[0])
        return rss_kb / 1024, pss_kb / 1024

    def cpu_s(self) -> float:
        """The time that the wrapper's own processes, as they are now, have computed."""
        # The processes' own clocks (see clock_getcpuclockid(3)): /proc counts in steps of 10 ms.
        return sum(time.clock_gettime((~pid << 3) | 2) for pid in self.own_pids())

    def end(self) -> None:
        """Ask the wrapper to end, then end whatever is left of it."""
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            # `etcdctl lock` swallows the signal until its child has ended.
            self._kill_jobs()
            self.process.wait(timeout=_END_WITHIN_S)
        for process in self._marked():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        self.process.wait()

    def _kill_jobs(self) -> None:
        for process in self._marked():
            with contextlib.suppress(psutil.Error):
                if process.cmdline() == self._job_command:
                    process.kill()

    def _marked(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.environ().get(_MARK) == self._mark:
                    found.append(process)
        return found


@contextlib.contextmanager
def wrappers(folder: Path, *, job_command: Sequence[str]) -> Iterator[Callable[..., Wrapper]]:
    """A function that starts wrappers; all of them are ended at the end."""
    started: list[Wrapper] = []

    def start(argv: Sequence[str]) -> Wrapper:
        log_path = folder / f"wrapper-{len(started)}.log"
        started.append(Wrapper(argv, job_command=job_command, log_path=log_path))
        return started[-1]

    try:
        yield start
    finally:
        for wrapper in reversed(started):  # The standbys first, lest each become leader in turn.
            wrapper.end()
