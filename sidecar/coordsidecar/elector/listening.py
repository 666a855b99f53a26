"""The socket at which the status server is asked: of a port, or a file that stands for one.

A file outlives whoever listened there, if that was killed: it is replaced if nobody listens any
more. Nobody takes it away from one who does, for to who asks it would be as if that one had ended.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from coordsidecar.settings.serving import UnixSocket, Where

__all__ = ["Listening"]

# Of those who connect at once nobody is to knock again a second later, as the kernel does where
# no more fit: a probe would have given up by then.
_QUEUE = 128
_LOCK_PATIENCE_S, _LOCK_PAUSE_S = 1.0, 0.02
_KNOCK_PATIENCE_S = 1.0


class Listening:
    """A socket that listens, and what of it has to be tidied up."""

    def __init__(self, where: Where) -> None:
        """Raises `OSError`, whose `strerror` is for the user, where it cannot be done."""
        self._file: tuple[str, os.stat_result] | None = None
        if isinstance(where, UnixSocket):
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        else:
            family = socket.AF_INET6 if ":" in where[0] else socket.AF_INET
            self.socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            if isinstance(where, UnixSocket):
                self._bind_to_file(where)
            else:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                self.socket.bind(where)
                self.socket.listen(_QUEUE)
        except OSError:
            self.socket.close()
            raise

    def _bind_to_file(self, where: UnixSocket) -> None:
        path = where.path
        # Of the inode that bind makes: so there is no moment in which others may connect.
        os.fchmod(self.socket.fileno(), where.mode)
        with _folder_to_ourselves(path):
            _remove_stale(path)
            self.socket.bind(path)
            # Before another may look whether somebody listens.
            self.socket.listen(_QUEUE)
            self._file = path, os.stat(path)

    def close(self) -> None:
        """Listen no more, and leave nothing behind."""
        self.tidy_up()
        self.socket.close()

    def tidy_up(self) -> None:
        """Remove the file, if it is still ours. While we listen, nobody else's takes its place."""
        if self._file is None:
            return
        path, was = self._file
        with suppress(OSError):
            if os.path.samestat(os.stat(path), was):
                os.unlink(path)


def _remove_stale(path: str) -> None:
    """Remove a socket at which nobody listens any more. Raises `OSError` for anything else."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.EEXIST, "there is a file that is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knocking:
        knocking.settimeout(_KNOCK_PATIENCE_S)
        try:
            knocking.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except FileNotFoundError:
            return  # It has just been tidied up.
        except (BlockingIOError, TimeoutError):
            pass  # Somebody listens, and is asked by many.
    raise OSError(errno.EADDRINUSE, "another process listens there")


@contextmanager
def _folder_to_ourselves(path: str) -> Iterator[None]:
    """Of two who find the same stale file, the second must not remove what the first has made.

    Where the folder cannot be locked, or somebody else holds it, it is risked.
    """
    try:
        folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        yield
        return
    try:
        give_up_s = time.monotonic() + _LOCK_PATIENCE_S
        while time.monotonic() < give_up_s:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                time.sleep(_LOCK_PAUSE_S)
        yield
    finally:
        os.close(folder)
