"""The sweep: every system call of guard, elector, fuse and job-to-be, refused with every error.

    python -m tests.errors                          all, for lock files: half an hour
    python -m tests.errors --only "elector openat"  those whose description has these words
    python -m tests.errors --most 2 --store etcd://127.0.0.1:2379
    python -m tests.errors --every 10               each tenth, and the same ones each time

Which calls there are is seen in a run in which nothing is refused. Each is then refused: its first,
second ... time (``--most``), the last, and for ever. Whatever is not an orderly end is printed.
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections import Counter
from collections.abc import Iterator

from tests.errors.play import play
from tests.errors.supervisor import Refusal
from tests.errors.sweep import refusals


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.errors", description=__doc__)
    parser.add_argument("--store", help="default: lock files in a folder of their own")
    parser.add_argument("--only", default="", help="words of the description")
    parser.add_argument("--most", type=int, default=3, help="how many times of each call")
    parser.add_argument("--every", type=int, default=1, help="only each N-th")
    parser.add_argument("--abreast", type=int, default=2, help="so many at a time")
    parser.add_argument(
        "--as-process-one", action="store_true", help="as in a container; takes root"
    )
    parser.add_argument("--log", action="store_true", help="print what each sidecar says")
    options = parser.parse_args()
    chosen = [
        one
        for one in refusals(options.store, most=options.most, as_process_one=options.as_process_one)
        if all(word in str(one).split() for word in options.only.split())
    ][:: options.every]
    bad, ends = [], Counter[tuple[str, str]]()
    lock, todo = threading.Lock(), iter(chosen)

    def work() -> None:
        for one in _shared(todo, lock):
            outcome = play(
                one, store=options.store, calls=[one.call], as_process_one=options.as_process_one
            )
            with lock:
                ends[one.who, "not borne" if outcome.faults else f"exit {outcome.code}"] += 1
                if outcome.faults or options.log:
                    print(f"{one}: {'; '.join(outcome.faults) or outcome.code}", flush=True)
                    print("".join(f"    {line}\n" for line in outcome.text.splitlines()[:12]))
                if outcome.faults:
                    bad.append(one)

    workers = [threading.Thread(target=work) for _ in range(options.abreast)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for (who, end), count in sorted(ends.items()):
        print(f"{who}: {end}: {count}")
    print(f"{len(chosen)} refusals played, {len(bad)} of them not borne")
    return 1 if bad else 0


def _shared(todo: Iterator[Refusal], lock: threading.Lock) -> Iterator[Refusal]:
    while True:
        with lock:
            one = next(todo, None)
        if one is None:
            return
        yield one


if __name__ == "__main__":
    sys.exit(main())
