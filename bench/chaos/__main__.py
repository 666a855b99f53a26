"""Plays faults at random on real clusters, and prints one table of what became of them.

    python -m bench.chaos --minutes 15        all faults on etcd, Consul and lock files
    python -m bench.chaos --minutes 5 --stores etcd --faults "kill guard,cut both ways"
    python -m bench.chaos --soak              an hour at speed; the guards live throughout
    python -m bench.chaos --sweep operations --minutes 60 --lanes 3
    python -m bench.chaos --sweep operations --stores etcd --cells "look: refused"
    python -m bench.chaos --sweep stand-stills --minutes 120

Each store gets a cluster and a team of three sidecars; the stores run abreast. Ctrl-C prints the
table so far. Should two jobs ever be active at once, a token go back, nobody lead again, or a
process be left behind, it prints the seed and the last lines of every sidecar, and exits with 1.
"""

from __future__ import annotations

import argparse
import random
import secrets
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.chaos.figures import Figures, holdings
from bench.chaos.sweep import SWEEPS, Sweep
from bench.contenders import use_fetched_consul, versions
from coordsidecar.core.timing import Timing
from coordsidecar.duration import parse_duration
from tests.chaos.clock import can_be_stepped
from tests.chaos.host import own_host
from tests.chaos.lane import Lane
from tests.chaos.matrix import MATRIX, Fault, named
from tests.chaos.play import Outcome, play
from tests.chaos.stores import STORES

_SOAK_MINUTES = 60.0
_SAMPLE_EVERY_S = 60.0
_QUIET_S = (1.0, 4.0)
_QUIET_IN_A_SOAK_S = (0.2, 1.0)


class Campaign:
    """All lanes, until time is up, somebody interrupts, or something is violated."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self._options = options
        self._folder = folder
        self._until_s = time.monotonic() + options.minutes * 60
        self._lock = threading.Lock()
        self._count = 0
        self.over = threading.Event()
        self.figures = Figures(Timing.for_ttl(options.ttl_s))
        self.violations: list[str] = []
        self._sample_at_s: dict[str, float] = {}

    def run(self) -> None:
        lanes = [threading.Thread(target=self._run_lane, args=(s,)) for s in self._options.stores]
        for lane in lanes:
            lane.start()
        try:
            for lane in lanes:
                lane.join()
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            _say("interrupted; ending what was started")
        finally:
            self.over.set()
            for lane in lanes:
                lane.join()

    def _run_lane(self, store: str) -> None:
        dice = random.Random(f"{self._options.seed} {store}")
        quiet_s = _QUIET_IN_A_SOAK_S if self._options.soak else _QUIET_S
        try:
            lane = Lane(
                store,
                self._folder / store,
                play=play,
                ttl_s=self._options.ttl_s,
                hear=self._hear,
                stopped=self.over.is_set,
                dice=dice,
                quiet_s=lambda: dice.uniform(*quiet_s),
            )
            lane.run(self._schedule(store, dice))
        except Exception:  # noqa: BLE001  # The lane is lost; say so, and end the others.
            self.violations.append(f"{store}: {traceback.format_exc()}")
            self.over.set()

    def _schedule(self, store: str, dice: random.Random) -> Iterator[Fault]:
        """All faults that can befall this store, in random order, again and again; one at least."""
        deck = [fault for fault in self._options.faults if store in fault.stores]
        deck = [fault for fault in deck if can_be_stepped() or not fault.needs_cc]
        while deck:
            for fault in dice.sample(deck, len(deck)):
                yield fault
                if time.monotonic() > self._until_s:
                    return

    def _hear(self, outcome: Outcome) -> None:
        with self._lock:
            self._count += 1
            self.figures.add(outcome)
            what = f"{outcome.store}: {outcome.fault}"
            if outcome.drawn:
                what += f" ({outcome.drawn})"
            took = "kept" if outcome.kept else f"{outcome.took_ms or 0:.0f} ms"
            if outcome.restless:
                took += ", and the lead had changed before, for no reason"
            left_min = max(0.0, self._until_s - time.monotonic()) / 60
            _say(f"{self._count}, {left_min:.0f} min left: {what}: {took}")
            if self._options.soak and time.monotonic() > self._sample_at_s.get(outcome.store, 0.0):
                self._sample_at_s[outcome.store] = time.monotonic() + _SAMPLE_EVERY_S
                _say(f"{outcome.store}: {holdings(outcome)}")
            if outcome.failures:
                self.violations.append("\n".join([what, *outcome.failures, outcome.log]))
                self.over.set()


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    use_fetched_consul()
    _say(f"seed {options.seed}; {options.minutes:g} minutes on {', '.join(options.stores)}")
    if not own_host():
        _say("no PID namespaces here: the sidecars see each other, as on one host")
    if not can_be_stepped():
        _say("no C compiler here: the wall clock is not stepped")
    with tempfile.TemporaryDirectory(prefix="chaos-") as name:
        text, violations = (_sweep if options.sweep else _campaign)(options, Path(name))
    print(text)
    print(f"{versions()}; seed {options.seed}.")
    for violation in violations:
        print(f"\nVIOLATION, seed {options.seed}: {violation}")
    return 1 if violations else 0


def _campaign(options: argparse.Namespace, folder: Path) -> tuple[str, list[str]]:
    campaign = Campaign(options, folder)
    campaign.run()
    return f"{campaign.figures.text()}\nTTL {options.ttl_s:g} s.", campaign.violations


def _sweep(options: argparse.Namespace, folder: Path) -> tuple[str, list[str]]:
    how = {"minutes": options.minutes, "seed": options.seed, "cells": options.cells}
    sweep = Sweep(SWEEPS[options.sweep], folder, **how, say=_say)
    try:
        sweep.run(options.stores, abreast=options.lanes)
    except KeyboardInterrupt:
        _say("interrupted")
    return sweep.text(), sweep.violations


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.chaos", description=(__doc__ or "").partition("\n")[0]
    )
    add = parser.add_argument
    add("--minutes", type=float, help=f"how long (default: 10; a soak: {_SOAK_MINUTES:g})")
    add("--seed", type=int, default=secrets.randbelow(1_000_000), help="of the order of faults")
    add("--stores", type=_stores, default=["etcd", "consul", "local"], metavar="NAME,...",
        help=f"of: {', '.join(STORES)} (default: etcd,consul,local)")  # fmt: skip
    add("--faults", type=_faults, metavar="NAME,...",
        help=f"of: {', '.join(fault.name for fault in MATRIX)} (default: all)")  # fmt: skip
    add("--ttl", type=parse_duration, default=5.0, dest="ttl_s", help="default: 5s")
    add("--sweep", choices=list(SWEEPS),
        help="trouble with one kind of request at a time, or processes that stop")  # fmt: skip
    add("--cells", default="", metavar="TEXT", help="of a sweep: those with this in their names")
    add("--lanes", type=int, default=1, help="of a sweep: teams abreast on each store (default: 1)")
    add("--soak", action="store_true", help="an hour of those that the leader's guard survives")
    options = parser.parse_args()
    if options.faults is None:
        options.faults = [fault for fault in MATRIX if not (options.soak and fault.ends_sidecar)]
    if options.minutes is None:
        options.minutes = _SOAK_MINUTES if options.soak else 10.0
    return options


def _stores(text: str) -> Sequence[str]:
    names = text.split(",")
    for name in names:
        if name not in STORES:
            raise argparse.ArgumentTypeError(
                f"there is no {name!r}; there are: {', '.join(STORES)}"
            )
    return names


def _faults(text: str) -> Sequence[Fault]:
    try:
        return [named(name.strip()) for name in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _say(what: str) -> None:
    print(f"chaos: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
