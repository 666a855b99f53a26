"""Files that are read again and again, by who must not hang: no pipe that was put in their place
holds anybody up."""

from __future__ import annotations

import errno
import os
import stat

__all__ = ["open_regular", "read_regular"]

_LARGEST_BYTES = 1024 * 1024


def open_regular(path: str) -> int:
    """Open it for reading. Raises `OSError`, with ``path`` in it, if it is no regular file."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "not a regular file", path)
    return fd


def read_regular(path: str, *, most: int = _LARGEST_BYTES) -> bytes:
    """All of it. Raises `OSError`, also if it is larger than that."""
    with open(open_regular(path), "rb") as file:
        raw = file.read(most + 1)
    if len(raw) > most:
        raise OSError(errno.EFBIG, "far too large", path)
    return raw
