"""A wall clock that can be stepped under living sidecars and their jobs.

A time namespace moves CLOCK_MONOTONIC and CLOCK_BOOTTIME only; the real wall clock belongs to the
whole machine. So a few lines of C stand before libc's. The servers are Go programs that ask the
kernel past libc: their clocks stay.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

__all__ = ["WallClock", "can_be_stepped"]

_SOURCE = Path(__file__).with_name("clock.c")


def can_be_stepped() -> bool:
    """Whether there is a C compiler to make the clock with."""
    return shutil.which("cc") is not None


class WallClock:
    """One clock, for all programs that are started with `environ`."""

    def __init__(self, folder: Path) -> None:
        """Needs a C compiler; without one `environ` is empty, and nothing can be stepped."""
        self.environ: dict[str, str] = {}
        self._path = folder / "clock"
        if can_be_stepped():
            library = folder / "clock.so"
            argv = ["cc", "-O1", "-shared", "-fPIC", "-o", str(library), str(_SOURCE)]
            subprocess.run(argv, check=True, timeout=60)
            self.step(0)
            self.environ = {"LD_PRELOAD": str(library), "CHAOS_CLOCK": str(self._path)}

    def step(self, ahead_s: int) -> None:
        """Set the clock so many seconds ahead of the machine's."""
        with self._path.open("r+b" if self._path.exists() else "wb") as file:
            file.write(struct.pack("q", ahead_s))
