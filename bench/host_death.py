"""Prints how long nobody works after the death of a whole host, beside the wrappers in use today.

    python -m bench.host_death                         everyone, ten rounds: some ten minutes
    python -m bench.host_death --rounds 3 --only etcd,etcdctl --ttl 15s
    python -m bench.host_death --only consul --instances 3
    python -m bench.host_death --json                  every value, for other programs

One leads, another stands by. Then all processes of the one who leads, its job among them, are
killed at one instant, at any moment between two renewals: nobody is left to resign, or to see that
another died. The time is from then to the next job's first stamp. All contenders of a round are
played abreast, since what is measured is a wait. Exits with 1 if two jobs were ever active at once.

One thing is unlike the death of a host: the kernel closes the connections of the dead. Neither etcd
nor Consul makes anything of that.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.contenders import (
    CONSUL_TTL_S,
    NAMES,
    Contender,
    contenders,
    use_fetched_consul,
    versions,
)
from bench.figures import Figures
from bench.job import Job
from bench.scenarios import BUSY_PERIOD_US, Arena, BenchError
from bench.wrapper import wait_for
from coordsidecar.duration import parse_duration
from tests.e2e.at_once import kill_at_once

_FIGURE = "host-death"
# The locks of `local:` are for one host.
_NAMES = tuple(name for name in NAMES if name != "local")
_TTLS_S = (5.0, 15.0)
_TTLS_ON_CONSUL_S = (float(CONSUL_TTL_S),)
# The longest that any of them takes between two renewals.
_PHASE_S = 7.5
_PATIENCE_S = 120.0
# So long all jobs are looked at after a takeover, to see whether two are active.
_LOOK_S = 0.5
_BOTH_ACTIVE = "BOTH ACTIVE"


def main() -> int:
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
            remarks += _measure(arena, list(_at_their_ttls(found, options.ttls_s)), options)
    foot = _foot(options, job)
    if options.json:
        print(json.dumps({"figures": figures.as_json(), "foot": foot, "remarks": remarks}))
    else:
        print("\n".join([figures.table(), "", *foot, *remarks]))
    return int(any(_BOTH_ACTIVE in cell["notes"] for cell in figures.as_json()))


def _at_their_ttls(
    found: Iterable[Contender], wanted_s: Sequence[float] | None
) -> Iterable[Contender]:
    by_title = {}
    for contender in found:
        usual_s = _TTLS_ON_CONSUL_S if contender.name.startswith("consul") else _TTLS_S
        for ttl_s in wanted_s or usual_s:
            at_ttl = contender.with_ttl(ttl_s)
            by_title[at_ttl.title] = at_ttl
    return by_title.values()


@dataclass(slots=True)
class _Outcome:
    """Of one contender in one round; ``error``: it did not get so far."""

    took_s: float | None = None
    both_active: bool = False
    error: str = ""

    def __str__(self) -> str:
        took = "nobody works" if self.took_s is None else f"{self.took_s:.2f} s"
        return self.error or (f"{took}, {_BOTH_ACTIVE}" if self.both_active else took)


def _measure(arena: Arena, found: list[Contender], options: argparse.Namespace) -> list[str]:
    """Play all rounds; return what the table's reader must know."""
    remarks: dict[str, None] = {}

    def attempt(number: int, contender: Contender) -> _Outcome:
        try:
            outcome = _kill_leaders_host(arena, contender, instances=options.instances)
        except BenchError as error:  # The others can be measured all the same.
            outcome = _Outcome(error=str(error))
        _say(f"round {number} of {options.rounds}: {contender.title}: {outcome}")
        return outcome

    with ThreadPoolExecutor(max(1, len(found))) as abreast:
        for number in range(1, options.rounds + 1):
            outcomes = abreast.map(partial(attempt, number), found)
            for contender, outcome in zip(found, outcomes, strict=True):
                _note(arena.figures, contender.title, outcome)
                if outcome.error:
                    remarks[outcome.error] = None
    return list(remarks)


def _note(figures: Figures, title: str, outcome: _Outcome) -> None:
    if outcome.took_s is not None:
        figures.add(title, _FIGURE, outcome.took_s)
    elif not outcome.error:
        figures.add_none(title, _FIGURE, f"none within {_PATIENCE_S:g} s")
    if outcome.both_active:
        figures.note(title, _FIGURE, _BOTH_ACTIVE)


def _kill_leaders_host(arena: Arena, contender: Contender, *, instances: int) -> _Outcome:
    with arena.scene(contender) as scene:
        leader, _ = scene.leader()
        for _ in range(instances - 1):
            scene.standby()
        time.sleep(random.uniform(0.0, _PHASE_S))
        if len(scene.stamps.stints()) > 1:
            raise BenchError(f"{contender.title}: the lead changed for no reason")
        at_ns = kill_at_once(leader.everyone)
        leader.process.wait()
        if not wait_for(lambda: len(scene.stamps.stints()) > 1, within_s=_PATIENCE_S):
            return _Outcome()
        time.sleep(_LOOK_S)
        stints = scene.stamps.stints()
        both_active = any(old.last_ns >= new.first_ns for old, new in itertools.pairwise(stints))
        return _Outcome((stints[1].first_ns - at_ns) / 1e9, both_active)


def _foot(options: argparse.Namespace, job: Job) -> list[str]:
    load = ", ".join(f"{number:.1f}" for number in os.getloadavg())
    return [
        f"{os.cpu_count()} cores; load now {load}.",
        f"{versions()}.",
        f"{options.instances} instances of each. The job: {job.what}, "
        f"with a stamp every {BUSY_PERIOD_US / 1000:g} ms.",
        f"{_BOTH_ACTIVE}: said where an old job ran on beside the next one.",
    ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.host_death",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--rounds", type=int, default=10, help="how often (default: 10)")
    add("--only", type=_names, default=_NAMES, metavar="NAME,...",
        help=f"contenders, of: {', '.join(_NAMES)}")  # fmt: skip
    add("--ttl", type=_durations, dest="ttls_s", metavar="TTL,...",
        help="default: 5s,15s; on Consul 10s, which is the least there. "
             "consul lock has 15s of its own")  # fmt: skip
    add("--instances", type=int, default=2, help="of each contender (default: 2)")
    add("--json", action="store_true", help="print every value, as JSON")
    options = parser.parse_args()
    for option, least in (("rounds", 1), ("instances", 2)):
        if getattr(options, option) < least:
            parser.error(f"--{option}: at least {least}")
    return options


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    for name in names:
        if name not in _NAMES:
            there_are = ", ".join(_NAMES)
            raise argparse.ArgumentTypeError(f"there is no {name!r}; there are: {there_are}")
    return names


def _durations(text: str) -> list[float]:
    try:
        return [parse_duration(one) for one in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _say(what: str) -> None:
    print(f"bench: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
