"""Plays a sweep in random order, and sums it up: see `tests.chaos.operations`, `.standstills`."""

from __future__ import annotations

import random
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos.lane import Lane
from tests.chaos.operations import SWEEP, sweep_lane
from tests.chaos.play import Outcome
from tests.chaos.standstills import LANES, STAND_STILLS, stand_still_lane

__all__ = ["SWEEPS", "Kind", "Sweep"]


@dataclass(frozen=True)
class Kind:
    """What there is to play, and where. A lane is named as one of ``decks``, and by a number: those
    of one deck share its cells. A deck's first word is its store."""

    what: str
    cells: Sequence[Any]
    decks: Sequence[str]
    lane: Callable[..., Lane[Any]]


SWEEPS = {
    "operations": Kind("operation: trouble", SWEEP, ("etcd", "consul", "kubernetes"), sweep_lane),
    "stand-stills": Kind("who stands still", STAND_STILLS, LANES, stand_still_lane),
}

_HEAD = ("store", "cells", "void", "kept", "next", "led", "failed")


class Sweep:
    """Each lane a thread with a server and a team of its own, until all is played or time is up.

    A cell that fails ends nothing: its story is kept.
    """

    def __init__(
        self,
        kind: Kind,
        folder: Path,
        *,
        minutes: float,
        seed: int,
        cells: str,
        say: Callable[[str], None],
    ) -> None:
        """``cells``: a part of the names of those to play."""
        self._kind = kind
        self._folder = folder
        self._until_s = time.monotonic() + minutes * 60
        self._seed = seed
        self._deck = [cell for cell in kind.cells if cells in cell.name]
        self._say = say
        self._lock = threading.Lock()
        self._outcomes: list[Outcome] = []
        self._left: dict[str, Iterator[Any]] = {}
        self._count = 0
        self.over = threading.Event()
        self.violations: list[str] = []

    def run(self, stores: Sequence[str], *, abreast: int) -> None:
        """Play on these stores; ``abreast``: so many lanes for each deck."""
        decks = [deck for deck in self._kind.decks if deck.partition(" ")[0] in stores]
        for deck in decks:
            dice = random.Random(f"{self._seed} {deck}")
            self._left[deck] = iter(dice.sample(self._deck, len(self._deck)))
        self._count = len(decks) * len(self._deck)
        threads = [
            threading.Thread(target=self._run_lane, args=(deck, number))
            for deck in decks
            for number in range(abreast)
        ]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        finally:
            self.over.set()
            for thread in threads:
                thread.join()

    def _run_lane(self, deck: str, number: int) -> None:
        name = f"{deck} {number}"

        def hear(outcome: Outcome) -> None:
            outcome.store = deck
            self._hear(outcome)

        try:
            folder = self._folder / name.replace(" ", "-")
            dice = random.Random(f"{self._seed} {name}")
            lane = self._kind.lane(name, folder, hear=hear, stopped=self.over.is_set, dice=dice)
            lane.run(self._cells(deck))
        except Exception:  # noqa: BLE001  # The lane is lost; the others go on.
            self.violations.append(f"{name}: {traceback.format_exc()}")

    def _cells(self, deck: str) -> Iterator[Any]:
        while time.monotonic() < self._until_s:
            with self._lock:
                cell = next(self._left[deck], None)
            if cell is None:
                return
            yield cell

    def _hear(self, outcome: Outcome) -> None:
        with self._lock:
            self._outcomes.append(outcome)
            took = "kept" if outcome.kept else f"next after {outcome.took_ms or 0:.0f} ms"
            what = f"{outcome.store}: {outcome.fault}"
            told = f"{took}, {outcome.hits} hits, led {outcome.led_after_ms:.0f} ms later"
            done = f"{len(self._outcomes)} of {self._count}"
            self._say(f"{done}: {what}: {'FAILED' if outcome.failures else told}")
            if outcome.failures:
                self.violations.append("\n".join([what, *outcome.failures, outcome.log]))

    def text(self) -> str:
        """One line for each kind of cell."""
        groups: dict[tuple[str, str], list[Outcome]] = {}
        for outcome in self._outcomes:
            key = (outcome.fault.partition(",")[0], outcome.store)
            groups.setdefault(key, []).append(outcome)
        rows = [(self._kind.what, *_HEAD), *(_row(*key, groups[key]) for key in sorted(groups))]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = []
        for row in rows:
            words = [text.ljust(width) for text, width in zip(row[:2], widths[:2], strict=True)]
            numbers = [text.rjust(width) for text, width in zip(row[2:], widths[2:], strict=True)]
            lines.append("  ".join([*words, *numbers]))
        legend = (
            "void: it befell nobody. kept: the same job went on. next: the longest, in"
            " ms,\nfrom the trouble to the next job. led: the longest from its end until somebody"
            " led."
        )
        return "\n".join([*lines, "", f"{len(self._outcomes)} of {self._count} cells", legend])


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
