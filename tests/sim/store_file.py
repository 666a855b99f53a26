"""A model store like a lock file on one host: its lock lasts for as long as its holder lives."""

from __future__ import annotations

import math
from collections.abc import Callable

from coordsidecar.core.election.moves import Gone, Renewed, Result
from coordsidecar.store.protocol import Absent, Session
from tests.sim.store_model import Caller, ModelStore, Referee
from tests.sim.world import World

__all__ = ["FileLike"]


class FileLike(ModelStore):
    """A kernel lock: it lasts for as long as a process has a descriptor of it, and never expires.

    ``in_use`` says whether any process still has the descriptors of a session.
    """

    latency_s = (0.00005, 0.001)
    local = True

    def __init__(self, world: World, referee: Referee, *, in_use: Callable[[str], bool]) -> None:
        super().__init__(world, referee, grants=math.inf)
        self._in_use = in_use
        self._files: dict[str, int] = {}
        self._file = 1
        self._count = 0
        self._holder: str | None = None
        self._last_handle = ""

    def _open(self, handle: str) -> Session:
        self._files[handle] = self._file
        return Session(handle, math.inf, fds=(1,))

    def _renew(self, handle: str, caller: Caller) -> Result:
        if self._files.get(handle) != self._file:
            return Gone("the lock file was replaced")
        return Renewed(math.inf)

    def holder(self) -> str | None:
        return self._holder

    def token_held(self, handle: str) -> int | None:
        return self._count if self._holder == handle else None

    def _take_office(self, handle: str, token: int, caller: Caller, floor: int) -> int:
        self._count = super()._take_office(handle, token, caller, floor)
        return self._count

    def _forget(self) -> None:
        """Somebody has deleted the whole folder."""
        self._count = 0
        self.delete_key()

    def _campaign(self, handle: str) -> Result:
        if self._files.get(handle) != self._file:
            return Gone("the lock file was replaced")
        if not self._in_use(handle):  # However late it comes: the dead lock no files.
            return Gone("nobody has its descriptors")
        if self._holder is None and self._last_handle != handle:
            self._count += 1
            self._changed()
        if self._holder is None:
            self._holder = self._last_handle = handle
        return self._standing(handle)

    def _standing(self, handle: str) -> Result:
        if self._files.get(handle) != self._file or self._holder is None:
            return Absent()
        if self._holder == handle:
            return self._held(self._count)
        return self._behind(self._holder, self._count, "lock")

    def _lock_id(self) -> str:
        return f"file {self._file}"

    def _give_up(self, handle: str) -> None:
        if self._holder == handle:
            self.referee.released(self._count, self.owners[handle])
            self._holder, self._last_handle = None, ""
            self._changed()

    def end_session(self, handle: str) -> None:
        self._give_up(handle)
        self._files.pop(handle, None)

    def descriptors_closed(self) -> None:
        """A process that had descriptors is gone: the kernel may drop the lock."""
        if self._holder is not None and not self._in_use(self._holder):
            self.world.say("store", f"the kernel drops the lock of {self._holder}")
            self._holder = None
            self._changed()

    def delete_key(self) -> None:
        """An operator deletes the lock file; the next one to open makes a new one."""
        self._file += 1
        self._holder, self._last_handle = None, ""
        self._changed()

    def revoke_holder(self) -> None:
        """Nobody can end a kernel lock from outside but by deleting the file."""
        self.delete_key()
