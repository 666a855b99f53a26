"""What the local store keeps on disk beside its lock: the token counter and who holds the lock.

``<name>.json`` is replaced as a whole (temporary file, fsync, rename; for a new token, fsync of the
folder) and only by who holds the lock, so that a crash leaves either the old record or the new one.
"""

from __future__ import annotations

import json
import os
import time

from coordsidecar.store import history as terms
from coordsidecar.store.protocol import Behind, Held, Limits, Office
from coordsidecar.utc import utc
from coordsidecar.value import Value, replace
from coordsidecar_adapters.regular_file import open_regular

__all__ = ["Record", "read_record", "write_record"]

_MOST_LEADER_CHARACTERS = 4096
_MOST_BYTES = 256 * 1024  # Of as long a history as there may be, however JSON writes it.
_MOST_TOKEN = 2**62


class Record(Value):
    """``token``: the last one given out. ``holder``: the session it went to, "" once it resigned.

    ``leader`` is what that session said about itself. ``lost`` marks a record that was there once
    and cannot be read: then the counter is lost too, and nothing is known about the last leader.
    """

    token: int = 0
    holder: str = ""
    leader: str = ""
    office: Office = Office()  # Immutable.
    lost: bool = False

    def next_token(self, floor: int) -> int:
        """The next token, greater than every earlier one, and than ``floor``.

        A lost counter goes on from the time in milliseconds since 1970. No counter that began at 1
        is there yet, and no counter that went on from an earlier time has overtaken it; unless the
        wall clock was set back meanwhile, which we cannot know.
        """
        following = time.time_ns() // 1_000_000 if self.lost else self.token + 1
        return max(following, floor + 1)

    def won(self, holder: str, *, leader: str, floor: int) -> Record:
        """The record of who got the lock, and with it a token."""
        return Record(self.next_token(floor), holder, leader, self.office)

    def taken(self, led: int, *, lock: str, run: str, limits: Limits | None) -> Record:
        """The record once the holder has taken office with the token ``led``."""
        history = terms.begun(self.office.history, led, self.leader, utc())
        office = replace(self.office, led=led, run=run, lock=lock, limits=limits, history=history)
        return replace(self, token=led, office=office)

    def in_office_under(self, lock: str) -> bool:
        """Whether who holds ``lock`` (the id of a lock file) has taken office under it."""
        return self.holder != "" and self.office.led == self.token and self.office.lock == lock

    def held(self, present_lock: str) -> Held:
        """What the record means to its holder, given the id of the lock file that is there."""
        # We hold the same lock as the leader before us did: all of its descriptors are closed.
        proven = present_lock != "" and self.office.lock == present_lock
        return self.office.held(self.token, cursor=self.token, proven=proven)

    def behind(self, present_lock: str, *, path: str) -> Behind:
        """What the record means to everybody else, while somebody holds the lock at ``path``."""
        token, leader = self.token, self.leader[:_MOST_LEADER_CHARACTERS]
        if not self.holder:
            token, leader = 0, json.dumps({"id": f"another program that locks {path}"})
        in_office = self.in_office_under(present_lock)
        return Behind(
            leader=leader,
            leader_token=token,
            ahead=path,
            cursor=self.token,
            in_office=in_office,
            limits=self.office.limits if in_office else None,
        )

    def resigned(self, token: int | None, *, run: str, why: str) -> Record:
        """The record once the holder has given up the lock, and ``run`` the office of ``token``."""
        return replace(self, holder="", office=self.office.resigned(token, run=run, why=why))


_LOST = Record(office=Office(led=-1), lost=True)


def read_record(path: str, *, existed: bool) -> Record:
    """Read the record; ``existed`` says that there must have been one.

    Raises `OSError` when the file cannot be opened or read.
    """
    try:
        with open(open_regular(path), "rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return _LOST if existed else Record()
    if len(raw) > _MOST_BYTES:
        return _LOST
    try:
        fields = json.loads(raw)
    except (ValueError, RecursionError):
        return _LOST
    if not isinstance(fields, dict):
        return _LOST
    token, holder, leader = (fields.get(name) for name in ("token", "holder", "leader"))
    # bool is an int to Python, but a record that says `true` was not written by us.
    if type(token) is not int or not 0 <= token < _MOST_TOKEN:
        return _LOST
    if not isinstance(holder, str) or not isinstance(leader, str):
        return _LOST
    office = Office.decode(json.dumps(fields.get("office")))
    return Record(token=token, holder=holder, leader=leader, office=office)


def write_record(path: str, record: Record, *, durable: bool = True) -> None:
    """Replace the record. Call it only with the lock held. Raises `OSError`.

    ``durable``: a new token outlives a crash of the host. Of what else is written, the old record
    may come back: after such a crash nobody is left to whom it mattered.
    """
    fields = {
        "token": record.token,
        "holder": record.holder,
        "leader": record.leader,
        "office": json.loads(record.office.encode()),
    }
    # One name is enough, as only the holder writes; what a killed writer left is overwritten.
    temporary = f"{path}.tmp"
    with open(temporary, "wb") as file:
        file.write(json.dumps(fields).encode())
        file.flush()
        os.fsync(file.fileno())
    os.rename(temporary, path)
    if not durable:
        return
    folder_fd = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder_fd)
    finally:
        os.close(folder_fd)
