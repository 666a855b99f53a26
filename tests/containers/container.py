"""One container of our image: how it is run, looked into, frozen and removed, by podman."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

from tests.e2e.sidecars import HELPERS, wait_for

__all__ = ["IMAGE", "Container", "buildah", "containers", "logs", "podman", "run_line"]

IMAGE = "localhost/coordsidecar:test"
_E2E_JOBS = Path(__file__).parents[1] / "e2e" / "jobs"
_GUARD_JOBS = Path(__file__).parents[1] / "guard" / "jobs"
_PATIENCE_S = 120.0


def podman(*words: str, check: bool = True) -> str:
    """Run podman and return what it says; `AssertionError` with its words if it fails."""
    done = subprocess.run(
        ["podman", *words], capture_output=True, text=True, timeout=_PATIENCE_S, check=False
    )
    assert not check or done.returncode == 0, f"podman {' '.join(words)}: {done.stderr}"
    return done.stdout.strip()


def buildah(*words: str, within_s: float = _PATIENCE_S) -> str:
    """The same for buildah."""
    done = subprocess.run(
        ["buildah", *words], capture_output=True, text=True, timeout=within_s, check=False
    )
    assert done.returncode == 0, f"buildah {' '.join(words)}: {done.stderr}"
    return done.stdout.strip()


def logs(name: str) -> str:
    """What a container has written to standard output and error."""
    words = ["podman", "logs", name]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout + done.stderr


def run_line(name: str, *how: str, shared: Path | None = None, image: str = IMAGE) -> list[str]:
    """The words of ``podman run`` up to the image. ``shared``: a folder that is /shared inside."""
    mounts = [(_E2E_JOBS, "/e2e-jobs"), (_GUARD_JOBS, "/guard-jobs")]
    # The network is the host's, so that the loopback servers of the tests are the containers' too.
    words = ["run", "--name", name, "--hostname", name, "--network", "host"]
    for source, target in mounts:
        words += ["--volume", f"{source}:{target}:ro"]
    if shared is not None:
        words += ["--volume", f"{shared}:/shared"]
    return [*words, *how, image]


class Container:
    """A container that was started in the background, and the processes in it."""

    def __init__(
        self,
        arguments: Sequence[str],
        log: Path,
        *,
        how: Sequence[str],
        shared: Path,
        image: str = IMAGE,
    ) -> None:
        """``arguments`` are the sidecar's, ``how`` more words for ``podman run``."""
        self.name = f"coordsidecar-test-{uuid.uuid4().hex[:8]}"
        self._log = log
        options = ["--detach", "--log-driver", "k8s-file", "--log-opt", f"path={log}", *how]
        podman(*run_line(self.name, *options, shared=shared, image=image), *arguments)

    def log(self) -> str:
        """What it has written to standard output and error; half a line is left out."""
        if not self._log.exists():
            return ""
        lines = self._log.read_text(errors="replace").splitlines()
        return "\n".join(line.split(" ", 3)[-1] for line in lines)

    def process_one(self) -> psutil.Process:
        return psutil.Process(int(podman("inspect", "--format", "{{.State.Pid}}", self.name)))

    def everyone(self) -> list[psutil.Process]:
        """All of its processes that the host sees, the first one first."""
        first = self.process_one()
        return [first, *first.children(recursive=True)]

    def elector(self) -> psutil.Process:
        """Of our own program's processes the one with a parent of ours, and no child of ours."""
        wait_for(lambda: self._electors(), "an elector in the container")
        return self._electors()[0]

    def _electors(self) -> list[psutil.Process]:
        ours = {}
        for process in self.everyone():
            with contextlib.suppress(psutil.Error):
                if is_ours(process):
                    ours[process.pid] = process.ppid()
        return [
            psutil.Process(pid) for pid in ours if ours[pid] in ours and pid not in ours.values()
        ]

    def guard(self) -> psutil.Process:
        """The elector's parent, whoever is process 1."""
        guard = self.elector().parent()
        assert guard is not None
        return guard

    def job(self) -> psutil.Process:
        """The guard's child that is none of ours."""

        def jobs() -> list[psutil.Process]:
            return [
                p for p in self.guard().children() if not is_ours(p) and p.name() not in HELPERS
            ]

        wait_for(jobs, "the job to start")
        return jobs()[0]

    def kill_from_inside(self, process: psutil.Process, signum: int) -> None:
        """Signal one of its processes as another of the container would: not every one can be."""
        inside = pid_inside(process)
        assert inside != 1, (
            f"{process} is process 1, and the kernel keeps its own from signalling it"
        )
        kill = f"-{signal.Signals(signum).name[3:]}"
        # Who kills may die with the container that ends of it. What comes of it, tests wait for.
        may_end = signum == signal.SIGKILL
        podman("exec", self.name, "kill", kill, str(inside), check=not may_end)

    def freeze(self) -> None:
        """Have the kernel stop all of it at once, as when a host is paused; return once it has."""
        self._freezer("FROZEN", "1")
        wait_for(lambda: self._is_frozen(), "the container to stand still")

    def thaw(self) -> None:
        self._freezer("THAWED", "0")

    def _freezer(self, state: str, flag: str) -> None:
        folder = cgroup(self.process_one().pid)
        if (folder / "freezer.state").exists():
            (folder / "freezer.state").write_text(state)
        else:
            (folder / "cgroup.freeze").write_text(flag)

    def _is_frozen(self) -> bool:
        folder = cgroup(self.process_one().pid)
        if (folder / "freezer.state").exists():
            return (folder / "freezer.state").read_text().strip() == "FROZEN"
        return "frozen 1" in (folder / "cgroup.events").read_text()

    def is_healthy(self) -> bool:
        """What its health check says now."""
        words = ["podman", "healthcheck", "run", self.name]
        return subprocess.run(words, capture_output=True, timeout=60, check=False).returncode == 0

    def stop(self) -> None:
        """As ``docker stop`` does: SIGTERM, and SIGKILL a minute later."""
        podman("stop", "--time", "60", self.name)

    def kill(self) -> None:
        podman("kill", "--signal", "KILL", self.name)

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        return int(podman("wait", self.name))

    def remove(self) -> None:
        with contextlib.suppress(AssertionError, OSError, psutil.Error, ValueError):
            self.thaw()  # Nobody who is frozen can be killed.
        podman("rm", "--force", "--time", "0", self.name, check=False)


def is_ours(process: psutil.Process) -> bool:
    """Whether it runs our program, and is neither about to run a job nor a job's fuse."""
    with contextlib.suppress(psutil.Error):
        command = process.cmdline()
        program = any(word.endswith("/coordsidecar") for word in command[:2])
        return program and process.name() not in HELPERS
    return False


def pid_inside(process: psutil.Process) -> int:
    """Its number in its own PID namespace."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("NSpid:"):
            return int(line.split()[-1])
    raise AssertionError("this kernel does not tell numbers in namespaces")


def cgroup(pid: int) -> Path:
    """The folder by which its container can be frozen; of either version of cgroups."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "freezer":
            return Path("/sys/fs/cgroup/freezer" + path)
        if not controllers and os.path.exists(f"/sys/fs/cgroup{path}/cgroup.freeze"):
            return Path("/sys/fs/cgroup" + path)
    raise AssertionError(f"found no freezer for process {pid}")


@contextlib.contextmanager
def containers(folder: Path) -> Iterator[Callable[..., Container]]:
    """A function that starts containers; all of them are removed at the end."""
    started: list[Container] = []
    shared = folder / "shared"
    shared.mkdir()
    shared.chmod(0o777)  # The image's user is nobody's.

    def start(*arguments: str, how: Sequence[str] = (), **options: Any) -> Container:
        log = folder / f"container-{len(started)}.log"
        started.append(Container(arguments, log, how=how, shared=shared, **options))
        return started[-1]

    try:
        yield start
    finally:
        # One whose namespace another shares cannot be removed before that.
        for container in reversed(started):
            container.remove()
