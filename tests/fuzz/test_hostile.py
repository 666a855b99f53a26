"""A hostile client rewrites the records of an election while real sidecars hold it.

Where its writing means by the store's own rules that the lock has changed, the job is stopped; else
the healthy job goes on, with its pid and token, and the standby stands by.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable

import pytest

from tests.e2e.arena import Arena
from tests.e2e.conftest import arena_of, quick_consul, start
from tests.e2e.sidecars import Sidecar, has_ended, wait_for
from tests.fuzz.nasty import NASTY_RECORDS
from tests.servers import ConsulServer, EtcdServer
from tests.servers.etcd import etcd_put

__all__ = ["arena_of", "quick_consul", "start"]  # Fixtures.

# Consul takes 512 KiB a value.
_RECORDS = {name: raw[:400_000] for name, raw in NASTY_RECORDS.items()}


def _write_office(arena: Arena, raw: bytes) -> None:
    """Overwrite the office record; the local store's is a part of its only record."""
    if isinstance(arena.server, EtcdServer):
        etcd_put(arena.server, f"{arena.election.prefix}.office", raw)
    elif isinstance(arena.server, ConsulServer):
        _put(arena.server, f"{arena.election.prefix}/.office", raw)
    else:
        (arena.folder / f"locks/{arena.election.prefix}.json").write_bytes(raw)


def _write_leader(arena: Arena, raw: bytes) -> None:
    """Overwrite what the leader says of itself, under the key by which it leads."""
    if isinstance(arena.server, EtcdServer):
        key = arena.server.leader_key(arena.election.prefix)
        etcd_put(arena.server, key, raw, keep_lease=True)
    elif isinstance(arena.server, ConsulServer):
        _put(arena.server, f"{arena.election.prefix}/.lock", raw)
    else:
        sound = {"token": 1, "holder": "somebody", "office": None}
        record = sound | {"leader": raw.decode("latin-1")}
        (arena.folder / f"locks/{arena.election.prefix}.json").write_text(json.dumps(record))


def _put(server: ConsulServer, key: str, raw: bytes) -> None:
    assert server.http("PUT", f"/v1/kv/{key}", raw).body.strip() == b"true"


def _looks(sidecar: Sidecar) -> Callable[[], bool]:
    """Whether its elector has since looked twice at where it stands: it renews as often."""
    elector = sidecar.elector()
    before = elector.num_ctx_switches().voluntary
    return lambda: elector.num_ctx_switches().voluntary > before + 60


def _assert_logs_are_clean(*sidecars: Sidecar) -> None:
    for sidecar in sidecars:
        raw = sidecar.log_path.read_bytes()
        assert b"\x1b" not in raw
        assert b"\x9b" not in raw.decode(errors="replace").encode("latin-1", "replace")
        assert all(len(line) < 4096 for line in raw.splitlines())
        assert b"Traceback" not in raw
        assert b"adapter failed" not in raw


@pytest.mark.parametrize("store", ["local", "etcd", "consul"])
def test_a_healthy_job_survives_whatever_is_written_into_the_records(
    arena_of: Callable[[str], Arena], store: str
) -> None:
    arena = arena_of(store)
    arena.ttl = "8s"  # No elector is replaced because it gets no processor.
    leader, standby = arena.pair()
    job, elector = leader.job(), leader.elector()
    token = arena.stamps.stints()[0].token
    consul = isinstance(arena.server, ConsulServer)

    for raw in _RECORDS.values():
        _write_office(arena, raw)
        if not consul:  # There it is the lock that changes; see below.
            _write_leader(arena, raw)
    # Who asks who leads is told in one sentence.
    assert arena.check(token).returncode in (0, 1)
    for sidecar in (leader, standby):
        wait_for(_looks(sidecar), "the electors to look at it all")

    assert leader.job() == job
    assert (leader.elector(), elector.is_running()) == (elector, True)
    assert not standby.leads()
    assert [stint.token for stint in arena.stamps.stints()] == [token]
    leader.signal(signal.SIGKILL)
    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()
    _assert_logs_are_clean(leader, standby)


@pytest.mark.parametrize("name", ["surrogates"])
def test_what_is_left_to_the_next_leader_does_not_keep_it_from_leading(
    arena_of: Callable[[str], Arena], name: str
) -> None:
    """Written while nobody leads: into the record by which the next one is to know the last."""
    arena = arena_of("etcd")
    _write_office(arena, _RECORDS[name])

    sidecar = arena.start()

    arena.stamps.wait_for_stints(1)
    _assert_logs_are_clean(sidecar)


def test_a_standby_shows_no_escapes_of_who_leads(arena_of: Callable[[str], Arena]) -> None:
    arena = arena_of("etcd")
    leader, standby = arena.pair("--http", "0")
    for name in ("escapes", "megabyte", "deep-id"):
        _write_leader(arena, _RECORDS[name])
        other = arena.start("--wait", "0s")

        assert other.wait() == 124, name
        _assert_logs_are_clean(other)
    _assert_logs_are_clean(leader, standby)


def test_a_write_to_consuls_lock_key_ends_the_term_safely(
    arena_of: Callable[[str], Arena],
) -> None:
    """The key's ModifyIndex is the token: whoever writes it has taken the token from its holder."""
    arena = arena_of("consul")
    leader, standby = arena.pair()
    job = leader.job()
    first = arena.stamps.stints()[0].token

    _write_leader(arena, _RECORDS["escapes"])
    wait_for(lambda: has_ended(job), "the job to be stopped")
    stints = arena.stamps.wait_for_stints(2)

    assert stints[0].token == first
    arena.stamps.assert_never_two()
    _assert_logs_are_clean(leader, standby)
