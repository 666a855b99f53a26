"""Prints what operators and onlookers cost: orders in a fleet, and two hundred slow clients.

    python -m bench.operated                                  etcd, Consul and lock files, 50 rounds
    python -m bench.operated --stores local --rounds 5 --clients 0

In a fleet of five the lead passes on so many times by SIGTERM to the leader's sidecar, by
`step-down`, and by `transfer` to another each time: from the last stamp of the one job to the first
of the next, whether ever two stamped at once, and how many jobs there were, which is one for each.
Then a leader renews twice a second, alone, and while so many clients ask its pages and never read,
or send a byte a second: by how much its renewals were late at the most.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

from bench.contenders import Coordsidecar, contenders, versions
from bench.job import Job, Stamps, Stint
from bench.scenarios import BUSY_PERIOD_US
from bench.wrapper import Wrapper, clean_environ, wait_for, wrappers
from tests.e2e.crowd import crowd
from tests.servers.process import free_ports

_STORES = ("etcd", "consul", "local")
_FLEET = 5
_WITHIN_S = 60.0
_SIT_OUT = "1s"
_WAYS = ("SIGTERM", "step-down", "transfer")
_RENEWED_FOR_S = 30.0
_RENEW_EVERY_S = 0.5


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="coordsidecar-operated-") as name:
        folder = Path(name)
        job, environ = Job.make(folder), clean_environ(folder / "bytecode")
        with contenders(folder, names=options.stores) as (found, missing):
            for contender in found:
                assert isinstance(contender, Coordsidecar)
                for way in _WAYS:
                    where = folder / f"{contender.name}-{way}"
                    stamps = Stamps(where / "stamps", job=job, period_us=BUSY_PERIOD_US)
                    with wrappers(where, environ=environ, job_command=stamps.command) as start:
                        fleet = Fleet(contender, way, stamps, start)
                        print(fleet.passes_on(options.rounds), flush=True)
                if options.clients and contender.name != "local":  # Whose locks have no lease.
                    where = folder / f"{contender.name}-clients"
                    where.mkdir()
                    with wrappers(where, environ=environ, job_command=["sleep", "600"]) as start:
                        print(_onlookers(contender, where, start, options.clients), flush=True)
        for line in missing:
            print(line)
    print(versions())


class Fleet:
    """Five instances of one election, of which the lead is passed on in one ``way``."""

    def __init__(
        self, contender: Coordsidecar, way: str, stamps: Stamps, start: Callable[..., Wrapper]
    ) -> None:
        self._contender, self._way, self._stamps, self._start = contender, way, stamps, start
        self._election = f"fleet-{way.lower()}"
        self._members: dict[str, Wrapper] = {}
        self._made = 0

    def passes_on(self, rounds: int) -> str:
        """One line about so many times."""
        for _ in range(_FLEET):
            self._join()
        for done in range(1, rounds + 1):
            leader = self._leader(done)
            self._pass_on(leader)
            self._wait(lambda n=done: len(self._stamps.stints()) > n, "the next job")  # type: ignore[misc]
            if self._way == "SIGTERM":
                self._members.pop(leader).process.wait()
                self._join()
        return self._line(self._stamps.stints(), rounds)

    def _join(self) -> None:
        node_id = f"node-{self._made}"
        self._made += 1
        python = [sys.executable, "-m", "coordsidecar", *self._contender.options]
        words = ["--name", self._election, "--id", node_id, "--", *self._stamps.command]
        self._members[node_id] = member = self._start([*python, *words])
        if len(self._members) == 1:
            self._wait(self._stamps.stints, "the first job")
        else:
            self._wait(lambda: "standing-by" in member.log(), "it to stand by")

    def _leader(self, jobs: int) -> str:
        started = f"pid={self._stamps.stints()[jobs - 1].pid}\n"
        found: list[str] = []

        def look() -> bool:
            found[:] = [one for one, member in self._members.items() if started in member.log()]
            return bool(found)

        self._wait(look, "the leader to say that it leads")
        return found[0]

    def _pass_on(self, leader: str) -> None:
        if self._way == "SIGTERM":
            self._members[leader].signal(signal.SIGTERM)
            return
        sits_out = self._way == "step-down"
        how = ["--sit-out", _SIT_OUT] if sits_out else ["--to", self._next_of(leader)]
        done = self._ask(self._way, "--yes", *how)
        if done.returncode != 0:
            sys.exit(f"bench: {self._way}: {done.stdout}{done.stderr}")

    def _next_of(self, leader: str) -> str:
        """Another each time, which stands by again: it rests a moment after another's transfer."""
        names = list(self._members)
        to = names[(names.index(leader) + 2) % len(names)]
        self._wait(lambda: self._stands_by(to), f"{to} to stand by")
        return to

    def _stands_by(self, node_id: str) -> bool:
        told = json.loads(self._ask("status", "--json").stdout)
        return any(one["id"] == node_id for one in (*(told["waiting"] or ()), *told["others"]))

    def _ask(self, word: str, *options: str) -> subprocess.CompletedProcess[str]:
        """As an operator does, of this election."""
        words = [word, self._election, *self._contender.options[:2], *options]
        return subprocess.run(
            [sys.executable, "-m", "coordsidecar", *words],
            capture_output=True,
            text=True,
            timeout=_WITHIN_S,
            check=False,
        )

    def _wait(self, condition: Callable[[], object], what: str) -> None:
        if not wait_for(condition, within_s=_WITHIN_S):
            logs = "\n".join(member.log() for member in self._members.values())
            sys.exit(f"bench: {self._contender.title}: waited in vain for {what}\n{logs}")

    def _line(self, stints: list[Stint], rounds: int) -> str:
        gaps_ms = [(new.first_ns - old.last_ns) / 1e6 for old, new in pairwise(stints)]
        overlap_ms = max(0.0, -min(gaps_ms))
        return (
            f"{self._contender.title}, {_FLEET} instances, {self._way}: {rounds} times, "
            f"{len(stints)} jobs; to the next job, ms: min {min(gaps_ms):.1f}, "
            f"median {statistics.median(gaps_ms):.1f}, max {max(gaps_ms):.1f}; "
            f"overlap {overlap_ms:g} ms"
        )


def _onlookers(
    contender: Coordsidecar, folder: Path, start: Callable[..., Wrapper], clients: int
) -> str:
    """One line about how late renewals are, alone and beside slow clients."""
    (port,) = free_ports(1)
    role_file = folder / "role.json"
    options = [*contender.options, "--name", "onlookers", "--http", str(port)]
    options += ["--role-file", str(role_file), "--renew-every", f"{_RENEW_EVERY_S:g}s"]
    start([sys.executable, "-m", "coordsidecar", *options, "--", "sleep", "600"])
    if not wait_for(role_file.exists, within_s=_WITHIN_S):
        sys.exit(f"bench: {contender.title}: nobody leads")
    alone = _late_by_ms(role_file)
    with contextlib.ExitStack() as stack:
        for path in ("/metrics", "/v1/events"):
            stack.enter_context(crowd(port, clients // 2, path=path))
        beside = _late_by_ms(role_file)
    return (
        f"{contender.title}, renewed every {_RENEW_EVERY_S:g} s: later than usual by "
        f"{alone:.0f} ms at the most, and by {beside:.0f} ms beside {clients} slow clients"
    )


def _late_by_ms(role_file: Path) -> float:
    """By how much more than usual the lease's ends lay apart, at the most. (It renews a little more
    often than it must, so that a few things may be done at one waking.)"""
    ends = [_lease_end_s(role_file), *_changes(role_file)]
    apart = [new - old for old, new in pairwise(ends)]
    if len(apart) < _RENEWED_FOR_S / _RENEW_EVERY_S / 2:
        sys.exit("bench: it was hardly renewed at all")
    return (max(apart[1:]) - statistics.median(apart)) * 1e3


def _changes(role_file: Path) -> Iterator[float]:
    until_s, known_s = time.monotonic() + _RENEWED_FOR_S, _lease_end_s(role_file)
    while time.monotonic() < until_s:
        time.sleep(_RENEW_EVERY_S / 20)
        if (end_s := _lease_end_s(role_file)) != known_s:
            known_s = end_s
            yield end_s


def _lease_end_s(role_file: Path) -> float:
    """By which each renewal is told from the last: it counts from when that was sent."""
    return float(json.loads(role_file.read_text())["run_until_boottime_s"] or 0.0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.operated", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--stores", type=lambda text: text.split(","), default=list(_STORES))
    parser.add_argument("--rounds", type=int, default=50, help="of each way (default: 50)")
    parser.add_argument("--clients", type=int, default=200, help="0: none (default: 200)")
    options = parser.parse_args()
    if set(options.stores) - set(_STORES):
        parser.error(f"--stores: of {', '.join(_STORES)}")
    return options


if __name__ == "__main__":
    main()
