"""Waiting for something to happen to a file, by Linux's inotify.

Only what the local store needs: one file, one wait. Where the kernel has no inotify, or has run
out of instances (``fs.inotify.max_user_instances``, 128 by default), `FileEvents` still waits, but
only for its time-out: the caller polls anyway.
"""

from __future__ import annotations

import ctypes
import math
import os
import select
import struct
from types import TracebackType

__all__ = ["CLOSE_NOWRITE", "CLOSE_WRITE", "REPLACED", "TOUCHED", "FileEvents"]

# From <sys/inotify.h>.
TOUCHED = 0x004  # IN_ATTRIB: times, mode, or the number of links, so also an unlink.
CLOSE_WRITE = 0x008  # The last descriptor of a description that was open for writing went.
CLOSE_NOWRITE = 0x010
REPLACED = 0x400 | 0x800 | TOUCHED  # IN_DELETE_SELF, IN_MOVE_SELF
_NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC
_HEADER = struct.Struct("iIII")
_READ_SIZE = 64 * 1024


class FileEvents:
    """The events of one file, from construction on; a context manager."""

    def __init__(self, path: str, mask: int) -> None:
        self._fd = -1
        self._poll = select.poll()
        libc = ctypes.CDLL(None, use_errno=True)
        if not hasattr(libc, "inotify_init1"):
            return
        self._fd = libc.inotify_init1(_NONBLOCK_CLOEXEC)
        if self._fd < 0:
            return
        # A path that is gone by now needs no events: the caller compares it with its descriptor.
        libc.inotify_add_watch(self._fd, os.fsencode(path), ctypes.c_uint32(mask))
        self._poll.register(self._fd, select.POLLIN)

    def wait(self, timeout_s: float) -> int:
        """Wait for events; return their masks, or-ed together, or 0 after ``timeout_s``."""
        if not self._poll.poll(max(0, math.ceil(timeout_s * 1000))):
            return 0
        raw = os.read(self._fd, _READ_SIZE)
        seen, at = 0, 0
        while at < len(raw):
            _, mask, _, name_size = _HEADER.unpack_from(raw, at)
            seen |= mask
            at += _HEADER.size + name_size
        return seen

    def __enter__(self) -> FileEvents:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._fd >= 0:
            os.close(self._fd)
