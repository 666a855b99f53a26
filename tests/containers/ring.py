"""Where containers compete: one election in one real etcd, and a folder for their jobs' stamps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from coordsidecar.store.protocol import Election
from tests.containers.container import Container
from tests.e2e.sidecars import Stamps, wait_for
from tests.servers import EtcdServer

__all__ = ["Ring"]


class Ring:
    """One election, and how to start a container that stands for it."""

    ttl = "4s"

    def __init__(
        self,
        etcd: EtcdServer,
        *,
        election: Election,
        shared: Path,
        start: Callable[..., Container],
    ) -> None:
        self.stamps = Stamps(shared / "stamps")
        self.shared = shared
        self._etcd = etcd
        self._election = election
        self._start = start

    def options(self) -> list[str]:
        election = ["--namespace", self._election.namespace, "--name", self._election.name]
        return ["--store", f"etcd://{self._etcd.endpoint}", *election, "--ttl", self.ttl]

    def start(
        self, *options: str, command: Sequence[str] | None = None, how: Sequence[str] = ()
    ) -> Container:
        """Start a container; its job is the one that stamps unless ``command`` is another."""
        job = command or ("python3", "-S", "/e2e-jobs/stamp.py", "/shared/stamps")
        return self._start(*self.options(), *options, "--", *job, how=how)

    def three(self, *, how: Sequence[str] = ()) -> tuple[Container, Container, Container]:
        """A leader whose job runs, and two that stand by."""
        leader = self.start(how=how)
        self.stamps.wait_for_stints(1)
        others = self.start(how=how), self.start(how=how)
        wait_for(
            lambda: all("standing-by" in other.log() for other in others), "the others to stand by"
        )
        return leader, *others

    def next_leader(self, among: Sequence[Container]) -> Container:
        """Whoever of these has started a job, once one has."""
        wait_for(lambda: any("started the job" in one.log() for one in among), "another to lead")
        return next(one for one in among if "started the job" in one.log())
