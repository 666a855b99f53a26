"""Starves teams of sidecars of what a host has too little of, and counts what that costs.

    python -m bench.starved                       150 busy loops, 20 minutes, TTL 5 s and 15 s
    python -m bench.starved --of quota            each sidecar has 5 % of a processor
    python -m bench.starved --of processes        a neighbour keeps the table of processes full
    python -m bench.starved --minutes 2 --stores etcd --ttl 15s --loops 40

A team of three on each store at each TTL, all abreast. Exits with 1 if two jobs were ever active at
once, a token went back, or nobody led again within the bound once the load had ended. Quota and
processes need control groups (v1) that may be written, and root.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.contenders import use_fetched_consul, versions
from coordsidecar.duration import parse_duration
from tests.chaos.play import judge
from tests.chaos.stores import STORES, open_store
from tests.chaos.team import Team, team_on
from tests.e2e.sidecars import wait_for

_CGROUPS = Path("/sys/fs/cgroup")
_LOOK_EVERY_S = 0.5
_LEAST_ON_CONSUL_S = 10.0
_PERIOD_US = 100_000
_SLACK_S = 30.0  # Beside the bound: processes that have ended are replaced by the referee.
# It takes whatever process there is to be had, and for want of one asks 50 times a second.
_GREEDY = """
import os, time
guardian = os.getppid()
while os.getppid() == guardian:
    try:
        if os.fork() == 0:
            time.sleep(0.2)
            os._exit(0)
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
    except OSError:
        time.sleep(0.02)
"""
_ROOM = 6  # So many more processes a sidecar may have than when it stood by quietly.


@dataclass(slots=True)
class Tale:
    """What became of one team."""

    store: str
    ttl_s: float
    team: Team
    jobs: int = 0
    longest_nobody_s: float = 0.0
    nobody_s: float = 0.0
    again_s: float = 0.0
    failures: list[str] = field(default_factory=list)

    def look(self, since_s: float) -> None:
        """Note whether a job has stamped since the last look."""
        newest = self.team.ledger.newest()
        silent_s = since_s if newest is None else time.monotonic() - newest.last_ns / 1e9
        self.longest_nobody_s = max(self.longest_nobody_s, silent_s)
        if silent_s > 2 * _LOOK_EVERY_S:
            self.nobody_s += _LOOK_EVERY_S

    def row(self) -> tuple[str, ...]:
        return (
            self.store,
            f"{self.ttl_s:g}",
            str(self.jobs),
            f"{self.nobody_s:.0f}",
            f"{self.longest_nobody_s:.1f}",
            f"{self.again_s:.1f}",
            "; ".join(self.failures) or "0",
        )


@contextlib.contextmanager
def busy_loops(options: argparse.Namespace, _teams: Sequence[Team]) -> Iterator[None]:
    with contextlib.ExitStack() as loops:
        for _ in range(options.loops):
            loop = ["sh", "-c", "while :; do :; done"]
            loops.enter_context(_for_as_long(options, loop))
        yield


@contextlib.contextmanager
def quota(options: argparse.Namespace, teams: Sequence[Team]) -> Iterator[None]:
    with contextlib.ExitStack() as groups:
        for name, pids in _each_sidecar(teams):
            group = groups.enter_context(_control_group("cpu", name))
            (group / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
            (group / "cpu.cfs_quota_us").write_text(str(int(_PERIOD_US * options.share)))
            _move(pids, group)
        yield


@contextlib.contextmanager
def processes(options: argparse.Namespace, teams: Sequence[Team]) -> Iterator[None]:
    """In each sidecar's group a neighbour forks whenever there is room; it is bounded by that."""
    with contextlib.ExitStack() as groups:
        for name, pids in _each_sidecar(teams):
            group = groups.enter_context(_control_group("pids", name))
            _move(pids, group)
            (group / "pids.max").write_text(str(len(pids) * 2 + _ROOM))
            inside = f'echo $$ >{group}/cgroup.procs && exec "$@"'  # Before it forks anything.
            neighbour = ["sh", "-c", inside, "sh", sys.executable, "-c", _GREEDY]
            groups.enter_context(_for_as_long(options, neighbour))
        yield


_HARDSHIPS: dict[str, Callable[..., contextlib.AbstractContextManager[None]]] = {
    "loops": busy_loops,
    "quota": quota,
    "processes": processes,
}


def _each_sidecar(teams: Sequence[Team]) -> Iterator[tuple[str, list[int]]]:
    for number, team in enumerate(teams):
        for instance in team.instances:
            top = psutil.Process(instance.sidecar.process.pid)
            below = top.children(recursive=True)
            yield f"{number}-{instance.name}", [top.pid, *(process.pid for process in below)]


@contextlib.contextmanager
def _control_group(controller: str, name: str) -> Iterator[Path]:
    group = _CGROUPS / controller / f"coordsidecar-{os.getpid()}-{name}"
    group.mkdir()
    try:
        yield group
    finally:
        wait_for(lambda: _is_removed(group), f"{group} to be empty")


def _is_removed(group: Path) -> bool:
    _move(map(int, (group / "cgroup.procs").read_text().split()), group.parent)
    with contextlib.suppress(OSError):  # Somebody forked meanwhile, or is not reaped yet.
        group.rmdir()
    return not group.exists()


def _move(pids: Sequence[int] | Iterator[int], group: Path) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # It has ended.
            (group / "cgroup.procs").write_text(str(pid))


@contextlib.contextmanager
def _for_as_long(options: argparse.Namespace, program: Sequence[str]) -> Iterator[None]:
    """A process that runs this; it ends by itself, too, should we be killed."""
    most_s = str(int(options.minutes * 60 + 60))
    command = ["setpriv", "--pdeathsig", "KILL", "timeout", "--foreground", most_s, *program]
    with subprocess.Popen(command, start_new_session=True) as process:
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def _starve(options: argparse.Namespace, tales: Sequence[Tale]) -> None:
    until_s = time.monotonic() + options.minutes * 60
    next_word_s = 0.0
    with _HARDSHIPS[options.of](options, [tale.team for tale in tales]):
        began_s = time.monotonic()
        while time.monotonic() < until_s:
            time.sleep(_LOOK_EVERY_S)
            for tale in tales:
                tale.look(time.monotonic() - began_s)
            if time.monotonic() > next_word_s:
                next_word_s = time.monotonic() + 60
                left_min = (until_s - time.monotonic()) / 60
                _say(f"{left_min:.0f} min left; load {os.getloadavg()[0]:.0f}")


def _judge(tale: Tale, ended_s: float) -> None:
    account = tale.team.ledger.account()
    tale.jobs = len(account.stints)
    tale.failures += judge(account)
    bound_s = 3 * tale.ttl_s + tale.team.timing.takeover_delay_s + _SLACK_S
    try:
        tale.team.settle(within_s=bound_s)
    except AssertionError as failure:
        tale.failures.append(f"{failure}\n{tale.team.log_tail()}")
    tale.again_s = time.monotonic() - ended_s


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda signum, _frame: sys.exit(128 + signum))
    use_fetched_consul()
    with tempfile.TemporaryDirectory(prefix="starved-") as name, contextlib.ExitStack() as stack:
        tales = []
        for store in options.stores:
            opened = stack.enter_context(open_store(store, Path(name) / store, alone=True))
            least_s = _LEAST_ON_CONSUL_S if store == "consul" else 0.0
            for ttl_s in sorted({max(ttl_s, least_s) for ttl_s in options.ttls_s}):
                folder = Path(name) / f"{store}-{ttl_s:g}"
                team = stack.enter_context(team_on(opened, folder, ttl_s=ttl_s))
                tales.append(Tale(store, ttl_s, team))
        _say(f"{len(tales)} teams lead; {options.minutes:g} minutes")
        _starve(options, tales)
        ended_s = time.monotonic()
        for tale in tales:
            _judge(tale, ended_s)
        _print(tales)
    print(f"{options.of}, {options.minutes:g} minutes; {versions()}.")
    return int(any(tale.failures for tale in tales))


def _print(tales: Sequence[Tale]) -> None:
    head = ("store", "TTL", "jobs begun", "nobody s", "longest", "led again", "violations")
    rows = [head, *(tale.row() for tale in tales)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head) - 1)]
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=False)]
        print("  ".join([*cells, row[-1]]))
    print(
        "jobs begun: under the load, each for a lead that had changed. nobody: how long in all, and"
    )
    print("at most, no job was active meanwhile. led again: s from the end of the load.")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.starved", description=(__doc__ or "").partition("\n")[0]
    )
    add = parser.add_argument
    add("--of", choices=list(_HARDSHIPS), default="loops", help="what is scarce (default: loops)")
    add("--loops", type=int, default=150, help="busy loops (default: 150)")
    add("--share", type=float, default=0.05, help="of a processor, for each (default: 0.05)")
    add("--minutes", type=float, default=20.0, help="how long (default: 20)")
    add("--stores", type=lambda text: text.split(","), default=list(STORES), metavar="NAME,...",
        help=f"of: {', '.join(STORES)} (default: all)")  # fmt: skip
    add("--ttl", type=lambda text: [parse_duration(one) for one in text.split(",")],
        default=[5.0, 15.0], dest="ttls_s", metavar="TTL,...", help="default: 5s,15s")  # fmt: skip
    return parser.parse_args()


def _say(what: str) -> None:
    print(f"starved: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
