"""The job that all wrappers run, and what its stamps say."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Job", "Stamps", "Stint"]

_HERE = Path(__file__).parent
_STAMPS = struct.Struct("=qq")


@dataclass(frozen=True, slots=True)
class Job:
    """A program that stamps. ``what`` says which, for the foot of the table."""

    argv: tuple[str, ...]
    what: str

    @classmethod
    def make(cls, folder: Path) -> Job:
        """Compile the job into ``folder``, or take Python's where there is no C compiler."""
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is not None:
            program = folder / "stamp"
            argv = [compiler, "-O1", "-o", str(program), str(_HERE / "stamp.c")]
            done = subprocess.run(argv, capture_output=True, timeout=60, check=False)
            if done.returncode == 0:
                return cls((str(program),), "a C program")
        argv = [sys.executable, "-S", str(_HERE / "stamp.py")]
        return cls(tuple(argv), "a Python program, whose own start-up is counted in")


@dataclass(frozen=True, slots=True)
class Stint:
    """One job, from its first stamp to its latest, on CLOCK_MONOTONIC."""

    pid: int
    first_ns: int
    last_ns: int


class Stamps:
    """The folder in which every job of an election keeps its stamps."""

    def __init__(self, folder: Path, *, job: Job, period_us: int) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.command = [*job.argv, str(folder), str(period_us)]

    def stints(self) -> list[Stint]:
        """All jobs so far, in the order in which they began."""
        found = []
        for path in self.folder.iterdir():
            stamps = path.read_bytes()
            if len(stamps) == _STAMPS.size:  # Else it has just been made.
                found.append(Stint(int(path.name), *_STAMPS.unpack(stamps)))
        return sorted(found, key=lambda stint: stint.first_ns)
