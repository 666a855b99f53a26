"""Somebody who takes a lead away: what an operator, or a mishap, can do to a lock file."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.arena import Arena

__all__ = ["usurped"]


@contextmanager
def usurped(arena: Arena) -> Iterator[None]:
    """Put a lock file in place that is locked already: whoever leads has lost until we let go."""
    path = arena.folder / "locks" / f"{arena.election.prefix}.lock"
    ours = path.with_suffix(".ours")
    fd = os.open(ours, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        os.rename(ours, path)
        yield
    finally:
        os.close(fd)
