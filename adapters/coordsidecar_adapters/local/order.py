"""An operator's order to who holds a lock file: ``<name>.order`` beside it, replaced as a whole."""

from __future__ import annotations

import os

from coordsidecar.store.orders import Order

__all__ = ["read_order", "write_order"]

_MOST_BYTES = 64 * 1024


def read_order(path: str) -> Order | None:
    """None: there is none, or none that we may read."""
    try:
        with open(path, "rb") as file:
            return Order.decode(file.read(_MOST_BYTES))
    except OSError:
        return None


def write_order(path: str, order: Order) -> None:
    """Raises `OSError`."""
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(order.encode())
    os.rename(temporary, path)
