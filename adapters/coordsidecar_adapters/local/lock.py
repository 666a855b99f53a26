"""The lock file of the local store: what `flock` locks, and how to look at it without taking it.

Its content is a random id, written once; together with its inode number the id names this very
lock. Hence a lock file that was deleted and created anew is told from one whose holder the kernel
has seen go.

Every function raises `OSError` as the kernel does.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from coordsidecar.store.protocol import Session, SessionLostError
from coordsidecar_adapters.regular_file import open_regular

__all__ = [
    "holds",
    "in_place",
    "is_locked",
    "lock_id",
    "new_handle",
    "open_lock",
    "probe",
    "read_lock_id",
    "session_fd",
    "session_id",
    "try_lock",
    "unlock",
]

_LOCK_ID = re.compile(rb"coordsidecar lock ([0-9a-f]{32})\n")


def open_lock(path: str) -> int:
    """Open the lock file, created if need be; the descriptor does not survive exec.

    It is open for writing although next to nothing is written: the close of such a description is
    an inotify event of its own, which no mere reader of the file causes.
    """
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)


def new_handle(fd: int) -> str:
    """The handle of a new session: its unique id, and which file ``fd`` must be."""
    file = os.fstat(fd)
    return json.dumps(
        {"session": os.urandom(16).hex(), "device": file.st_dev, "inode": file.st_ino}
    )


def session_id(session: Session) -> str:
    return str(json.loads(session.handle)["session"])


def session_fd(session: Session) -> int:
    """The session's descriptor, checked, lest we unlock or close what took over its number.

    Raises `SessionLostError`.
    """
    try:
        fields = json.loads(session.handle)
        (fd,) = session.fds
        file = os.fstat(fd)
        if (file.st_dev, file.st_ino) == (fields["device"], fields["inode"]):
            return fd
    except (ValueError, KeyError, TypeError) as e:
        raise SessionLostError(f"not a session of the local store: {session}") from e
    except OSError as e:
        if e.errno != errno.EBADF:
            raise
    raise SessionLostError("the descriptor of the lock file was closed")


def in_place(fd: int, path: str) -> bool:
    """Whether the lock file at ``path`` is still the one that we opened."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(fd))
    except FileNotFoundError:
        return False


def try_lock(fd: int, *, tries: int = 1) -> bool:
    """Take the lock, or find that this description holds it already; False: somebody else does."""
    for _ in range(tries - 1):
        if try_lock(fd):
            return True
        time.sleep(0.001)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def holds(fd: int) -> bool:
    """Whether this very description holds the lock, as the kernel has it; takes nothing."""
    with open(f"/proc/self/fdinfo/{fd}", "rb") as file:
        return any(b" FLOCK " in line for line in file if line.startswith(b"lock:"))


def unlock(fd: int) -> None:
    """Unlock for everybody who has a descriptor of this description, and let standbys know."""
    fcntl.flock(fd, fcntl.LOCK_UN)
    os.utime(fd)  # An unlock is no inotify event; a touch is.


@contextmanager
def probe(path: str) -> Iterator[int]:
    """A description of our own to look with, -1 if there is no file.

    Never the session's: another thread or process may be campaigning on that very description.
    """
    try:
        fd = open_regular(path)
    except FileNotFoundError:
        fd = -1
    try:
        yield fd
    finally:
        if fd >= 0:
            os.close(fd)


def is_locked(probe_fd: int) -> bool:
    """Whether somebody holds the lock. Holds it, shared, for some microseconds if nobody does."""
    if probe_fd < 0:
        return False
    try:
        fcntl.flock(probe_fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(probe_fd, fcntl.LOCK_UN)
    return False


def read_lock_id(fd: int) -> str:
    """The id of the lock file ``fd``; "" if it has none."""
    match = _LOCK_ID.fullmatch(os.pread(fd, 256, 0))
    # The inode number tells a copy of the file from the file.
    return f"{match[1].decode()}:{os.fstat(fd).st_ino}" if match else ""


def lock_id(fd: int) -> str:
    """The id of the lock file ``fd``, written now if the file is empty.

    Somebody else's content is left alone: such a lock has no id ("").
    """
    if os.fstat(fd).st_size == 0:
        os.pwrite(fd, f"coordsidecar lock {os.urandom(16).hex()}\n".encode(), 0)
        os.fsync(fd)
    return read_lock_id(fd)
