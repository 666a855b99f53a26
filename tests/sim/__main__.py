"""``python -m tests.sim --seed 7 --trace`` tells one story; ``--seeds 0:20000`` plays many.

``--mutant NAME`` plays them with one rule taken out of the cores, or one old bug put back.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter

from tests.sim.many import BROKEN, play


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seed", type=int, help="play this one")
    parser.add_argument("--trace", action="store_true", help="print its transcript")
    parser.add_argument("--seeds", metavar="A:B", default="0:1000", help="play A up to B - 1")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--mutant", choices=sorted(BROKEN), help="play it with broken cores")
    options = parser.parse_args()
    if options.seed is not None:
        return _play_one(options.seed, options.mutant, trace=options.trace)
    first, end = (int(bound) for bound in options.seeds.split(":"))
    return _play_all(range(first, end), options.mutant, options.processes)


def _play_one(seed: int, mutant: str | None, *, trace: bool) -> int:
    report = play((seed, mutant), trace=trace)
    if trace:
        print("\n".join(report.lines))
    print(f"seed {seed}: {report.failure or 'every property held'}")
    return 1 if report.failure else 0


def _play_all(seeds: range, mutant: str | None, processes: int) -> int:
    counts: Counter[str] = Counter()
    leaderships = failures = 0
    simulated_s = 0.0
    began_s = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        tasks = ((seed, mutant) for seed in seeds)
        for report in pool.imap_unordered(play, tasks, chunksize=20):
            counts += report.counts
            leaderships += report.leaderships
            simulated_s += report.simulated_s
            if report.failure:
                failures += 1
                also = f" --mutant {mutant}" if mutant else ""
                command = f"python -m tests.sim --seed {report.seed} --trace{also}"
                print(f"FAILED: {command}  # {report.failure}", flush=True)
    took_s = time.monotonic() - began_s
    print(f"{len(seeds)} seeds, {failures} failed, {len(seeds) / took_s:.0f} seeds/s")
    print(f"{simulated_s / 3600:.1f} hours simulated, {leaderships} leaderships")
    for name, count in sorted(counts.items()):
        print(f"  {name:40} {count}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
