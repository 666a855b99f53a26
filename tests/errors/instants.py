"""Guard and elector stopped or killed at any instant: at the k-th system call of either.

A sidecar starts, leads, is asked to end, and another stands by, as on another host. At that call
the kernel asks us first, and we strike: who is killed does not make it, who is stopped makes it and
nothing more. Then the other must lead, never beside the first; and if the struck ones go on, they
find that their time is over.

    python -m tests.errors.instants                  each call once, on an etcd of its own: an hour
    python -m tests.errors.instants --every 9        each ninth
    python -m tests.errors.instants --only "guard stop both" --log
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import socket
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.chaos.host import own_host
from tests.e2e.sidecars import Sidecar, Stamps, sidecars, wait_for
from tests.errors.launcher import LAUNCHER
from tests.errors.supervisor import CALLS, Supervisor
from tests.servers import EtcdServer

__all__ = ["Instant", "Played", "play_instant"]

_SIGNALS = {"stop": signal.SIGSTOP, "kill": signal.SIGKILL}
_BESIDE_S = 0.5
# Signals that come beside are told by it, and nothing is done by the others.
_LEFT_OUT = {"poll", "rt_sigaction", "rt_sigprocmask", "set_robust_list"}
_TELL_EVERY = 50
_MADE_BY_ELECTORS_ALONE = "eventfd2"


@dataclass(frozen=True)
class Instant:
    """At the ``nth`` call of ``who``, ``parts`` are struck: "guard", "elector", "both", or all
    "namesakes" of the guard.

    ``call``: of that name; else of any.
    """

    who: str
    what: str
    parts: str
    nth: int
    call: str = ""

    def __str__(self) -> str:
        return f"{self.who} {self.call or 'call'} {self.nth} {self.what} {self.parts}"


@dataclass
class Played:
    """What became of it; ``faults`` is empty if all is well."""

    call: str = ""
    faults: list[str] = field(default_factory=list)
    calls: dict[str, int] = field(default_factory=dict)
    text: str = ""


class _Striker(Supervisor):
    """Refuses nothing, but strikes at one call."""

    def __init__(self, pid: int, link: socket.socket, instant: Instant | None) -> None:
        self._instant = instant
        self._calls = {"guard": 0, "elector": 0}
        self._elector: int | None = None
        self.struck: list[psutil.Process] = []
        self.call = ""
        super().__init__(pid, link, None)

    @property
    def calls(self) -> dict[str, int]:
        return dict(self._calls)

    def _error_for(self, who: str, call: str, pid: int) -> int:
        if who in self._calls:
            self._calls[who] += 1
            if who == "elector" and call == _MADE_BY_ELECTORS_ALONE:
                self._elector = _process_of(pid)
        error = super()._error_for(who, call, pid)
        instant = self._instant
        if instant and who == instant.who and instant.call in ("", call):
            times = self.asked[who, call] if instant.call else self._calls[who]
            if times == instant.nth:
                self.call = call
                self._strike(instant)
        return error

    def _strike(self, instant: Instant) -> None:
        guard = psutil.Process(self._root)
        if instant.parts == "namesakes":
            for process in (guard, *guard.children()):
                with contextlib.suppress(psutil.NoSuchProcess):
                    if process.name() == guard.name():
                        self._strike_one(process, instant)
            return
        with contextlib.suppress(psutil.NoSuchProcess, IndexError):
            if instant.parts != "elector":
                self._strike_one(guard, instant)
            # One that was only just forked may be the fuse, or the job to be: they are spared.
            elector = psutil.Process(self._elector) if self._elector else guard.children()[0]
            if instant.parts != "guard":
                self._strike_one(elector, instant)

    def _strike_one(self, process: psutil.Process, instant: Instant) -> None:
        process.send_signal(_SIGNALS[instant.what])
        self.struck.append(process)

    def let_go_on(self) -> None:
        """Those that were stopped and still live."""
        for process in self.struck:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()


def play_instant(instant: Instant | None, *, store: str) -> Played:
    """Play one on ``store``, in an election of its own; None strikes nobody."""
    with tempfile.TemporaryDirectory() as folder, sidecars(Path(folder)) as start:
        options = ["--store", store, "--name", uuid.uuid4().hex, "--ttl", "5s"]
        options += ["--stop-timeout", "1s"]
        stamps = Stamps(Path(folder) / "stamps")
        words = [*options, "--", *stamps.command()]
        ours, theirs = socket.socketpair()
        numbers = ",".join(str(CALLS[call]) for call in sorted(set(CALLS) - _LEFT_OUT))
        program = (sys.executable, LAUNCHER, str(theirs.fileno()), numbers)
        first = start(*words, program=program, pass_fds=[theirs.fileno()])
        theirs.close()
        striker = _Striker(first.pid, ours, instant)
        played = Played()
        try:
            _play(striker, first, stamps, lambda: start(*words, through=own_host()))
        except AssertionError as error:
            played.faults.append(str(error))
        finally:
            striker.let_go_on()
            first.end()
            striker.close()
        played.calls, played.call = striker.calls, striker.call
        played.text = Path(folder, "sidecar-0.log").read_text(errors="replace")
    return played


def _play(striker: _Striker, first: Sidecar, stamps: Stamps, start: Callable[[], Sidecar]) -> None:
    wait_for(lambda: stamps.stints() or striker.struck or _is_over(first), "the first to lead")
    second = start()
    wait_for(lambda: _has_come(second), "the second to stand by")
    with contextlib.suppress(ProcessLookupError):  # It was killed.
        first.signal(signal.SIGTERM)  # Who was stopped finds it when it goes on.
    wait_for(lambda: _leads(second), "the second to lead")
    time.sleep(_BESIDE_S)
    stamps.assert_never_two()
    striker.let_go_on()
    time.sleep(_BESIDE_S)
    wait_for(lambda: _is_over(first), "the first to end")
    wait_for(lambda: not first.everyone(), "what the first started to end")
    stamps.assert_never_two()
    assert "stopping" not in second.log(), "the second no longer leads"


def _has_come(sidecar: Sidecar) -> bool:
    return _leads(sidecar) or "standing-by" in sidecar.log()


def _leads(sidecar: Sidecar) -> bool:
    """By its log: it is on a host of its own, where that is permitted."""
    return "leader: started the job" in sidecar.log()


def _is_over(sidecar: Sidecar) -> bool:
    return sidecar.process.poll() is not None


def _process_of(tid: int) -> int | None:
    """The process that has this thread; None if it has ended."""
    with contextlib.suppress(OSError), open(f"/proc/{tid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Tgid:"))
    return None


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.errors.instants", description=__doc__)
    parser.add_argument("--store", help="default: an etcd of its own")
    parser.add_argument("--only", default="", help="words of the description")
    parser.add_argument("--beyond", type=int, default=0, help="only calls later than the N-th")
    parser.add_argument("--every", type=int, default=1, help="only each N-th")
    parser.add_argument("--abreast", type=int, default=4, help="so many at a time")
    parser.add_argument("--log", action="store_true", help="print what each sidecar says")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as ended:
        if options.store is None:
            server = EtcdServer(Path(folder))
            server.start()
            ended.callback(server.stop)
            options.store = f"etcd://{server.endpoint}"
        return _sweep(options)


def _sweep(options: argparse.Namespace) -> int:
    seen = play_instant(None, store=options.store)
    assert not seen.faults, (seen.faults, seen.text)
    chosen = [
        one
        for one in _instants(seen.calls)
        if one.nth > options.beyond
        and all(word in str(one).split() for word in options.only.split())
    ][:: options.every]
    print(f"calls: {seen.calls}; {len(chosen)} instants to play", flush=True)
    bad = reached = 0
    with ThreadPoolExecutor(options.abreast) as pool:
        played = pool.map(lambda one: (one, play_instant(one, store=options.store)), chosen)
        for number, (one, played_one) in enumerate(played, 1):
            bad += bool(played_one.faults)
            reached += bool(played_one.call)
            if options.log or played_one.faults:
                what = "; ".join(played_one.faults) or "never two, and somebody leads"
                print(f"{one} ({played_one.call or 'not reached'}): {what}")
                print("".join(f"    {line}\n" for line in played_one.text.splitlines()[:12]))
            if number % _TELL_EVERY == 0:
                print(f"{number} of {len(chosen)} played, {bad} with a fault", flush=True)
    print(f"{len(chosen)} instants played, {reached} of them reached, {bad} with a fault")
    return 1 if bad else 0


def _instants(calls: dict[str, int]) -> Iterator[Instant]:
    for who, count in calls.items():
        for nth in range(1, count + 1):
            for what in _SIGNALS:
                for parts in ("both", "guard", "elector"):
                    yield Instant(who, what, parts, nth)


if __name__ == "__main__":
    sys.exit(main())
