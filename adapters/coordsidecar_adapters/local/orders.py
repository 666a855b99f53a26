"""What operators order of who holds a lock file: files beside it, each replaced as a whole.

``<name>.order``: what the leader of one term is to do. ``<name>.curbs``: who may not lead for now;
it stands by itself, for the record belongs to who holds the lock, whom no operator waits for.
A lock on the folder keeps apart who writes that and who takes office; for some milliseconds.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from coordsidecar.store.curbs import Curbs
from coordsidecar.store.orders import Order
from coordsidecar_adapters.regular_file import read_regular

__all__ = ["OrderFiles"]

_TURN_S = 0.001
_MOST_BYTES = 256 * 1024  # Of as many cordons as there may be, however JSON writes them.


class OrderFiles:
    """Of one election; ``stem`` is the path of its files without their suffixes.

    What is not there, or we may not read, holds nobody up. To write raises `OSError`, and leaves
    what was there.
    """

    def __init__(self, stem: str) -> None:
        self.order_path, self.curbs_path = f"{stem}.order", f"{stem}.curbs"

    def order(self) -> Order | None:
        return Order.decode(_read(self.order_path))

    def write_order(self, order: Order) -> None:
        _write(self.order_path, order.encode())

    def curbs(self) -> Curbs:
        return Curbs.decode(_read(self.curbs_path))

    def write_curbs(self, curbs: Curbs) -> None:
        _write(self.curbs_path, json.dumps(curbs.as_fields()))

    def begin_term(self, curbs: Curbs) -> None:
        """Office was taken by these ``curbs``: what is over by that is taken out. In one's turn."""
        # If it cannot be, it is still shown, and the next candidate counts its time anew.
        if curbs != curbs.of_next_term and self.curbs() == curbs:
            with suppress(OSError):
                self.write_curbs(curbs.of_next_term)

    @contextmanager
    def turn(self, patience_s: float) -> Iterator[bool]:
        """Who takes office, and who orders that somebody may not, take turns; False: somebody else
        has taken longer. Raises `OSError`."""
        give_up_s = time.monotonic() + patience_s
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        folder_fd = os.open(os.path.dirname(self.curbs_path), flags)
        try:
            while not (ours := _locked(folder_fd)) and time.monotonic() < give_up_s:
                time.sleep(_TURN_S)
            yield ours
        finally:
            os.close(folder_fd)


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(path: str) -> bytes | None:
    try:
        return read_regular(path, most=_MOST_BYTES)
    except OSError:
        return None


def _write(path: str, text: str) -> None:
    temporary = f"{path}.{os.getpid()}"
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o644)  # Whoever leads may be another user's.
            file.write(text)
        os.rename(temporary, path)
    except OSError:
        with suppress(OSError):
            os.unlink(temporary)
        raise
