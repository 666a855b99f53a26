"""Root file systems like those of images: what is not in them, no program of the test can see."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.e2e.sidecars import Sidecar

__all__ = ["JOB", "Root"]

_ENTER = Path(__file__).parent / "enter.sh"
JOB = "/job"


class Root:
    """The folder of a root file system with a job in it, and the bundle at ``place``."""

    def __init__(self, folder: Path, bundle: Path, *, start: Callable[..., Sidecar]) -> None:
        self.folder = folder
        self.bundle = bundle
        self.place = "/opt/coordsidecar"
        self.access = "rw"
        self.user = 0
        self.process_one = False
        self._start = start
        for name in ("proc", "dev", "etc", "writable"):
            (folder / name).mkdir(parents=True)
        (folder / "dev" / "null").touch()
        (folder / "writable").chmod(0o777)

    def has(self, source: Path, path: str) -> None:
        """Copy a file into it."""
        target = self.folder / path.removeprefix("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)

    def command(self, *words: str) -> list[str]:
        """A command that executes ``words`` inside."""
        (self.folder / self.place.removeprefix("/")).mkdir(parents=True, exist_ok=True)
        unshare = ["unshare", "--mount"]
        if self.process_one:
            unshare += ["--pid", "--fork", "--kill-child"]
        if os.geteuid() != 0:
            unshare += ["--user", "--map-root-user"]
        how = [str(self.folder), str(self.bundle), self.place, self.access, str(self.user)]
        return [*unshare, "sh", str(_ENTER), *how, *words]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command inside to its end, without a single variable."""
        return subprocess.run(
            self.command(JOB, "with", "--", *words),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def start(
        self, *arguments: str, given: Sequence[str] = (), program: str = "", **how: Any
    ) -> Sidecar:
        """Start the bundle's coordsidecar inside, with the variables ``given`` and no others."""
        through = self.command(JOB, "with", *given, "--")
        program = program or f"{self.place}/coordsidecar"
        return self._start(*arguments, through=through, program=[program], **how)
