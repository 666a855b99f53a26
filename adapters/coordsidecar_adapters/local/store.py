"""The store of one host: elections are lock files, and the kernel keeps them (``local:[FOLDER]``).

The lock is `flock` on ``<folder>/<namespace>/<name>.lock``, the same that flock(1) takes. Such a
lock belongs to the open file description, which guard, elector and job share; the kernel holds it
for exactly as long as any of them has a descriptor of it. So a session has no TTL, and a lock that
can be taken proves that every descriptor of the holder before is closed. What it does not prove:
that processes which closed their descriptors are gone too; so `Held.last_run` names their run.

Who may delete the lock file can split the election, as with any lock file. The holder notices at
once (`watch`), and the next holder of a lock file made anew finds another lock id and waits the
takeover delay. (A holder in the middle of writing the record when that happens may overwrite what
the next one wrote; the window is a few milliseconds, and we see no way to close it.)

The disk is outside of our ``timeout_s``: a write that hangs in the kernel hangs the call.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping

from coordsidecar.store.curbs import NO_CURBS, Curbs
from coordsidecar.store.protocol import (
    Absent,
    Behind,
    Election,
    Held,
    Leader,
    Limits,
    NothingToPrepare,
    Renewal,
    Session,
    SessionLostError,
    Standing,
    Store,
    Vacant,
)
from coordsidecar.value import replace
from coordsidecar_adapters.local import inotify, lock
from coordsidecar_adapters.local.errors import translated
from coordsidecar_adapters.local.folder import assert_fit, lock_folder
from coordsidecar_adapters.local.orders import OrderFiles
from coordsidecar_adapters.local.record import Record, read_record, write_record

__all__ = ["LocalStore", "connect"]

# Where nothing tells of it: a holder that unlocks and does not close (flock -u), or no inotify.
_POLL_S = 0.25
# inotify reports a close just before the kernel drops the lock, so we look again a few times.
_LOOK_AGAIN_S = (0.001, 0.001, 0.002, 0.005, 0.010, *(_POLL_S,) * 4)
# Who has just got the lock writes its record so soon.
_WRITES_WITHIN_S = (0.001, 0.002, 0.005, 0.010, 0.020)
# Whoever asks who leads holds the lock, shared, for some microseconds: a campaign tries again.
_CAMPAIGN_TRIES = 3
# An operator who is stopped while it writes an order shall not keep everybody from leading.
_TURN_PATIENCE_S = 0.05


def connect(url: str, *, election: Election, environ: Mapping[str, str]) -> Store:
    """Build a store for ``local:`` or ``local:/folder``. `ValueError` if ``url`` is neither."""
    folder = lock_folder(url, environ)
    for part in election.prefix.split("/"):
        if part in ("", ".", "..") or "\0" in part:
            raise ValueError(f"local store cannot make a file name of {election.prefix!r}")
    return LocalStore(os.path.join(folder, election.prefix))


class LocalStore(NothingToPrepare):
    """One election on this host; ``stem`` is the path of its files without their suffixes."""

    def __init__(self, stem: str) -> None:
        self._lock_path = f"{stem}.lock"
        self._record_path = f"{stem}.json"
        self._orders = OrderFiles(stem)
        self._written: Record | None = None  # By us, the last time.
        self._events: inotify.FileEvents | None = None
        self._watched: Held | Behind | Vacant | None = None

    def open(
        self, *, ttl_s: float, takeover_delay_s: float, record: str, timeout_s: float
    ) -> Session:
        with translated(self._lock_path):
            os.makedirs(os.path.dirname(self._lock_path), mode=0o755, exist_ok=True)
            assert_fit(self._lock_path, self._record_path)
            fd = lock.open_lock(self._lock_path)
            return Session(handle=lock.new_handle(fd), ttl_s=math.inf, fds=(fd,))

    def renew(self, session: Session, *, look: bool, timeout_s: float) -> Renewal:
        with translated(self._lock_path):
            if not self._in_place(lock.session_fd(session)):
                raise self._replaced()
        standing = self.standing(session, timeout_s=timeout_s) if look else None
        return Renewal(math.inf, standing, self._orders.order() if look else None)

    def campaign(
        self,
        session: Session,
        *,
        record: str,
        run: str = "",
        floor: int = 0,
        limits: Limits | None = None,
        depose: int | None = None,
        timeout_s: float,
    ) -> Standing:
        with translated(self._lock_path):
            fd = lock.session_fd(session)
            acquired = lock.try_lock(fd, tries=_CAMPAIGN_TRIES)
            if not self._in_place(fd):
                if acquired:
                    lock.unlock(fd)
                raise self._replaced()
            known = self._read_record(fd)
            if not acquired:
                return self._behind(known, fd)
            if known.holder == lock.session_id(session):
                return self._held(known, lock.read_lock_id(fd))
            won = known.won(lock.session_id(session), leader=record, floor=floor)
            try:
                with self._orders.turn(_TURN_PATIENCE_S):
                    at_once = known.office.may_be_succeeded(floor) and not self._orders.curbs()
                    return self._win(fd, won, run=run if at_once else "", limits=limits)
            except OSError:
                lock.unlock(fd)
                raise

    def _win(self, fd: int, known: Record, *, run: str, limits: Limits | None) -> Held:
        """The lock is ours: write the token; with a ``run``, take office too."""
        lock_id = lock.read_lock_id(fd)
        in_office = run != "" and lock_id != ""
        if in_office:
            known = known.taken(known.token, lock=lock_id, run=run, limits=limits)
        self._write_record(known, durable=True)
        return replace(self._held(known, lock_id or lock.lock_id(fd)), in_office=in_office)

    def standing(self, session: Session, *, timeout_s: float) -> Standing:
        with translated(self._lock_path):
            fd = lock.session_fd(session)
            if not self._in_place(fd):
                return Absent()
            known = self._known(session, fd)
            # To lock what this description holds already changes nothing, and the record says that
            # nobody else has held it since.
            if known.holder == lock.session_id(session) and lock.try_lock(fd):
                return self._held(known, lock.read_lock_id(fd))
            with lock.probe(self._lock_path) as probe_fd:
                if lock.is_locked(probe_fd):
                    return self._behind(known, fd)
            return Absent()  # Nobody holds it, and nobody gets it without a campaign.

    def take_office(
        self,
        session: Session,
        token: int,
        *,
        run: str,
        record: str = "",
        floor: int = 0,
        limits: Limits | None = None,
        curbs: Curbs = NO_CURBS,
        timeout_s: float,
    ) -> int | None:
        with translated(self._lock_path):
            fd = lock.session_fd(session)
            known = self._known(session, fd)
            led = max(token, floor + 1)
            if known.holder != lock.session_id(session) or known.token not in (token, led):
                return None
            if not lock.try_lock(fd) or not self._in_place(fd):
                return None
            with self._orders.turn(_TURN_PATIENCE_S):
                if self._orders.curbs() != curbs:
                    return None
                taken = known.taken(led, lock=lock.read_lock_id(fd), run=run, limits=limits)
                if known != taken:
                    self._write_record(taken, durable=known.token != led)
                self._orders.begin_term(curbs)
            return led

    def resign(
        self, session: Session, token: int | None, *, run: str, why: str = "", timeout_s: float
    ) -> None:
        with translated(self._lock_path):
            try:
                fd = lock.session_fd(session)
            except SessionLostError:
                self._mend(token, run, why)
                return
            known = self._known(session, fd)
            ours = (
                known.holder == lock.session_id(session)
                and self._in_place(fd)
                and lock.try_lock(fd)
            )
            if ours:
                self._write_record(known.resigned(token, run=run, why=why))
            lock.unlock(fd)  # Explicitly: others may still have a descriptor of it.
            if not ours:
                self._mend(token, run, why)

    def close(self, session: Session, *, timeout_s: float) -> None:
        with translated(self._lock_path):
            try:
                fd = lock.session_fd(session)
            except SessionLostError:
                return
            lock.unlock(fd)
            os.close(fd)

    def watch(
        self, session: Session, standing: Held | Behind | Vacant, *, timeout_s: float
    ) -> bool:
        give_up_at_s = time.monotonic() + timeout_s
        mask = inotify.REPLACED
        if not isinstance(standing, Held):
            mask |= inotify.CLOSE_WRITE
        if isinstance(standing, Behind) and standing.leader_token == 0:
            mask |= inotify.CLOSE_NOWRITE  # flock(1) opens the file for reading only.
        with translated(self._lock_path), lock.probe(self._lock_path) as probe_fd:
            self._events = events = self._events or inotify.FileEvents()
            events.listen(self._lock_path, mask)
            fd = lock.session_fd(session)
            foreign = isinstance(standing, Behind) and standing.leader_token == 0
            poll_s = math.inf if events.work and not foreign else _POLL_S
            look_again = iter(() if standing == self._watched else _LOOK_AGAIN_S)
            self._watched = standing
            while self._in_place(fd):
                if not isinstance(standing, Held) and (
                    not lock.is_locked(probe_fd) or self._read_record(fd).token != standing.cursor
                ):
                    return True
                left_s = give_up_at_s - time.monotonic()
                if left_s <= 0:
                    return False
                if events.wait(min(next(look_again, poll_s), left_s)):
                    look_again = iter(_LOOK_AGAIN_S)
            return True

    def leader(self, *, timeout_s: float) -> Leader | None:
        with translated(self._lock_path), lock.probe(self._lock_path) as probe_fd:
            if not lock.is_locked(probe_fd):
                return None
            behind = self._behind(read_record(self._record_path, existed=False), probe_fd)
            return Leader(token=behind.leader_token, record=behind.leader)

    def _mend(self, token: int | None, run: str, why: str) -> None:
        """Record that the job of ``token`` is dead, if nobody holds the lock that is there now.

        Whoever holds it has read the record already, and replaces it on taking office.
        """
        if token is None or not os.path.exists(self._record_path):
            return
        fd = lock.open_lock(self._lock_path)
        try:
            if lock.try_lock(fd) and self._in_place(fd):
                known = self._read_record(fd)
                mended = known.resigned(token, run=run, why=why)
                if mended.office != known.office:
                    self._write_record(mended)
        finally:
            os.close(fd)

    def _held(self, known: Record, lock_id: str) -> Held:
        return replace(known.held(lock_id), curbs=self._orders.curbs())

    def _behind(self, known: Record, fd: int) -> Behind:
        # Another program holds the lock; or one of ours has just got it, and writes the record.
        for pause_s in _WRITES_WITHIN_S:
            if known.holder:
                break
            time.sleep(pause_s)
            known = self._read_record(fd)
        behind = known.behind(lock.read_lock_id(fd), path=self._lock_path)
        return replace(behind, curbs=self._orders.curbs())

    def _read_record(self, fd: int) -> Record:
        return read_record(self._record_path, existed=lock.read_lock_id(fd) != "")

    def _known(self, session: Session, fd: int) -> Record:
        """The record; of a lock that we hold what we wrote, whoever overwrote it meanwhile."""
        ours = self._written
        if ours is not None and ours.holder == lock.session_id(session) and lock.holds(fd):
            return ours
        return self._read_record(fd)

    def _write_record(self, record: Record, *, durable: bool = False) -> None:
        write_record(self._record_path, record, durable=durable)
        self._written = record

    def _in_place(self, fd: int) -> bool:
        return lock.in_place(fd, self._lock_path)

    def _replaced(self) -> SessionLostError:
        return SessionLostError(f"lock file {self._lock_path} was deleted or replaced")
