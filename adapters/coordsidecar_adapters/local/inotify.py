"""Waiting for something to happen to a file, by Linux's inotify.

Only what the local store needs. Where the kernel has no inotify, or has run out of instances
(``fs.inotify.max_user_instances``, 128 by default), `FileEvents` still waits, but only for its
time-out: the caller polls anyway.
"""

from __future__ import annotations

import ctypes
import math
import os
import select
import struct

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
    """The events of the files that it listens to.

    The kernel may take 5 ms to close one, so that whoever waits again and again keeps it.
    """

    def __init__(self) -> None:
        self._fd = -1
        self._poll = select.poll()
        self._libc = ctypes.CDLL(None, use_errno=True)

    @property
    def work(self) -> bool:
        """Whether the kernel tells of anything; once something is listened to."""
        return self._fd >= 0

    def listen(self, path: str, mask: int) -> None:
        """From now on, these events of the file at ``path``."""
        if self._fd < 0 and hasattr(self._libc, "inotify_init1"):
            self._fd = self._libc.inotify_init1(_NONBLOCK_CLOEXEC)
            if self._fd >= 0:
                self._poll.register(self._fd, select.POLLIN)
        if self._fd >= 0:
            # A path that is gone needs no events: the caller compares it with its descriptor.
            self._libc.inotify_add_watch(self._fd, os.fsencode(path), ctypes.c_uint32(mask))

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

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
