"""An operator's order to who holds a lock file: ``<name>.order`` beside it, replaced as a whole."""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from coordsidecar.store.orders import Order

__all__ = ["read_order", "write_order"]

_MOST_BYTES = 64 * 1024


def read_order(path: str) -> Order | None:
    """None: there is none, or none that we may read. What else stands there, such as a pipe, holds
    nobody up."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        with open(fd, "rb") as file:
            is_file = stat.S_ISREG(os.fstat(fd).st_mode)
            return Order.decode(file.read(_MOST_BYTES)) if is_file else None
    except OSError:
        return None


def write_order(path: str, order: Order) -> None:
    """Raises `OSError`, and leaves what was there."""
    temporary = f"{path}.{os.getpid()}"
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(order.encode())
        os.rename(temporary, path)
    except OSError:
        with suppress(OSError):
            os.unlink(temporary)
        raise
