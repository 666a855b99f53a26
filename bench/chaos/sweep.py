"""Plays the sweep of operations, in random order, and sums it up: see `tests.chaos.operations`."""

from __future__ import annotations

import random
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.chaos.operations import SWEEP, Cell, sweep_lane
from tests.chaos.play import Outcome

__all__ = ["SWEPT", "Sweep"]

SWEPT = ("etcd", "consul")

_HEAD = ("operation: trouble", "store", "cells", "void", "kept", "next", "led", "failed")


class Sweep:
    """Each lane a thread with a server and a team of its own, until all is played or time is up.

    A cell that fails ends nothing: its story is kept.
    """

    def __init__(
        self, folder: Path, *, minutes: float, seed: int, cells: str, say: Callable[[str], None]
    ) -> None:
        """``cells``: a part of the names of those to play."""
        self._folder = folder
        self._until_s = time.monotonic() + minutes * 60
        self._seed = seed
        self._deck = [cell for cell in SWEEP if cells in cell.name]
        self._say = say
        self._lock = threading.Lock()
        self._outcomes: list[Outcome] = []
        self._left: dict[str, Iterator[Cell]] = {}
        self.over = threading.Event()
        self.violations: list[str] = []

    def run(self, lanes: Sequence[str]) -> None:
        """Lanes are named as in ``etcd 2``: those of one store share its cells."""
        for store in {lane.partition(" ")[0] for lane in lanes}:
            dice = random.Random(f"{self._seed} {store}")
            self._left[store] = iter(dice.sample(self._deck, len(self._deck)))
        threads = [threading.Thread(target=self._run_lane, args=(lane,)) for lane in lanes]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        finally:
            self.over.set()
            for thread in threads:
                thread.join()

    def _run_lane(self, name: str) -> None:
        try:
            folder = self._folder / name.replace(" ", "-")
            lane = sweep_lane(name, folder, hear=self._hear, stopped=self.over.is_set)
            lane.run(self._cells(name.partition(" ")[0]))
        except Exception:  # noqa: BLE001  # The lane is lost; the others go on.
            self.violations.append(f"{name}: {traceback.format_exc()}")

    def _cells(self, store: str) -> Iterator[Cell]:
        while time.monotonic() < self._until_s:
            with self._lock:
                cell = next(self._left[store], None)
            if cell is None:
                return
            yield cell

    def _hear(self, outcome: Outcome) -> None:
        with self._lock:
            self._outcomes.append(outcome)
            took = "kept" if outcome.kept else f"next after {outcome.took_ms or 0:.0f} ms"
            what = f"{outcome.store}: {outcome.fault}"
            told = f"{took}, {outcome.hits} hits, led {outcome.led_after_ms:.0f} ms later"
            self._say(f"{len(self._outcomes)}: {what}: {'FAILED' if outcome.failures else told}")
            if outcome.failures:
                self.violations.append("\n".join([what, *outcome.failures, outcome.log]))

    def text(self) -> str:
        """One line for each operation and trouble."""
        groups: dict[tuple[str, str], list[Outcome]] = {}
        for outcome in self._outcomes:
            key = (outcome.fault.partition(",")[0], outcome.store)
            groups.setdefault(key, []).append(outcome)
        rows = [_HEAD, *(_row(*key, groups[key]) for key in sorted(groups))]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
        lines = []
        for row in rows:
            words = [text.ljust(width) for text, width in zip(row[:2], widths[:2], strict=True)]
            numbers = [text.rjust(width) for text, width in zip(row[2:], widths[2:], strict=True)]
            lines.append("  ".join([*words, *numbers]))
        legend = (
            "void: the trouble befell no request. kept: the same job went on. next: the longest, in"
            " ms,\nfrom the trouble to the next job. led: the longest from its end until somebody"
            " led."
        )
        return "\n".join(
            [*lines, "", f"{len(self._outcomes)} of {len(self._deck)} a store", legend]
        )


def _row(what: str, store: str, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    return (
        what,
        store,
        str(len(outcomes)),
        str(sum(not outcome.hits for outcome in outcomes)),
        str(sum(outcome.kept for outcome in outcomes)),
        f"{max(outcome.took_ms or 0 for outcome in outcomes):.0f}",
        f"{max(outcome.led_after_ms for outcome in outcomes):.0f}",
        str(sum(bool(outcome.failures) for outcome in outcomes)),
    )
