"""An operator's order to who holds a lock file: ``<name>.order`` beside it, replaced as a whole."""

from __future__ import annotations

import os
from contextlib import suppress

from coordsidecar.store.orders import Order
from coordsidecar_adapters.regular_file import read_regular

__all__ = ["read_order", "write_order"]

_MOST_BYTES = 64 * 1024


def read_order(path: str) -> Order | None:
    """None: there is none, or none that we may read."""
    try:
        return Order.decode(read_regular(path, most=_MOST_BYTES))
    except OSError:
        return None


def write_order(path: str, order: Order) -> None:
    """Raises `OSError`, and leaves what was there."""
    temporary = f"{path}.{os.getpid()}"
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o644)  # Whoever leads may be another user's.
            file.write(order.encode())
        os.rename(temporary, path)
    except OSError:
        with suppress(OSError):
            os.unlink(temporary)
        raise
