"""Holding a process: stopped, with all of its threads, until somebody lets it go on."""

from __future__ import annotations

import signal

from coordsidecar.trees.process import (
    DEAD_STATES,
    STOPPED_STATES,
    Process,
    thread_states,
)

__all__ = ["hold", "waits"]


def hold(process: Process, forking: dict[int, bytes]) -> bool:
    """Whether it was held already, or is dead; else it is told to stop. To be called for a parent
    before its children. ``forking``: who may wait for a child so that no signal wakes him.

    Raises `FileNotFoundError` or `ProcessLookupError` if it is gone, `PermissionError` if it is
    another user's, `NotSeenError`.
    """
    fields = process.stat()
    state, parent = fields[0].decode(), int(fields[1])
    if state in DEAD_STATES and process.living_thread() is None:
        return True
    threads = thread_states(process.pid)
    if "D" in threads:
        forking[process.pid] = process.command_line()
    if parent in forking and process.command_line() == forking[parent]:
        # It has not executed its program yet, and its parent waits for that (vfork): if it is
        # stopped, both wait for ever.
        process.send(signal.SIGCONT)
        return False
    # The first thread may be held by a debugger, and others run, or be about to write.
    has_stopped = threads and all(one in (*STOPPED_STATES, *DEAD_STATES) for one in threads)
    # For when its debugger lets it go.
    is_traced = "t" in threads and not waits(process, signal.SIGSTOP)
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
