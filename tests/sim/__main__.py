"""Play the simulator: one seed as a story to read, or a range of seeds on all cores.

  python -m tests.sim --seed 7 --trace            tell what happens, line by line
  python -m tests.sim --seeds 0:20000             play many; each failure with the command to see it
  python -m tests.sim --seed 2 --schedule '0.1 cut leader 1; 0.2 revoke leader 0' --trace
                                                  as the schedule says, see tests/sim/schedule.py

--mutant NAME takes a rule out of the cores first, or puts an old bug back.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter

from tests.sim.faults import FAULT_NAMES
from tests.sim.many import BROKEN, play, play_range
from tests.sim.schedule import Schedule
from tests.sim.tell import command

_TELL_EVERY_S = 5.0


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.sim",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--seed", type=int, help="play this one")
    what.add_argument(
        "--seeds", metavar="A:B", type=_range, default="0:1000", help="play A up to B - 1"
    )
    parser.add_argument("--trace", action="store_true", help="with --seed: print the transcript")
    parser.add_argument("--schedule", type=_schedule, help="with --seed: what goes wrong")
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count(), metavar="N", help="as many as cores"
    )
    parser.add_argument("--mutant", choices=sorted(BROKEN), metavar="NAME", help="break this")
    options = parser.parse_args()
    if options.seed is not None:
        return _play_one(options.seed, options.schedule, options.mutant, trace=options.trace)
    if options.trace or options.schedule:
        parser.error("--trace and --schedule are for one --seed")
    return _play_all(options.seeds, options.mutant, options.processes)


def _range(text: str) -> range:
    first, _, end = text.partition(":")
    try:
        seeds = range(int(first), int(end))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no range; an example: 0:20000") from error
    if not seeds:
        raise argparse.ArgumentTypeError(f"no seeds from {first} up to {end}")
    return seeds


def _schedule(text: str) -> Schedule:
    try:
        schedule = Schedule.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; an example: 0.4 kill_guard leader 0") from error
    for strike in schedule.strikes:
        if strike.fault not in FAULT_NAMES:
            known = ", ".join(sorted(FAULT_NAMES))
            raise argparse.ArgumentTypeError(
                f"no fault is called {strike.fault!r}; there are {known}"
            )
    return schedule


def _play_one(seed: int, schedule: Schedule | None, mutant: str | None, *, trace: bool) -> int:
    report = play(seed, mutant, schedule=schedule, trace=trace)
    if trace:
        print("\n".join(report.lines))
    print(f"seed {seed}: {report.failure or 'every property held'}")
    return 1 if report.failure else 0


def _play_all(seeds: range, mutant: str | None, processes: int) -> int:
    counts: Counter[str] = Counter()
    played = leaderships = failures = 0
    simulated_s = 0.0
    began_s = told_s = time.monotonic()
    for report in play_range(seeds, mutant, processes=processes):
        counts += report.counts
        played += 1
        leaderships += report.leaderships
        simulated_s += report.simulated_s
        if report.failure:
            failures += 1
            print(f"FAILED: {command(report, mutant=mutant)}", flush=True)
        if time.monotonic() - told_s > _TELL_EVERY_S:
            told_s = time.monotonic()
            pace = f"{played / (told_s - began_s):.0f} seeds/s"
            print(f"{played} of {len(seeds)} seeds, {failures} failed, {pace}", file=sys.stderr)
    took_s = time.monotonic() - began_s
    print(f"{played} seeds, {failures} failed, {played / took_s:.0f} seeds/s")
    print(f"{simulated_s / 3600:.1f} hours simulated, {leaderships} leaderships")
    for name, count in sorted(counts.items()):
        print(f"  {name:40} {count}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
