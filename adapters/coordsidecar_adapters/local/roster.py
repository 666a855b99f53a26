"""The roster of an election on this host: a file for each instance, which it holds locked.

The kernel drops the lock with the process. So what is not locked was left by one that has died: it
does not count, and the next that writes removes it. Whoever made the folder may have put links
there: none is followed, and no file is touched that is not named as ours are.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from coordsidecar.store.protocol import Election, Session
from coordsidecar.store.roster import LONGEST_ENTRY, ROSTER, Roster, is_entry
from coordsidecar_adapters.local import lock
from coordsidecar_adapters.local.errors import translated
from coordsidecar_adapters.local.folder import lock_folder

__all__ = ["LocalRoster", "entries", "roster"]

_NAME = re.compile(r"[0-9a-f]{16}\.json")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LOOK = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
# How often to begin anew if somebody took our file, not locked yet, for one that was left.
_TRIES = 5
_READS = 3


def roster(
    url: str, *, election: Election, node_id: str, environ: Mapping[str, str]
) -> Roster | None:
    """For ``local:`` URLs."""
    return LocalRoster(lock_folder(url, environ), election)


def entries(locks: str, election: Election) -> list[str]:
    """What those say who live; ``locks``: the folder of all locks. Raises `OSError`."""
    try:
        with _folder(locks, election) as folder:
            said = [_read(folder, name) for name in _files(folder)]
    except FileNotFoundError:
        return []
    return [entry for entry in said if entry is not None]


class LocalRoster:
    """A `Roster`; its lock is that of this process."""

    def __init__(self, locks: str, election: Election) -> None:
        self._locks, self._election = locks, election
        self._name, self._fd = "", -1

    def tell(self, session: Session | None, entry: str, *, timeout_s: float) -> None:
        election = self._election
        path = os.path.join(self._locks, election.namespace, ROSTER, election.name)
        told = translated(path, remedy="let this user write there")
        with told, _folder(self._locks, election, make=True) as folder:
            if not self._is_in_place(folder):
                self._begin(folder)
            written = entry.encode()
            if os.pwrite(self._fd, written, 0) < len(written):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._name)
            os.ftruncate(self._fd, len(written))
            self._remove_what_nobody_holds(folder)

    def _begin(self, folder: int) -> None:
        """Make a file of ours, and lock it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        for _ in range(_TRIES):
            self._name = f"{os.urandom(8).hex()}.json"
            self._fd = os.open(self._name, _NEW, 0o644, dir_fd=folder)
            if lock.try_lock(self._fd) and self._is_in_place(folder):
                return
            os.close(self._fd)
            self._fd = -1
        raise OSError(errno.EBUSY, "somebody keeps removing it", self._name)

    def _is_in_place(self, folder: int) -> bool:
        if self._fd < 0:
            return False
        try:
            there = os.stat(self._name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(there, os.fstat(self._fd))

    def _remove_what_nobody_holds(self, folder: int) -> None:
        for name in _files(folder):
            if name == self._name:
                continue
            # Not merely looked at: who begins at this instant locks it before it looks.
            with suppress(OSError), _opened(folder, name) as fd:
                if lock.try_lock(fd):
                    os.unlink(name, dir_fd=folder)


@contextmanager
def _folder(locks: str, election: Election, *, make: bool = False) -> Iterator[int]:
    """A descriptor of the roster's folder."""
    base = os.path.join(locks, election.namespace)
    if make:
        os.makedirs(base, mode=0o755, exist_ok=True)
    fd = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in (ROSTER, election.name):
            if make:
                with suppress(FileExistsError):
                    os.mkdir(name, 0o755, dir_fd=fd)
            below = os.open(name, _FOLDER, dir_fd=fd)
            os.close(fd)
            fd = below
        yield fd
    finally:
        os.close(fd)


def _files(folder: int) -> list[str]:
    return [name for name in os.listdir(folder) if _NAME.fullmatch(name)]


@contextmanager
def _opened(folder: int, name: str) -> Iterator[int]:
    fd = os.open(name, _LOOK, dir_fd=folder)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", name)
        yield fd
    finally:
        os.close(fd)


def _read(folder: int, name: str) -> str | None:
    """What its instance says; None: it has died, or says nothing that could be read."""
    with suppress(OSError), _opened(folder, name) as fd:
        if not lock.is_locked(fd):
            return None
        # It may be writing just now.
        for _ in range(_READS):
            raw = os.pread(fd, LONGEST_ENTRY + 1, 0)
            if is_entry(raw):
                return raw.decode(errors="replace")
    return None
