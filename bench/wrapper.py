"""One wrapper as a real process: start it, look at what it takes, end it and all it left behind."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import psutil

import coordsidecar
import coordsidecar_adapters

__all__ = ["Wrapper", "clean_environ", "wait_for", "wrappers"]

_MARK = "BENCH_WRAPPER"
# The stamps carry the times, so looking more often would only disturb what is measured.
_POLL_EVERY_S = 0.02
_END_WITHIN_S = 5.0
_PACKAGES = (coordsidecar, coordsidecar_adapters)
# What would change what a wrapper does; each of them gets all it needs on its command line.
_NOT_INHERITED = ("COORDSIDECAR", "ETCD", "CONSUL", "PYTHONDONTWRITEBYTECODE")


def clean_environ(bytecode_folder: Path) -> dict[str, str]:
    """The environment of a wrapper, in which Python finds all of coordsidecar compiled.

    So it is wherever pip has installed it. In a checkout it need not be, and compiling takes half
    of a start; ``bytecode_folder`` keeps the checkout as it is.
    """
    environ = {k: v for k, v in os.environ.items() if not k.startswith(_NOT_INHERITED)}
    environ["PYTHONPYCACHEPREFIX"] = str(bytecode_folder)
    folders = [str(Path(package.__file__).parent) for package in _PACKAGES if package.__file__]
    argv = [sys.executable, "-m", "compileall", "-q", *folders]
    subprocess.run(argv, env=environ, timeout=120, check=True)
    return environ


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

    def __init__(
        self,
        argv: Sequence[str],
        *,
        environ: Mapping[str, str],
        job_command: Sequence[str],
        log_path: Path,
    ) -> None:
        self._job_command = list(job_command)
        self._mark = uuid.uuid4().hex
        self._log_path = log_path
        with log_path.open("wb") as log:
            self.launched_ns = time.monotonic_ns()
            self.process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**environ, _MARK: self._mark},
                start_new_session=True,
            )

    def log(self) -> str:
        return self._log_path.read_text(errors="replace")

    def signal(self, signum: int) -> int:
        """Send ``signum`` to the wrapper alone; return the CLOCK_MONOTONIC time in ns."""
        at_ns = time.monotonic_ns()
        os.kill(self.process.pid, signum)
        return at_ns

    def everyone(self) -> list[psutil.Process]:
        """All processes that it has started, parents first, the job among them."""
        root = psutil.Process(self.process.pid)
        # By the environment as well: an orphan is nobody's descendant.
        found = [root, *root.children(recursive=True), *self._marked()]
        return list(dict.fromkeys(found))

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

    def wakeups(self) -> int:
        """How often a thread of the wrapper's own processes, as they are now, has waited."""
        waited = 0
        for pid in self.own_pids():
            for task in Path(f"/proc/{pid}/task").iterdir():
                (line,) = re.findall(r"^voluntary.*", (task / "status").read_text(), re.MULTILINE)
                waited += int(line.split()[1])
        return waited

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
        psutil.process_iter.cache_clear()  # By it, whoever has another's number is left out once.
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.environ().get(_MARK) == self._mark:
                    found.append(process)
        return found


@contextlib.contextmanager
def wrappers(
    folder: Path, *, environ: Mapping[str, str], job_command: Sequence[str]
) -> Iterator[Callable[..., Wrapper]]:
    """A function that starts wrappers; all of them are ended at the end."""
    started: list[Wrapper] = []

    def start(argv: Sequence[str]) -> Wrapper:
        log_path = folder / f"wrapper-{len(started)}.log"
        wrapper = Wrapper(argv, environ=environ, job_command=job_command, log_path=log_path)
        started.append(wrapper)
        return started[-1]

    try:
        yield start
    finally:
        for wrapper in reversed(started):  # The standbys first, lest each become leader in turn.
            wrapper.end()
