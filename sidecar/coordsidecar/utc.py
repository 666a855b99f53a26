"""Times for people and records, as ISO 8601 writes them; in UTC, since hosts differ."""

from __future__ import annotations

import time

__all__ = ["utc"]


def utc(unix_s: float | None = None, *, digits: int = 0) -> str:
    """That time, or now: ``2026-11-30T05:00:00Z``; with so many ``digits`` after the second, 6 at
    most. Cut, not rounded: no time is in the future."""
    seconds, microseconds = divmod(int((time.time() if unix_s is None else unix_s) * 1e6), 10**6)
    fraction = f".{microseconds:06}"[: digits + 1] if digits else ""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f"{fraction}Z"
