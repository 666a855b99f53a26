"""Three sidecars that compete for one election, each behind wires of its own to every member."""

from __future__ import annotations

import contextlib
import itertools
import random
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from coordsidecar.core.timing import Timing
from coordsidecar.store.protocol import Election
from coordsidecar.trees.mark import RUN_VARIABLE
from tests.chaos.clock import WallClock
from tests.chaos.host import own_host
from tests.chaos.instance import Gauge, Instance
from tests.chaos.ledger import Ledger
from tests.chaos.stores import NAMESPACE, Store
from tests.e2e.sidecars import MARK, Sidecar, Stamps, every_process, sidecars, wait_for
from tests.servers import Gate, Proxy

__all__ = ["Team", "team_on"]

_SIZE = 3
_PAUSE_S = 0.02  # Between two looks at processes, which give no event to wait for.


class Team:
    """The three, their election, and the ledger of their jobs."""

    def __init__(
        self,
        store: Store,
        folder: Path,
        *,
        ttl_s: float,
        start: Callable[..., Sidecar],
        patience: Callable[[], None] = lambda: None,
        environ: Mapping[str, str] | None = None,
        dice: random.Random | None = None,
        gated: bool = False,
        through: Sequence[str] | None = None,
    ) -> None:
        """``patience`` is called while we wait, and may raise to end that. ``environ`` is added to
        that of the sidecars. ``dice`` are for faults that draw something. ``gated``: each sidecar
        has gates before its wires. ``through``: a command by which each is started, which executes
        the rest of its arguments; by default each gets a host of its own, as far as it has one."""
        self.store = store
        self.election = Election(namespace=NAMESPACE, name=f"job-{uuid.uuid4().hex[:12]}")
        self.timing = Timing.for_ttl(ttl_s)
        self.clock = WallClock(folder)
        self._folder = folder
        self._start_sidecar = start
        self._patience = patience
        self._environ = environ or {}
        self._gated = gated
        # The lock files of `local:` are for one host; the other stores are for several.
        self._through = (own_host() if store.members else ()) if through is None else through
        self.dice = dice or random.Random(0)
        self.drawn = ""
        """What the last such fault has drawn."""
        self._numbers = itertools.count(1)
        self._stamps = Stamps(folder / "ledger")
        self.ledger = Ledger(self._stamps.path)
        self.instances = [self._start() for _ in range(_SIZE)]
        self.past: list[Instance] = []
        """Those who have ended and have been replaced, until nothing of them is left."""

    def leader(self) -> Instance:
        """Whose job began last, and whose guard lives."""
        self.wait_for(self._leader, "somebody to lead")
        leader = self._leader()
        assert leader is not None
        return leader

    def _leader(self) -> Instance | None:
        stint = self.ledger.newest()
        for instance in self.instances:
            if stint and instance.leads(stint.token) and not instance.has_ended():
                return instance
        return None

    def first_standby(self) -> Instance:
        """Who is next in line, if the store knows; else one of those who wait."""
        leader, queue = self.leader(), self.store.candidates(self.election)
        waiting = [instance for instance in self.instances if instance is not leader]
        return min(waiting, key=lambda each: (*queue, each.name).index(each.name))

    def somebody_leads(self) -> bool:
        """Whether a job has stamped within the last second."""
        return self.ledger.newest() is not None and self._stamps_go_on()

    def settle(self, *, within_s: float) -> None:
        """Replace who has ended; return once one leads, two follow, and nobody is left behind."""
        self.wait_for(self._settled, "one to lead and two to follow", within_s=within_s)
        for member in self.store.members:
            assert member.process.running, f"a member of the store has ended: {member.url}"
        self.wait_for(lambda: not self.left_behind(), "what has ended to be gone")
        while self.past:
            self.past.pop().end()

    def _settled(self) -> bool:
        for number, instance in enumerate(self.instances):
            if instance.has_ended():
                self.past.append(instance)
                self.instances[number] = self._start()
        leader = self._leader()
        if leader is None or not self._stamps_go_on():
            return False
        # Who is not the next in line hears late of a new leader; that it follows one is enough.
        others = [instance for instance in self.instances if instance is not leader]
        return all(other.follows() for other in others)

    def _stamps_go_on(self) -> bool:
        stint = self.ledger.latest
        return stint is not None and time.monotonic_ns() - stint.last_ns < 1e9

    def left_behind(self) -> list[str]:
        """Who lives that should not: of a sidecar that has ended, or the job of one that waits."""
        leader = self._leader()
        waiting = [each.sidecar.mark for each in self.instances if each is not leader]
        ended = [instance.sidecar.mark for instance in self.past]
        found = []
        for process in every_process():
            with contextlib.suppress(psutil.Error, OSError):
                environ = process.environ()
                mark, is_job = environ.get(MARK), RUN_VARIABLE in environ
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                if mark in ended or (mark in waiting and is_job):
                    found.append(f"{process.pid} {process.cmdline()}")
        return found

    def gauges(self) -> dict[int, Gauge]:
        """Of each guard and elector that lives, by pid."""
        found = {}
        for instance in self.instances:
            for kind, find in (("guard", instance.guard), ("elector", instance.elector)):
                with contextlib.suppress(psutil.Error, OSError):
                    gauge = Gauge.read(kind, find())
                    found[gauge.pid] = gauge
        return found

    def wait_for(
        self, condition: Callable[[], object], what: str, *, within_s: float = 60.0
    ) -> None:
        def holds() -> object:
            self._patience()
            if condition():
                return True
            time.sleep(_PAUSE_S)
            return False

        wait_for(holds, what, within_s=within_s)

    def hold(self, length_s: float) -> None:
        """Let this much time pass."""
        until_s = time.monotonic() + length_s
        while time.monotonic() < until_s:
            self._patience()
            time.sleep(_PAUSE_S)

    def log_tail(self, lines: int = 40) -> str:
        """The last lines of every sidecar that lives, for the story of a violation."""
        parts = []
        for instance in self.instances:
            tail = instance.sidecar.log().splitlines()[-lines:]
            parts.append("\n".join([f"--- {instance.name}", *tail]))
        return "\n".join(parts)

    def end(self) -> None:
        for instance in (*self.past, *reversed(self.instances)):
            instance.end()
        self.ledger.close()

    def _start(self) -> Instance:
        name = f"number-{next(self._numbers)}"
        role_file = self._folder / f"{name}.json"
        wires = [Proxy(member.endpoint) for member in self.store.members]
        gates = [self._gate(wire) for wire in wires] if self._gated else []
        url = self.store.url([way.endpoint for way in gates or wires], plain=bool(gates))
        options = ["--store", url, "--ttl", f"{self.timing.ttl_s:g}s", "--id", name]
        options += ["--namespace", self.election.namespace, "--name", self.election.name]
        options += ["--role-file", str(role_file)]
        env = {**self.store.environ, **self.clock.environ, **self._environ}
        command = self._stamps.command()
        how = {"env": env, "through": self._through, "stdout": subprocess.DEVNULL}
        sidecar = self._start_sidecar(*options, "--", *command, **how)
        return Instance(
            name, sidecar, role_file, wires=wires, gates=gates, has_own_host=bool(self._through)
        )

    def _gate(self, wire: Proxy) -> Gate:
        late_s = 2 * self.timing.rpc_timeout_s
        dialect, tls = self.store.scheme, self.store.tls
        return Gate(wire.endpoint, dialect=dialect, late_s=late_s, tls=tls)


@contextlib.contextmanager
def team_on(store: Store, folder: Path, **options: Any) -> Iterator[Team]:
    """A team that has settled; all of it is ended at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    with sidecars(folder) as start:
        team = Team(store, folder, start=start, **options)
        try:
            team.settle(within_s=60)
            team.ledger.account()
            yield team
        finally:
            team.end()
