"""Fixtures for the fault matrix: each store's cells run in a thread of their own, abreast."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import cast

import pytest

from tests.chaos.lane import run_lane
from tests.chaos.matrix import Fault
from tests.chaos.play import Outcome

_TTL_S = 5.0
_CELL_AT_MOST_S = 170.0


class Lanes:
    """All cells that were selected, under way; ask for the outcome of one, and wait for it."""

    def __init__(self, cells: list[tuple[str, Fault]], folder: Path) -> None:
        self._stopped = False
        self._outcomes: dict[tuple[str, str], Future[Outcome]] = {}
        self._threads = []
        for store in dict.fromkeys(store for store, _ in cells):
            faults = [fault for other, fault in cells if other == store]
            self._outcomes |= {(store, fault.name): Future() for fault in faults}
            thread = threading.Thread(target=self._run, args=(store, faults, folder / store))
            thread.start()
            self._threads.append(thread)

    def outcome(self, store: str, fault: Fault) -> Outcome:
        return self._outcomes[store, fault.name].result(timeout=_CELL_AT_MOST_S)

    def end(self) -> None:
        self._stopped = True
        for thread in self._threads:
            thread.join()

    def _run(self, store: str, faults: list[Fault], folder: Path) -> None:
        futures = [self._outcomes[store, fault.name] for fault in faults]

        def hear(outcome: Outcome) -> None:
            self._outcomes[store, outcome.fault].set_result(outcome)

        try:
            run_lane(store, faults, folder, ttl_s=_TTL_S, hear=hear, stopped=lambda: self._stopped)
        except Exception as error:  # noqa: BLE001  # For the tests that wait for this lane.
            for future in futures:
                if not future.done():
                    future.set_exception(error)


@pytest.fixture(scope="session")
def lanes(
    request: pytest.FixtureRequest,
    need_server: Callable[[str], None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Lanes]:
    """Start the cells of all selected tests of the matrix."""
    left_out = request.config.getoption("--without")
    cells: list[tuple[str, Fault]] = [
        (str(item.callspec.params["store"]), cast("Fault", item.callspec.params["fault"]))
        for item in request.session.items
        if isinstance(item, pytest.Function) and "lanes" in item.fixturenames
    ]
    cells = [(store, fault) for store, fault in cells if store.partition("+")[0] not in left_out]
    running = Lanes(cells, tmp_path_factory.mktemp("chaos"))
    try:
        yield running
    finally:
        running.end()
