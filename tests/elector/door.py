"""A status server that takes orders, without a sidecar behind it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from coordsidecar.elector.curbing import Curbing
from coordsidecar.elector.ordering import Ordering
from coordsidecar.elector.posted import Doorkeeper
from coordsidecar.log import Log
from coordsidecar.settings.serving import UnixSocket, Where
from coordsidecar.store.curbs import NO_CURBS, Curbs
from coordsidecar.store.orders import Order
from coordsidecar.store.protocol import StoreError
from tests.elector.shown import post, serve_at

__all__ = ["PATH", "TOKEN", "WITH_TOKEN", "Door"]

PATH = "/v1/step-down"
TOKEN = "s3cret"
LEADING: dict[str, Any] = {
    "role": "leader",
    "token": 7,
    "id": "a",
    "since_unix_s": 0.0,
    "paused": None,
    "cordoned": False,
    "health": None,
}
WITH_TOKEN = {"Authorization": f"Bearer {TOKEN}"}


class Door:
    """A server that takes orders, and those that it took."""

    def __init__(self, where: Where, token_file: str | None, log: Path) -> None:
        self.state = dict(LEADING)
        self.taken: list[Order] = []
        self.curbs = NO_CURBS
        self.store_says: StoreError | None = None
        self._log = log.open("w")
        doorkeeper = Doorkeeper(
            token_file,
            {"this-host", "Given.example"},
            Log(fmt="text", election="e", node_id="a", stream=self._log),
        )
        ordering = Ordering(lambda: dict(self.state), self.taken.append, doorkeeper)
        curbing = Curbing(lambda: dict(self.state), self._curb, doorkeeper)
        orders = {**ordering.orders(), **curbing.orders()}
        made = serve_at(where, lambda: dict(self.state), orders=orders)
        name = made.socket.getsockname()
        self.where: Where | int = where if isinstance(where, UnixSocket) else int(name[1])
        self._log_path = log

    def _curb(self, change: Callable[[Curbs], Curbs]) -> Curbs:
        if self.store_says is not None:
            raise self.store_says
        self.curbs = change(self.curbs)
        return self.curbs

    def log(self) -> str:
        return self._log_path.read_text()

    def post(
        self, fields: object = None, path: str = PATH, **headers: str
    ) -> tuple[int, dict[str, Any]]:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return post(self.where, path, fields, headers=given)
