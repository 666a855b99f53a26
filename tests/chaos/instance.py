"""One sidecar of a team: its processes as seen from outside, its wires, and what it holds."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.e2e.sidecars import HELPERS, PROCESS_ONE, Sidecar, has_ended, wait_for
from tests.servers import Gate, Proxy

__all__ = ["Gauge", "Instance"]


class Instance:
    """One sidecar, its wires, and its role file."""

    def __init__(
        self,
        name: str,
        sidecar: Sidecar,
        role_file: Path,
        *,
        wires: list[Proxy],
        gates: list[Gate],
        has_own_host: bool,
    ) -> None:
        self.name = name
        self.sidecar = sidecar
        self.wires = wires
        self.gates = gates
        self._role_file = role_file
        self._has_own_host = has_own_host
        self._guard: psutil.Process | None = None

    def guard(self) -> psutil.Process:
        """The guard, as we see it from outside of its host."""
        if self._guard is None:
            root = psutil.Process(self.sidecar.pid)
            everyone = (root, *root.children(recursive=True))
            self._guard = next(p for p in everyone if _is_ours(p) and p.name() != PROCESS_ONE)
        return self._guard

    def everyone(self) -> list[psutil.Process]:
        """All its processes that live, parents first; those that make its host, too."""
        root = psutil.Process(self.sidecar.pid)
        # By the environment as well: an orphan is nobody's descendant.
        found = [root, *root.children(recursive=True), *self.sidecar.everyone()]
        return list(dict.fromkeys(found))

    def elector(self) -> psutil.Process:
        return self._child(_is_elector, "an elector")

    def job(self) -> psutil.Process:
        return self._child(lambda child: not _is_ours(child), "a job")

    def fuse(self) -> psutil.Process:
        """The fuse of its job, which is process 1 where it is in a PID namespace of its own."""
        above = self.guard().parent()
        if above is not None and above.name() == PROCESS_ONE:
            return above
        return self.helper("job-fuse")

    def helper(self, name: str) -> psutil.Process:
        """The child of this name: the fuse of its job, or what is to become its next one."""
        return self._child(lambda child: child.name() == name, f"a {name}")

    def _child(self, wanted: Callable[[psutil.Process], bool], what: str) -> psutil.Process:
        found: list[psutil.Process] = []

        def look() -> bool:
            for child in self.guard().children():
                with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                    if not has_ended(child) and wanted(child):
                        found.append(child)
            return bool(found)

        wait_for(look, f"{self.name} to have {what}")
        return found[0]

    def leads(self, token: int) -> bool:
        """Whether its role file says that it leads with this token."""
        role = self._role()
        return (role.get("role"), role.get("token")) == ("leader", token)

    def follows(self) -> bool:
        """Whether its role file says that it stands by while another leads."""
        role = self._role()
        return role.get("role") == "standby" and role["leader"] not in (None, self.name)

    def run_until_s(self) -> float | None:
        """What its role file says: when it must have stopped, on CLOCK_BOOTTIME."""
        return self._role().get("run_until_boottime_s")

    def _role(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        with contextlib.suppress(FileNotFoundError):
            found = json.loads(self._role_file.read_text())
        return found

    def has_ended(self) -> bool:
        """Whether its guard is gone."""
        return self._role_file.exists() and has_ended(self.guard())

    def end(self) -> None:
        if self._has_own_host:
            self.sidecar.process.kill()  # And with it, all of its host.
        self.sidecar.end()
        for gate in self.gates:
            gate.close()
        for wire in self.wires:
            wire.close()


def _is_ours(process: psutil.Process) -> bool:
    """A guard, elector or fuse that is still there."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.cmdline()[1:3] == ["-m", "coordsidecar"]
    return False


def _is_elector(process: psutil.Process) -> bool:
    return _is_ours(process) and process.name() not in HELPERS


@dataclass(frozen=True, slots=True)
class Gauge:
    """What a guard or elector holds at one moment."""

    kind: str
    pid: int
    age_s: float
    descriptors: int
    pss_kb: int
    """Its share of memory; what others share counts by its part."""
    own_kb: int
    """Memory that no file backs: what would grow if it leaked."""

    @classmethod
    def read(cls, kind: str, process: psutil.Process) -> Gauge:
        sizes: dict[str, int] = {}
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()[1:]:
            name, _, value = line.partition(":")
            sizes[name] = int(value.split()[0])
        age_s = time.time() - process.create_time()
        return cls(kind, process.pid, age_s, process.num_fds(), sizes["Pss"], sizes["Anonymous"])
