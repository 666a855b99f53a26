"""The end of several processes at once, as the end of their host is.

To kill one after the other is something else: who lives a moment longer acts on the first death.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable

import psutil

__all__ = ["kill_at_once", "stop_all"]


def kill_at_once(find: Callable[[], Iterable[psutil.Process]]) -> int:
    """Kill whoever ``find`` finds, in such a way that nobody acts on the death of another.

    ``find`` names parents before their children. Returns when, on CLOCK_MONOTONIC in ns.
    """
    victims, struck_ns = stop_all(find)
    # Children go first: the kernel continues who is stopped in a group that a death orphans.
    for victim in reversed(victims):
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.kill()
    return struck_ns


def stop_all(find: Callable[[], Iterable[psutil.Process]]) -> tuple[list[psutil.Process], int]:
    """Stop whoever ``find`` finds, until it finds nobody new; return them, and since when."""
    stopped: list[psutil.Process] = []
    new = list(find())
    struck_ns = time.monotonic_ns()
    while new:
        for process in new:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
        stopped += new
        # Who was about to fork has a child by now.
        new = [process for process in find() if process not in stopped]
    return stopped, struck_ns
