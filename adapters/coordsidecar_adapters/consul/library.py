"""What is used of py-consul: its endpoints, errors and reading of answers.

Not its transports: they import requests (see `http_connection`), and the package imports them, with
all that a catalogue of services needs: together 100 ms and 12 MB in each sidecar.
"""

from __future__ import annotations

from coordsidecar_adapters.lean_import import bare_package

__all__ = ["CB", "KV", "Session", "Txn", "exceptions"]

with bare_package("consul"):
    from consul import exceptions
    from consul.api.kv import KV
    from consul.api.session import Session
    from consul.api.txn import Txn
    from consul.callback import CB
