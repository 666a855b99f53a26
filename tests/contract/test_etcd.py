"""What is etcd's own: endpoints, compaction, TTLs, foreign keys, and what gets imported.

What every store has to keep is in the other files here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from coordsidecar.store.protocol import (
    Behind,
    Election,
    Held,
    RefusedError,
    SessionLostError,
    UnreachableError,
)
from tests.contract.candidate import CALL_S, Candidate
from tests.contract.etcd_dial import Dialer, on_both_transports
from tests.servers import EtcdServer, Proxy
from tests.servers.process import free_ports

Stand = Callable[..., Candidate]

# Where a call is meant to run into its time-out.
_SHORT_S = 1.0


@on_both_transports
def test_etcdctl_sees_us_lead_and_we_see_it(
    dial: Dialer, etcd: EtcdServer, election: Election, stand: Stand
) -> None:
    ours = stand(dial(etcd.endpoint, election))
    ours.wins()

    theirs = subprocess.Popen(
        etcd.etcdctl_argv("elect", election.prefix, "their record"), stdout=subprocess.PIPE
    )
    try:
        observed = etcd.etcdctl("get", "--prefix", f"{election.prefix}/", "--limit", "1")
        ours.resign(None)
        assert theirs.stdout is not None
        theirs.stdout.readline()
        behind = ours.campaign()
    finally:
        theirs.kill()
        theirs.communicate()

    assert ours.record in observed
    assert isinstance(behind, Behind)
    assert behind.leader == "their record"
    leader = ours.store.leader(timeout_s=CALL_S)
    assert leader is not None
    assert (leader.record, leader.token) == ("their record", behind.leader_token)


@on_both_transports
def test_the_first_endpoint_may_be_dead(dial: Dialer, etcd: EtcdServer, election: Election) -> None:
    (dead_port,) = free_ports(1)
    store = dial(f"127.0.0.1:{dead_port},{etcd.endpoint}", election)

    leader = store.leader(timeout_s=CALL_S)

    assert leader is None


@on_both_transports
def test_the_first_endpoint_may_swallow_everything(
    dial: Dialer,
    etcd: EtcdServer,
    election: Election,
    proxy: Callable[[str], Proxy],
    stand: Stand,
) -> None:
    way = proxy(etcd.endpoint)
    candidate = stand(dial(f"{way.endpoint},{etcd.endpoint}", election))
    held = candidate.wins()
    candidate.call_s = 6 * _SHORT_S  # Half for each endpoint; on a busy host gRPC connects slowly.

    way.black_hole()

    assert candidate.renew() > 0
    assert isinstance(candidate.standing(), Held)
    assert not candidate.watch(held, timeout_s=_SHORT_S)


@on_both_transports
def test_nobody_at_home_is_unreachable_and_says_where(dial: Dialer, election: Election) -> None:
    ports = free_ports(2)
    store = dial(",".join(f"127.0.0.1:{port}" for port in ports), election)

    with pytest.raises(UnreachableError, match="not sent") as unreachable:
        store.leader(timeout_s=CALL_S)

    assert all(str(port) in str(unreachable.value) for port in ports)


@on_both_transports
def test_compaction_while_waiting_hides_nothing(
    dial: Dialer, etcd: EtcdServer, election: Election, stand: Stand
) -> None:
    first = stand(dial(etcd.endpoint, election))
    second = stand(dial(etcd.endpoint, election))
    first.wins()
    behind = second.campaign()
    assert isinstance(behind, Behind)
    first.close()
    revision = _revision_of(etcd, election)
    etcd.etcdctl("compact", str(revision))

    changed = second.watch(behind)

    assert changed
    assert isinstance(second.standing(), Held)


def _revision_of(server: EtcdServer, election: Election) -> int:
    server.etcdctl("put", f"{election.prefix}-unrelated", "anything")
    found = server.etcdctl("get", f"{election.prefix}-unrelated", "-w", "json")
    return int(json.loads(found)["header"]["revision"])


@on_both_transports
def test_a_ttl_below_the_servers_least_is_granted_longer_and_told(
    dial: Dialer, etcd: EtcdServer, election: Election, stand: Stand
) -> None:
    candidate = stand(dial(etcd.endpoint, election), ttl_s=0.5)

    granted_s = candidate.session.ttl_s

    assert granted_s == candidate.renew() == 2.0


@on_both_transports
def test_a_ttl_is_rounded_up_to_whole_seconds(
    dial: Dialer, etcd: EtcdServer, election: Election, stand: Stand
) -> None:
    candidate = stand(dial(etcd.endpoint, election), ttl_s=4.2)

    assert candidate.session.ttl_s == 5.0


@on_both_transports
def test_a_ttl_that_etcd_will_not_grant_is_refused(
    dial: Dialer, etcd: EtcdServer, election: Election
) -> None:
    store = dial(etcd.endpoint, election)

    with pytest.raises(RefusedError, match="too large lease TTL"):
        store.open(ttl_s=1e11, takeover_delay_s=0.0, record="{}", timeout_s=CALL_S)


@on_both_transports
def test_keys_and_values_that_are_no_text_are_somebody_ahead(
    dial: Dialer, etcd: EtcdServer, election: Election, stand: Stand
) -> None:
    candidate = stand(dial(etcd.endpoint, election))
    raw_key = os.fsencode(f"{election.prefix}/") + b"\xff\xfe"
    subprocess.run(
        [os.fsencode(arg) for arg in etcd.etcdctl_argv("put")] + [raw_key, b"\xfa\xde"], check=True
    )

    behind = candidate.campaign()
    assert isinstance(behind, Behind)
    subprocess.run([os.fsencode(arg) for arg in etcd.etcdctl_argv("del")] + [raw_key], check=True)

    assert behind.leader == "\ufffd\ufffd"
    assert candidate.watch(behind)
    assert isinstance(candidate.standing(), Held)


@on_both_transports
def test_a_key_that_was_replaced_is_another_candidacy(
    dial: Dialer, etcd: EtcdServer, election: Election, stand: Stand
) -> None:
    """Somebody deletes our key and writes it anew: the office we took was that of the old one."""
    first = stand(dial(etcd.endpoint, election))
    second = stand(dial(etcd.endpoint, election))
    token = first.leads()
    second.campaign()
    key = f"{election.prefix}/{first.session.handle}"
    etcd.etcdctl("del", key)
    etcd.etcdctl("put", key, "forged", "--lease", first.session.handle)

    behind = first.standing()

    assert isinstance(behind, Behind)
    assert behind.leader == second.record
    assert not first.take_office(token)


@on_both_transports
def test_who_never_took_office_does_not_whitewash_the_one_before(
    dial: Dialer, etcd: EtcdServer, election: Election, stand: Stand
) -> None:
    first, second, third = (stand(dial(etcd.endpoint, election)) for _ in range(3))
    first.leads(run="never-confirmed-dead")
    first.close()
    token = second.wins().token

    second.resign(token)

    held = third.wins()
    assert (held.clean, held.last_run) == (False, "never-confirmed-dead")


@on_both_transports
def test_a_lease_that_was_revoked_is_lost_to_renewal_and_to_campaign(
    dial: Dialer, etcd: EtcdServer, election: Election, stand: Stand
) -> None:
    candidate = stand(dial(etcd.endpoint, election))
    etcd.etcdctl("lease", "revoke", candidate.session.handle)

    with pytest.raises(SessionLostError):
        candidate.renew()
    with pytest.raises(SessionLostError):
        candidate.campaign()


@on_both_transports
def test_a_proxy_in_the_environment_is_not_used(
    dial: Dialer, etcd: EtcdServer, election: Election, monkeypatch: pytest.MonkeyPatch
) -> None:
    (dead_port,) = free_ports(1)
    for name in ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{dead_port}")
    store = dial(etcd.endpoint, election)

    leader = store.leader(timeout_s=CALL_S)

    assert leader is None


@on_both_transports
def test_the_server_may_be_named_by_etcdctls_variables(
    dial: Dialer, etcd: EtcdServer, election: Election
) -> None:
    store = dial("", election, env={"ETCDCTL_ENDPOINTS": f"http://{etcd.endpoint}"})

    leader = store.leader(timeout_s=CALL_S)

    assert leader is None


def test_the_gateway_client_imports_nothing_large() -> None:
    program = (
        "import sys; from coordsidecar_adapters.etcd.gateway import connect; "
        "from coordsidecar.store.protocol import Election; "
        "connect('etcd://h', election=Election('n', 'e'), environ={}); "
        "print([m for m in ('ssl', 'http.client', 'urllib.parse', 'grpc', 'requests')"
        " if m in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


def test_the_switches_of_grpc_do_not_stay_in_the_environment() -> None:
    program = (
        "import os; before = dict(os.environ); "
        "from coordsidecar_adapters.etcd.grpc import connect; "
        "from coordsidecar.store.protocol import Election; "
        "connect('etcd+grpc://h', election=Election('n', 'e'), environ={}); "
        "print(os.environ == before)"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "True"


def test_without_the_extra_grpc_one_is_told_what_to_install() -> None:
    program = (
        "import sys; sys.modules['grpc'] = None; "
        "from coordsidecar.store.registry import connect; "
        "from coordsidecar.store.protocol import Election; "
        "connect('etcd+grpc://h', election=Election('n', 'e'), environ={})"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert "ValueError" in done.stderr
    assert "pip install 'coordsidecar[grpc]'" in done.stderr
