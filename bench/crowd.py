"""Prints what a crowd on one etcd costs: many who stand by for one job, and many who lead.

    python -m bench.crowd                                  20 and 200 standbys, 50 leaders
    python -m bench.crowd --standbys 20 --leaders 0 --rounds 5
    python -m bench.crowd --standbys 200 --only etcd

Of each crowd of standbys, the job of the leader is killed again and again, and the next takes over:
from the last stamp of the one job to the first of the next; and how many requests etcd handles for
that, less what it handles in the same time when nothing happens. Of the leaders: what they compute
while nothing happens, and the memory of all of them.

Each of them is bounded in memory and ends with this program, whatever ends that. Where the host has
too little memory for a crowd, it is left out, and that is said.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil

from bench.contenders import Contender, Coordsidecar, EtcdctlLock, versions
from bench.job import Job, Stamps
from bench.scenarios import BUSY_PERIOD_US
from bench.wrapper import Wrapper, clean_environ, wait_for, wrappers
from coordsidecar.duration import parse_duration
from tests.servers import EtcdServer

_NAMES = ("etcd", "etcdctl")
_AT_ONCE = 8
_READY_WITHIN_S = 120.0
_NEXT_WITHIN_S = 60.0
_IDLE_PERIOD_US = 60_000_000
_NEEDS_MB_EACH = 25
_AT_MOST_MB_EACH = 2048  # Of addresses, of which a program that is written in Go reserves many.
_COUNTED_FOR_S = 2.0
_IDLE_FOR_S = 60.0
_SETTLE_S = 5.0
_BEGUN = re.compile(r"^grpc_server_started_total\{.*\} (\d+)$", re.MULTILINE)


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="coordsidecar-crowd-") as name:
        folder = Path(name)
        server = EtcdServer(folder / "etcd")
        server.start()
        try:
            crowd = Crowd(folder, server, Job.make(folder))
            for count in options.standbys:
                for contender in _contenders(server, options.only, options.ttl):
                    crowd.hands_over(contender, standbys=count, rounds=options.rounds)
            if options.leaders and "etcd" in options.only:
                (contender, *_) = _contenders(server, ["etcd"], parse_duration("15s"))
                crowd.leads(contender, leaders=options.leaders)
        finally:
            server.stop()
    print(f"{psutil.cpu_count()} cores; {versions()}; TTL of the crowds {options.ttl:g} s.")


def _contenders(server: EtcdServer, names: list[str], ttl_s: float) -> list[Contender]:
    url = f"etcd://{server.endpoint}"
    found: dict[str, Contender] = {
        "etcd": Coordsidecar("etcd", url, ttl_s=ttl_s),
        "etcdctl": EtcdctlLock(server, ttl_s=int(ttl_s)),
    }
    return [found[name] for name in names]


class Crowd:
    def __init__(self, folder: Path, server: EtcdServer, job: Job) -> None:
        self._folder, self._server, self._job = folder, server, job
        self._environ = clean_environ(folder / "bytecode")

    def hands_over(self, contender: Contender, *, standbys: int, rounds: int) -> None:
        """Kill the job of whoever leads, so many times."""
        title = f"{contender.title}, {standbys} standbys"
        if not _fits(title, standbys + 1):
            return
        election = f"{contender.name}-{standbys}"
        took_ms: list[float] = []
        requests: list[float] = []
        elections = [election] * (standbys + 1)
        with self._instances(contender, elections, BUSY_PERIOD_US) as (stamps, _):
            for done in range(1, min(rounds, standbys) + 1):
                idle = self._requests_in(_COUNTED_FOR_S)
                before = self._requests()
                old = stamps.stints()[-1]
                psutil.Process(old.pid).kill()
                began = time.monotonic()
                more = done + 1
                if not wait_for(
                    lambda n=more: len(stamps.stints()) >= n,  # type: ignore[misc]
                    within_s=_NEXT_WITHIN_S,
                ):
                    sys.exit(f"bench: {title}: nobody took over within {_NEXT_WITHIN_S:g} s")
                time.sleep(max(_COUNTED_FOR_S - (time.monotonic() - began), 0.0))
                requests.append(self._requests() - before - idle)
                old, new = stamps.stints()[-2:]
                took_ms.append((new.first_ns - old.last_ns) / 1e6)
        print(
            f"{title}: job killed to next job, ms: "
            f"min {min(took_ms):.1f}, median {statistics.median(took_ms):.1f}, "
            f"max {max(took_ms):.1f} of {len(took_ms)}; "
            f"requests of one hand-over, median {statistics.median(requests):g}, "
            f"max {max(requests):g}",
            flush=True,
        )

    def leads(self, contender: Contender, *, leaders: int) -> None:
        """Leave so many leaders alone."""
        title = f"{contender.title}, TTL 15 s, {leaders} leaders"
        if not _fits(title, leaders):
            return
        elections = [f"idle-{number}" for number in range(leaders)]
        with self._instances(contender, elections, _IDLE_PERIOD_US) as (_, started):
            before, from_s = self._used(started), time.monotonic()
            time.sleep(_IDLE_FOR_S)
            for_s = time.monotonic() - from_s
            ours, etcds, requests = (
                (now - was) / for_s for was, now in zip(before, self._used(started), strict=True)
            )
            pss_mb = sum(wrapper.memory_mb()[1] for wrapper in started)
        print(
            f"{title}: {ours:.3f} of a core, {pss_mb:.0f} MB in all (PSS); "
            f"etcd: {requests:.1f} requests/s, {etcds:.3f} of a core",
            flush=True,
        )

    def _used(self, wrappers: list[Wrapper]) -> tuple[float, float, float]:
        """What they have computed so far, what etcd has, and how many requests it has had."""
        root = psutil.Process(self._server.process.pid)
        times = [process.cpu_times() for process in (root, *root.children(recursive=True))]
        etcds_s = sum(time.user + time.system for time in times)
        return sum(wrapper.cpu_s() for wrapper in wrappers), etcds_s, self._requests()

    @contextlib.contextmanager
    def _instances(
        self, contender: Contender, elections: list[str], period_us: int
    ) -> Iterator[tuple[Stamps, list[Wrapper]]]:
        """One instance for each name, in this order, once all of them lead or stand by."""
        folder = self._folder / f"{elections[0]}-{len(elections)}"
        stamps = Stamps(folder / "stamps", job=self._job, period_us=period_us)
        waiting: list[tuple[Wrapper, str, int]] = []
        everyone: list[Wrapper] = []

        def until_ready() -> None:
            for wrapper, election, behind in waiting:
                if not wait_for(
                    lambda w=wrapper, e=election, n=behind: contender.waits(w, e, behind=n),  # type: ignore[misc]
                    within_s=_READY_WITHIN_S,
                ):
                    sys.exit(f"bench: {contender.title} does not stand by:\n{wrapper.log()}")
            waiting.clear()

        with wrappers(folder, environ=self._environ, job_command=stamps.command) as start:
            for number, election in enumerate(elections):
                wrapper = start([*_bounded(), *contender.argv(election, stamps.command)])
                everyone.append(wrapper)
                leaders = len(set(elections[: number + 1]))
                if election not in elections[:number]:
                    if not wait_for(
                        lambda n=leaders: len(stamps.stints()) >= n,  # type: ignore[misc]
                        within_s=_READY_WITHIN_S,
                    ):
                        sys.exit(f"bench: {contender.title} runs no job:\n{wrapper.log()}")
                else:
                    waiting.append((wrapper, election, number))
                if len(waiting) >= _AT_ONCE:
                    until_ready()
            until_ready()
            time.sleep(_SETTLE_S)
            yield stamps, everyone

    def _requests(self) -> int:
        """How many requests etcd has begun to handle, by its own count."""
        with urllib.request.urlopen(f"{self._server.url}/metrics", timeout=30) as answer:
            said = answer.read().decode()
        return sum(int(number) for number in _BEGUN.findall(said))

    def _requests_in(self, for_s: float) -> int:
        before = self._requests()
        time.sleep(for_s)
        return self._requests() - before


def _bounded() -> list[str]:
    """Words before a command that bound its memory, and let it end when we do."""
    limit = f"--as={_AT_MOST_MB_EACH << 20}"
    return ["prlimit", limit, "setpriv", "--pdeathsig", "TERM"]


def _fits(title: str, count: int) -> bool:
    free_mb = psutil.virtual_memory().available >> 20
    if free_mb >= count * _NEEDS_MB_EACH:
        return True
    print(f"{title}: left out: {free_mb} MB are free, and it may take {count * _NEEDS_MB_EACH}")
    return False


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.crowd", description=(__doc__ or "").partition("\n")[0]
    )
    counts = lambda text: [int(word) for word in text.split(",") if int(word)]  # noqa: E731
    parser.add_argument("--standbys", type=counts, default=[20, 200], metavar="N,...")
    parser.add_argument("--leaders", type=int, default=50, help="0: none (default: 50)")
    parser.add_argument("--rounds", type=int, default=20, help="hand-overs of each (default: 20)")
    parser.add_argument("--ttl", type=parse_duration, default=60.0, help="default: 60s")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(_NAMES))
    options = parser.parse_args()
    if set(options.only) - set(_NAMES):
        parser.error(f"--only: of {', '.join(_NAMES)}")
    return options


if __name__ == "__main__":
    main()
