"""What became of all cells: collected, summed up, and shown as one table."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from coordsidecar.core.timing import Timing
from tests.chaos.instance import Gauge
from tests.chaos.matrix import MATRIX, Then, named
from tests.chaos.play import Outcome

__all__ = ["Figures", "holdings"]

_HEAD = ("fault", "store", "n", "kept", "p50", "p99", "max", "bound", "overlap", "refused")
_EDGE = 10  # So many cells are the start of a run, and so many its end.


class Figures:
    """Every outcome. Not safe for several threads at once: the caller holds a lock."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._outcomes: list[Outcome] = []

    def add(self, outcome: Outcome) -> None:
        self._outcomes.append(outcome)

    def text(self) -> str:
        """The table, a line for each fault on each store, and the sums below it."""
        rows: list[tuple[str, ...]] = [_HEAD]
        stores = list(dict.fromkeys(outcome.store for outcome in self._outcomes))
        for fault in MATRIX:
            for store in stores:
                cells = self._of(store, fault.name)
                if cells:
                    rows.append(self._row(store, fault.name, cells))
        widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
        lines = [_aligned(row, widths) for row in rows]
        return "\n".join([*lines, "", *self._foot(stores)])

    def _of(self, store: str, fault: str) -> list[Outcome]:
        return [each for each in self._outcomes if (each.store, each.fault) == (store, fault)]

    def _row(self, store: str, fault: str, cells: Sequence[Outcome]) -> tuple[str, ...]:
        then, within = named(fault).outcome(store)
        bound = "" if then is Then.STAYS else f"{within.bound_s(self._timing, store) * 1000:.0f}"
        took = sorted(cell.took_ms for cell in cells if cell.took_ms is not None)
        overlap_ms = max(cell.account.overlap_ms for cell in cells)
        return (
            fault,
            store,
            str(len(cells)),
            str(sum(cell.kept for cell in cells)),
            *(f"{number:.0f}" if took else "" for number in _spread(took)),
            bound,
            f"{overlap_ms:.1f}" if any(cell.account.overlaps for cell in cells) else "0",
            str(sum(cell.account.refused for cell in cells)),
        )

    def _foot(self, stores: Sequence[str]) -> list[str]:
        quiet_s = sum(outcome.quiet_s for outcome in self._outcomes)
        restless = sum(outcome.restless for outcome in self._outcomes)
        hourly = f"{restless * 3600 / quiet_s:.1f} an hour" if quiet_s else "not measured"
        illicit = sum(bool(outcome.failures) for outcome in self._outcomes)
        woke = sum(len(each.account.overlaps) for each in self._outcomes if not each.failures)
        lines = [
            f"{len(self._outcomes)} faults, {illicit} violations; {woke} times a frozen job woke "
            "beside the next one.",
            f"Spurious step-downs: {restless} in {quiet_s:.0f} s of quiet, {hourly}.",
            "All times in ms. kept: the same job went on. p50, p99, max: to the next job's first "
            "stamp,",
            "from the fault, or where nobody can lead meanwhile from its end. bound: what the",
            "documentation promises, without what the processes take; 0: no time-out is waited "
            "for.",
            "overlap: the longest. refused: writes with an old token that the referee refused.",
        ]
        for store in stores:
            for kind in ("guard", "elector"):
                lines += self._memory(store, kind)
        return lines

    def _memory(self, store: str, kind: str) -> list[str]:
        """What guards or electors hold at the start, at the end, and who has lived longest."""
        samples = [
            [gauge for gauge in outcome.gauges.values() if gauge.kind == kind]
            for outcome in self._outcomes
            if outcome.store == store
        ]
        first = [gauge for gauges in samples[:_EDGE] for gauge in gauges]
        last = [gauge for gauges in samples[-_EDGE:] for gauge in gauges]
        if not first:
            return []
        everything = [gauge for gauges in samples for gauge in gauges]
        oldest = max(everything, key=lambda gauge: gauge.age_s)
        his = [gauge for gauge in everything if gauge.pid == oldest.pid]
        return [
            f"{store} {kind}s: {_holding(first)} at the start, {_holding(last)} at the end; "
            f"the longest-lived, {oldest.age_s / 60:.0f} min: {_holding(his[:1])}, "
            f"then {_holding(his[-1:])}."
        ]


def holdings(outcome: Outcome) -> str:
    """What the guards and electors of one team held after this cell."""
    kinds = ("guard", "elector")
    found = {
        kind: [each for each in outcome.gauges.values() if each.kind == kind] for kind in kinds
    }
    return "; ".join(f"{kind}s: {_holding(found[kind])}" for kind in kinds if found[kind])


def _holding(gauges: Sequence[Gauge]) -> str:
    pss_mb = statistics.median(gauge.pss_kb for gauge in gauges) / 1024
    own_mb = statistics.median(gauge.own_kb for gauge in gauges) / 1024
    descriptors = statistics.median(gauge.descriptors for gauge in gauges)
    return f"PSS {pss_mb:.1f} MB (own {own_mb:.1f}), {descriptors:g} descriptors"


def _spread(values: Sequence[float]) -> tuple[float, float, float]:
    """p50, p99 and the maximum of sorted values."""
    if not values:
        return 0.0, 0.0, 0.0
    return statistics.median(values), values[int(0.99 * (len(values) - 1) + 0.5)], values[-1]


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    words = [text.ljust(width) for text, width in zip(row[:2], widths[:2], strict=True)]
    numbers = [text.rjust(width) for text, width in zip(row[2:], widths[2:], strict=True)]
    return "  ".join([*words, *numbers]).rstrip()
