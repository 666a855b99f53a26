"""A compose file, started as it is written, in a network namespace of its own.

The networks that it makes, with their addresses and their DNS, reach nobody outside of it, and end
with it. No registry is asked: images of the machine's own stand for those that the file names.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.containers.container import podman

__all__ = ["Composition", "composition"]

_PATIENCE_S = 300.0


class Composition:
    """The containers of one compose file."""

    def __init__(self, path: Path, project: str, namespace: int) -> None:
        """``namespace``: a process in the network namespace that all of it gets."""
        self._project = project
        self._path = path
        self._inside = ["nsenter", f"--net=/proc/{namespace}/ns/net"]

    def compose(self, *words: str) -> None:
        """Run podman-compose on the file; `AssertionError` with its words if it fails."""
        program = [sys.executable, "-m", "podman_compose", "--project-name", self._project]
        self._run(*program, "--file", str(self._path), *words)

    def stop(self, container: str) -> None:
        self._run("podman", "stop", container)

    def containers(self, service: str) -> list[str]:
        """The names of those that run a service."""
        which = ["label=com.docker.compose.project=" + self._project]
        which += ["label=com.docker.compose.service=" + service]
        filters = [word for label in which for word in ("--filter", label)]
        return podman("ps", "--format", "{{.Names}}", *filters).split()

    def _run(self, *words: str) -> None:
        done = subprocess.run(
            [*self._inside, *words],
            capture_output=True, text=True, timeout=_PATIENCE_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{' '.join(words)}: {done.stdout}{done.stderr}"


@contextmanager
def composition(path: Path, project: str) -> Iterator[Composition]:
    """Start what the compose file names; whatever of it is left at the end is removed."""
    holder = ["unshare", "--net", "sh", "-c", "ip link set lo up && echo up && exec sleep infinity"]
    with ExitStack() as stack:
        process = stack.enter_context(subprocess.Popen(holder, stdout=subprocess.PIPE))
        stack.callback(process.kill)
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        made = Composition(path, project, process.pid)
        stack.callback(made.compose, "down", "--volumes", "--timeout", "0")
        made.compose("up", "--detach", "--no-build")
        yield made
