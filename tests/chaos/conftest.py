"""Fixtures for the fault matrix and for the sweeps: lanes of cells, a thread each, abreast."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import pytest

from tests.chaos.lane import Lane
from tests.chaos.operations import sweep_lane
from tests.chaos.play import Outcome, play
from tests.chaos.standstills import stand_still_lane

_TTL_S = 5.0
_CELL_AT_MOST_S = 170.0


class Lanes:
    """All cells that were selected, under way; ask for the outcome of one, and wait for it."""

    def __init__(self, cells: dict[str, list[Any]], make: Callable[..., Lane[Any]]) -> None:
        self._stopped = False
        self._outcomes: dict[tuple[str, str], Future[Outcome]] = {}
        self._threads = []
        for lane, its in cells.items():
            self._outcomes |= {(lane, cell.name): Future() for cell in its}
            thread = threading.Thread(target=self._run, args=(lane, its, make))
            thread.start()
            self._threads.append(thread)

    def outcome(self, lane: str, cell: Any) -> Outcome:
        return self._outcomes[lane, cell.name].result(timeout=_CELL_AT_MOST_S)

    def end(self) -> None:
        self._stopped = True
        for thread in self._threads:
            thread.join()

    def _run(self, lane: str, cells: list[Any], make: Callable[..., Lane[Any]]) -> None:
        futures = [self._outcomes[lane, cell.name] for cell in cells]

        def hear(outcome: Outcome) -> None:
            self._outcomes[lane, outcome.fault].set_result(outcome)

        try:
            make(lane, hear=hear, stopped=lambda: self._stopped).run(cells)
        except Exception as error:  # noqa: BLE001  # For the tests that wait for this lane.
            for future in futures:
                if not future.done():
                    future.set_exception(error)


@contextmanager
def _running(
    request: pytest.FixtureRequest, fixture: str, make: Callable[..., Lane[Any]]
) -> Iterator[Lanes]:
    """Start the cells of all selected tests that ask for this fixture."""
    left_out = request.config.getoption("--without")
    cells: dict[str, list[Any]] = {}
    for item in request.session.items:
        if isinstance(item, pytest.Function) and fixture in item.fixturenames:
            lane, cell = item.callspec.params["lane"], item.callspec.params["cell"]
            if _server(str(lane)) not in left_out:
                cells.setdefault(str(lane), []).append(cell)
    lanes = Lanes(cells, make)
    try:
        yield lanes
    finally:
        lanes.end()


def _server(lane: str) -> str:
    """``etcd+grpc`` and ``etcd 2`` need etcd."""
    return lane.partition(" ")[0].partition("+")[0]


@pytest.fixture(scope="session")
def lanes(
    request: pytest.FixtureRequest,
    need_server: Callable[[str], None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Lanes]:
    """Those of the matrix; a lane is a store."""
    folder = tmp_path_factory.mktemp("chaos")

    def make(lane: str, **how: Any) -> Lane[Any]:
        return Lane(lane, folder / lane, play=play, ttl_s=_TTL_S, **how)

    with _running(request, "lanes", make) as running:
        yield running


@pytest.fixture(scope="session")
def sweep_lanes(
    request: pytest.FixtureRequest,
    need_server: Callable[[str], None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Lanes]:
    """Those of the sweep; a lane is a store, and a number if there are several."""
    folder = tmp_path_factory.mktemp("sweep")

    def make(lane: str, **how: Any) -> Lane[Any]:
        return sweep_lane(lane, folder / lane.replace(" ", "-"), **how)

    with _running(request, "sweep_lanes", make) as running:
        yield running


@pytest.fixture(scope="session")
def stand_still_lanes(
    request: pytest.FixtureRequest,
    need_server: Callable[[str], None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Lanes]:
    """Those of the stand-stills; a lane is a store, and whether guards are process 1."""
    folder = tmp_path_factory.mktemp("stand-stills")

    def make(lane: str, **how: Any) -> Lane[Any]:
        return stand_still_lane(lane, folder / lane.replace(" ", "-"), **how)

    with _running(request, "stand_still_lanes", make) as running:
        yield running
