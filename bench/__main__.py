"""Prints one table: how fast and how heavy coordsidecar is, beside the wrappers in use today.

    python -m bench                            all contenders, ten rounds: some ten minutes
    python -m bench --rounds 3 --only etcd,etcdctl
    python -m bench --json                     every value, for other programs

It starts servers of its own on free loopback ports, and ends them. In each round, each scenario is
played by one contender after the other, so that noise of the machine meets all of them alike.
On a busy machine ``chrt --rr 1 python -m bench`` (as root) keeps the noise out of all it starts.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.contenders import (
    CONSUL_TTL_S,
    NAMES,
    TTL_S,
    Contender,
    contenders,
    use_fetched_consul,
    versions,
)
from bench.figures import Figures
from bench.job import Job
from bench.scenarios import (
    BUSY_PERIOD_US,
    FAULTS,
    Arena,
    BenchError,
    idle,
    start_up,
    take_over,
    warm_up,
)

_IDLE_WINDOW_S = 2.0


def main() -> None:
    options = _options()
    signal.signal(signal.SIGTERM, lambda signum, frame: sys.exit(128 + signum))
    use_fetched_consul()
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="coordsidecar-bench-") as name:
        folder = Path(name)
        job = Job.make(folder)
        _say("starting the servers")
        with contenders(folder, names=options.only) as (found, remarks):
            arena = Arena(folder, job=job, figures=figures)
            remarks += _measure(arena, found, options)
    foot = _foot(options, job)
    if options.json:
        text = json.dumps({"figures": figures.as_json(), "foot": foot, "remarks": remarks})
    else:
        text = "\n".join([figures.table(), "", *foot, *remarks])
    print(text)


def _measure(arena: Arena, found: list[Contender], options: argparse.Namespace) -> list[str]:
    """Play all rounds; return what the table's reader must know."""
    remarks: dict[str, None] = {}

    def attempt(scenario: Callable[[], None]) -> None:
        try:
            scenario()
        except BenchError as error:  # The others can be measured all the same.
            _say(str(error))
            remarks[str(error)] = None

    for contender in found:
        attempt(partial(warm_up, arena, contender))
    give_up_s = time.monotonic() + options.minutes * 60
    for number in range(1, options.rounds + 1):
        if time.monotonic() > give_up_s:
            remarks[f"Stopped after {number - 1} rounds, by --minutes {options.minutes:g}."] = None
            break
        _say(f"round {number} of {options.rounds}: start-up")
        for contender in found:
            attempt(partial(start_up, arena, contender))
        for fault in FAULTS:
            _say(f"round {number} of {options.rounds}: {fault.figure}")
            for contender in found:
                if not arena.figures.is_known_slow(contender.title, fault.figure):
                    attempt(partial(take_over, arena, contender, fault))
    _say("idle CPU")
    attempt(partial(idle, arena, found, windows=options.rounds, window_s=_IDLE_WINDOW_S))
    return list(remarks)


def _foot(options: argparse.Namespace, job: Job) -> list[str]:
    load = ", ".join(f"{number:.1f}" for number in os.getloadavg())
    real_time = os.sched_getscheduler(0) in (os.SCHED_RR, os.SCHED_FIFO)
    return [
        f"{os.cpu_count()} cores, {platform.system()} {platform.release()}; load now {load}.",
        f"{versions()}.",
        f"Priority of all these processes: {'real-time' if real_time else 'as usual'}.",
        f"TTL: {TTL_S} s, coordsidecar on Consul {CONSUL_TTL_S} s, consul lock 15 s (its own).",
        f"The job: {job.what}, with a stamp every {BUSY_PERIOD_US / 1000:g} ms.",
        "coordsidecar and Python's libraries are compiled to bytecode beforehand, as by pip.",
        "Memory: sums over the wrapper's processes, half a second after they are ready. PSS counts",
        "a page that others share, such as other Python programs, by its part.",
        "n: how often. What takes more than 10 s, or never comes, is tried twice.",
        "BOTH ACTIVE: the old job ran on beside the next one; then the time is from the fault.",
    ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--rounds", type=int, default=10, help="how often (default: 10)")
    parser.add_argument(
        "--only",
        type=_names,
        default=NAMES,
        metavar="NAME,...",
        help=f"contenders, of: {', '.join(NAMES)}",
    )
    parser.add_argument("--json", action="store_true", help="print every value, as JSON")
    parser.add_argument(
        "--minutes", type=float, default=30.0, help="begin no round after this time (default: 30)"
    )
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds: at least 1")
    return options


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    for name in names:
        if name not in NAMES:
            raise argparse.ArgumentTypeError(f"there is no {name!r}; there are: {', '.join(NAMES)}")
    return names


def _say(what: str) -> None:
    print(f"bench: {what}", file=sys.stderr, flush=True)


main()
