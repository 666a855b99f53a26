"""Holding a process: stopped, with all of its threads, until somebody lets it go on."""

from __future__ import annotations

import signal

from coordsidecar.trees.process import (
    DEAD_STATES,
    STOPPED_STATES,
    Process,
    children_of_thread,
    threads_of,
)

__all__ = ["hold", "waits"]

# Its size, and how much of it is there; a child of vfork has its parent's memory, and so the same.
_MEMORY = slice(20, 22)


def hold(process: Process, forked: dict[int, list[bytes]]) -> bool:
    """Whether it was held already, or is dead; else it is told to stop. To be called for a parent
    before its children. ``forked``: those for whom a thread may wait so that no signal wakes it.

    Raises `FileNotFoundError` or `ProcessLookupError` if it is gone, `PermissionError` if it is
    another user's, `NotSeenError`.
    """
    fields = process.stat()
    if fields[0].decode() in DEAD_STATES and process.living_thread() is None:
        return True
    threads = threads_of(process.pid)
    for thread, state in threads.items():
        if state == "D":
            # Whoever waits by vfork has started nobody since.
            newest = children_of_thread(process.pid, thread)[-1:]
            forked.update(dict.fromkeys(newest, fields[_MEMORY]))
    if forked.get(process.pid) == fields[_MEMORY]:
        # It has not executed its program yet, and is all of its parent that runs (vfork): if it is
        # stopped, both wait for ever.
        process.send(signal.SIGCONT)
        return False
    states = threads.values()
    # The first thread may be held by a debugger, and others run, or be about to write.
    has_stopped = states and all(state in (*STOPPED_STATES, *DEAD_STATES) for state in states)
    # For when its debugger lets it go.
    is_traced = "t" in states and not waits(process, signal.SIGSTOP)
    if has_stopped and not is_traced:
        return True
    process.send(signal.SIGSTOP)
    return False


def waits(process: Process, *signals: int) -> bool:
    """Whether one of these waits for the process, which cannot act on it while it is stopped."""
    pending = 0
    for line in process.status():
        if line.startswith((b"SigPnd:", b"ShdPnd:")):
            pending |= int(line.split()[1], 16)
    return any(pending & 1 << (signum - 1) for signum in signals)
