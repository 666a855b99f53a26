"""The roster of an election on this host: a file for each instance, which it holds locked.

The kernel drops the lock with the process. So what is not locked was left by one that has died: it
does not count, and the next that writes removes it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress

from coordsidecar.store.protocol import Election, Session, UnreachableError
from coordsidecar.store.roster import LONGEST_ENTRY, ROSTER, Roster, is_entry
from coordsidecar_adapters.local import lock
from coordsidecar_adapters.local.errors import translated
from coordsidecar_adapters.local.folder import lock_folder

__all__ = ["LocalRoster", "entries", "folder_of", "roster"]

_SUFFIX = ".json"
# How often to begin anew if somebody took our file, not locked yet, for one that was left.
_TRIES = 5
_READS = 3


def roster(
    url: str, *, election: Election, node_id: str, environ: Mapping[str, str]
) -> Roster | None:
    """For ``local:`` URLs."""
    return LocalRoster(folder_of(lock_folder(url, environ), election))


def folder_of(lock_folder: str, election: Election) -> str:
    """Where the entries are."""
    return os.path.join(lock_folder, election.namespace, ROSTER, election.name)


def entries(folder: str) -> list[str]:
    """What those say who live. Raises `OSError`."""
    said = (_read(path) for path in _files(folder))
    return [entry for entry in said if entry is not None]


class LocalRoster:
    """A `Roster`; its lock is that of this process."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._path, self._fd = "", -1

    def tell(self, session: Session, entry: str, *, timeout_s: float) -> None:
        with translated(self._folder):
            if self._fd < 0 or not lock.in_place(self._fd, self._path):
                self._begin()
            written = entry.encode()
            os.pwrite(self._fd, written, 0)
            os.ftruncate(self._fd, len(written))
            self._remove_what_nobody_holds()

    def _begin(self) -> None:
        """Make a file of ours, and lock it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        os.makedirs(self._folder, mode=0o755, exist_ok=True)
        for _ in range(_TRIES):
            self._path = os.path.join(self._folder, f"{os.urandom(8).hex()}{_SUFFIX}")
            fd = lock.open_lock(self._path)
            if lock.try_lock(fd) and lock.in_place(fd, self._path):
                self._fd = fd
                return
            os.close(fd)
        raise UnreachableError(f"local store: somebody keeps removing {self._path}")

    def _remove_what_nobody_holds(self) -> None:
        for path in _files(self._folder):
            if path == self._path:
                continue
            with suppress(OSError), lock.probe(path) as fd:
                # Not merely looked at: who begins at this instant locks it before it looks.
                if fd >= 0 and lock.try_lock(fd):
                    os.unlink(path)


def _files(folder: str) -> Iterator[str]:
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return
    for name in names:
        if name.endswith(_SUFFIX):
            yield os.path.join(folder, name)


def _read(path: str) -> str | None:
    """What its instance says; None: it has died, or says nothing that could be read."""
    with suppress(OSError), lock.probe(path) as fd:
        if not lock.is_locked(fd):
            return None
        # It may be writing just now.
        for _ in range(_READS):
            raw = os.pread(fd, LONGEST_ENTRY + 1, 0)
            if is_entry(raw):
                return raw.decode(errors="replace")
    return None
