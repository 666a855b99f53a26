"""``python -m tests.sim --seed 7 --trace`` tells one story; ``--seeds 0:20000`` plays many."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter

from tests.sim.scenario import Report, run


def play(seed: int) -> Report:
    return run(seed)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seed", type=int, help="play this one")
    parser.add_argument("--trace", action="store_true", help="print its transcript")
    parser.add_argument("--seeds", metavar="A:B", help="play all from A up to, without, B")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    if options.seed is not None:
        return _play_one(options.seed, trace=options.trace)
    first, last = (int(end) for end in (options.seeds or "0:1000").split(":"))
    return _play_all(range(first, last), options.processes)


def _play_one(seed: int, *, trace: bool) -> int:
    report = run(seed, trace=trace)
    print("\n".join(report.lines))
    print(f"seed {seed}: {report.failure or 'every property held'}")
    return 1 if report.failure else 0


def _play_all(seeds: range, processes: int) -> int:
    counts: Counter[str] = Counter()
    leaderships = failures = 0
    simulated_s = 0.0
    began_s = time.monotonic()
    with multiprocessing.Pool(processes) as pool:
        for report in pool.imap_unordered(play, seeds, chunksize=20):
            counts += report.counts
            leaderships += report.leaderships
            simulated_s += report.simulated_s
            if report.failure:
                failures += 1
                print(
                    f"FAILED: python -m tests.sim --seed {report.seed} --trace  # {report.failure}"
                )
    took_s = time.monotonic() - began_s
    print(f"{len(seeds)} seeds, {failures} failed, {len(seeds) / took_s:.0f} seeds/s")
    print(f"{simulated_s / 3600:.1f} hours simulated, {leaderships} leaderships")
    for name, count in sorted(counts.items()):
        print(f"  {name:40} {count}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
