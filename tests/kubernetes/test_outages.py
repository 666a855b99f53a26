"""The API server goes away and comes back under a leader, and with it whoever watches there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from coordsidecar.store.protocol import Election
from tests.e2e.arena import PATIENT_TTL, Arena
from tests.e2e.sidecars import Sidecar, wait_for
from tests.servers import KubernetesServer, Proxy

# D is some five minutes: far longer than an API server needs to start, on any machine.
_LONG_TTL = "600s"


@pytest.fixture
def own(
    kubernetes_server: Callable[[], KubernetesServer],
    tmp_path: Path,
    election: Election,
    start: Callable[..., Sidecar],
    proxy: Callable[[str], Proxy],
) -> Arena:
    """An arena with an API server of its own."""
    server = kubernetes_server()
    return Arena("kubernetes", server, election=election, folder=tmp_path, start=start, proxy=proxy)


class Pair:
    """A leader and a standby, each with a role file, and what neither may be disturbed in."""

    def __init__(self, arena: Arena, *, by: Proxy | None = None) -> None:
        self._arena = arena
        self._role_file = arena.folder / "leader.json"
        # So that an outage is noticed soon, whatever the TTL.
        self._often = ("--rpc-timeout", "1s", "--renew-every", "1s")
        role_file = ("--role-file", str(self._role_file))
        self.leader = arena.start(*self._often, *role_file, by=by)
        arena.stamps.wait_for_stints(1)
        self._job = self.leader.job()
        self.standby = arena.start(*self._often, by=by)
        wait_for(lambda: "standing-by" in self.standby.log(), "the second instance to stand by")

    def notices_the_outage(self) -> None:
        wait_for(lambda: "unreachable" in self.leader.log(), "the outage to be noticed")

    def wait_for_renewal(self) -> None:
        before_s = self._deadline_s()
        wait_for(lambda: self._deadline_s() > before_s, "a renewal")

    def was_not_disturbed_and_hands_over(self) -> None:
        """Nobody noticed but the log; and the standby still hears of it when the leader ends."""
        self.wait_for_renewal()
        assert self.leader.job() == self._job
        assert "lost" not in self.leader.log()
        assert len(self._arena.stamps.stints()) == 1
        self.leader.process.terminate()
        self.leader.wait()
        self._arena.stamps.wait_for_stints(2)
        self._arena.stamps.assert_never_two()

    def _deadline_s(self) -> float:
        return float(json.loads(self._role_file.read_text())["run_until_boottime_s"])


def server_of(arena: Arena) -> KubernetesServer:
    assert isinstance(arena.server, KubernetesServer)
    return arena.server


def test_an_api_server_that_is_killed_and_starts_again_disturbs_nobody(own: Arena) -> None:
    own.ttl = _LONG_TTL
    pair = Pair(own)

    server_of(own).kill()
    pair.notices_the_outage()
    server_of(own).start()

    pair.was_not_disturbed_and_hands_over()


def test_an_api_server_that_stands_still_for_a_while_disturbs_nobody(own: Arena) -> None:
    own.ttl = "60s"
    pair = Pair(own)

    server_of(own).pause()
    pair.notices_the_outage()
    server_of(own).resume()

    pair.was_not_disturbed_and_hands_over()


def test_an_api_server_that_is_slow_disturbs_nobody(arena: Arena) -> None:
    arena.ttl = PATIENT_TTL
    wire = arena.proxy()
    pair = Pair(arena, by=wire)

    wire.delay_s = 0.2
    pair.wait_for_renewal()
    pair.wait_for_renewal()

    pair.was_not_disturbed_and_hands_over()


def test_a_leader_whose_etcd_is_gone_steps_down_and_leads_again(own: Arena) -> None:
    """The API server itself lives, and has nothing to answer."""
    own.ttl = "6s"
    leader = own.start()
    own.stamps.wait_for_stints(1)

    server_of(own).etcd.kill()

    wait_for(lambda: "lost" in leader.log(), "the leader to step down")
    server_of(own).etcd.start()
    own.stamps.wait_for_stints(2)
    own.stamps.assert_never_two()
