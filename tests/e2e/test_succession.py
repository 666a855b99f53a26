"""From one job to the next: what a hand-over costs the store."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from coordsidecar.store.protocol import Election
from tests.e2e.arena import PATIENT_TTL, Arena
from tests.e2e.sidecars import Sidecar
from tests.servers import EtcdServer, Proxy


def commits(arena: Arena) -> int:
    """How often the record was written that each change of office writes; the roster is not."""
    assert isinstance(arena.server, EtcdServer)
    office = f"{arena.election.prefix}.office"
    answer = json.loads(arena.server.etcdctl("get", "--write-out=json", office))
    return int(answer["kvs"][0]["version"])


@pytest.fixture
def own(
    etcd_server: Callable[[], EtcdServer],
    tmp_path: Path,
    election: Election,
    start: Callable[..., Sidecar],
    proxy: Callable[[str], Proxy],
) -> Callable[[str], Arena]:
    """An arena on an etcd in which nobody else changes anything."""

    def make(store: str) -> Arena:
        server = etcd_server()
        return Arena(store, server, election=election, folder=tmp_path, start=start, proxy=proxy)

    return make


@pytest.mark.parametrize("store", ["etcd", "etcd+grpc"])
@pytest.mark.parametrize("ends", ["the sidecar is told to stop", "the job ends"])
def test_a_hand_over_is_one_commit(own: Callable[[str], Arena], store: str, ends: str) -> None:
    arena = own(store)
    arena.ttl = PATIENT_TTL  # Who has not renewed for a fifth of it is not appointed.
    leader, _ = arena.pair()
    before = commits(arena)

    if ends == "the job ends":
        leader.job().kill()
    else:
        leader.signal(signal.SIGTERM)
    arena.stamps.wait_for_stints(2)
    leader.wait()

    assert commits(arena) == before + 1
    arena.stamps.assert_never_two()
