"""etcd over TLS: certificates that fit, certificates that do not, and what one is told then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from coordsidecar.store.protocol import Election, Held, RefusedError, UnreachableError
from tests.contract.candidate import CALL_S, Candidate
from tests.contract.etcd_dial import Dialer, on_both_transports
from tests.servers import EtcdServer, Pki

Servers = Callable[..., EtcdServer]
Stand = Callable[..., Candidate]

# etcd 3.5 asks clients for a certificate as soon as it knows a CA for them.
_NO_CLIENT_CA = ("--trusted-ca-file=",)


@on_both_transports
def test_an_election_is_held_over_tls(
    dial: Dialer, etcd_server: Servers, election: Election, pki: Pki, stand: Stand
) -> None:
    server = etcd_server(tls=True, extra_args=_NO_CLIENT_CA)
    candidate = stand(dial(f"{server.endpoint}?cacert={pki.ca_cert}", election, tls=True))

    held = candidate.wins()

    assert candidate.renew() > 0
    server.etcdctl("lease", "revoke", candidate.session.handle)
    assert candidate.watch(held)


@on_both_transports
def test_a_server_that_another_ca_has_signed_is_refused(
    dial: Dialer, etcd_server: Servers, election: Election, tmp_path: Path
) -> None:
    server = etcd_server(tls=True, extra_args=_NO_CLIENT_CA)
    other = Pki(tmp_path / "other")
    store = dial(server.endpoint, election, tls=True, env={"ETCDCTL_CACERT": str(other.ca_cert)})

    with pytest.raises(RefusedError, match="ETCDCTL_CACERT"):
        store.leader(timeout_s=CALL_S)


@on_both_transports
def test_without_a_ca_the_systems_are_trusted_and_ours_is_not_among_them(
    dial: Dialer, etcd_server: Servers, election: Election
) -> None:
    server = etcd_server(tls=True, extra_args=_NO_CLIENT_CA)
    store = dial(server.endpoint, election, tls=True)

    with pytest.raises(RefusedError, match="does not verify"):
        store.leader(timeout_s=CALL_S)


def test_to_speak_plainly_to_a_tls_server_brings_a_hint(
    etcd_server: Servers, election: Election
) -> None:
    server = etcd_server(tls=True, extra_args=_NO_CLIENT_CA)
    store = Dialer("etcd.gateway", "etcd")(server.endpoint, election)

    with pytest.raises(UnreachableError, match="write etcds://"):
        store.leader(timeout_s=CALL_S)


def test_to_speak_tls_to_a_plain_server_brings_a_hint(etcd: EtcdServer, election: Election) -> None:
    store = Dialer("etcd.gateway", "etcd")(etcd.endpoint, election, tls=True)

    with pytest.raises(UnreachableError, match="write etcd://"):
        store.leader(timeout_s=CALL_S)


@on_both_transports
def test_a_client_certificate_opens_the_door(
    dial: Dialer, etcd_server: Servers, election: Election, pki: Pki, stand: Stand
) -> None:
    server = etcd_server(client_cert_auth=True)

    candidate = stand(dial(server.endpoint, election, tls=True, env=_certificates(pki)))

    assert isinstance(candidate.campaign(), Held)


@on_both_transports
def test_without_a_client_certificate_the_door_stays_shut_and_one_is_told_why(
    dial: Dialer, etcd_server: Servers, election: Election, pki: Pki
) -> None:
    server = etcd_server(client_cert_auth=True)
    store = dial(server.endpoint, election, tls=True, env={"ETCDCTL_CACERT": str(pki.ca_cert)})

    with pytest.raises(RefusedError, match="ETCDCTL_CERT"):
        store.leader(timeout_s=CALL_S)


def test_the_user_in_a_certificates_name_takes_grpc(
    etcd_server: Servers, election: Election, pki: Pki, stand: Stand
) -> None:
    server = etcd_server(client_cert_auth=True, auth=True)
    gateway, grpc = Dialer("etcd.gateway", "etcd"), Dialer("etcd.grpc", "etcd+grpc")
    store = gateway(server.endpoint, election, tls=True, env=_certificates(pki))

    with pytest.raises(RefusedError, match=r"etcd\+grpc://"):
        store.leader(timeout_s=CALL_S)

    candidate = stand(grpc(server.endpoint, election, tls=True, env=_certificates(pki)))
    assert isinstance(candidate.campaign(), Held)


@on_both_transports
def test_a_certificate_without_a_name_goes_with_a_password(
    dial: Dialer, etcd_server: Servers, election: Election, pki: Pki, stand: Stand
) -> None:
    server = etcd_server(client_cert_auth=True, auth=True)
    env = _certificates(pki) | {
        "ETCDCTL_CERT": str(pki.nameless_client_cert),
        "ETCDCTL_KEY": str(pki.nameless_client_key),
        "ETCDCTL_USER": f"{server.user}:{server.password}",
    }

    candidate = stand(dial(server.endpoint, election, tls=True, env=env))

    assert isinstance(candidate.campaign(), Held)


def test_a_gateway_whose_own_certificate_is_rejected_points_to_grpc(
    etcd_server: Servers, election: Election, tmp_path: Path, stand: Stand
) -> None:
    # The clients' CA is not the server's, so the server rejects its own gateway.
    servers, clients = Pki(tmp_path / "servers"), Pki(tmp_path / "clients")
    servers.client_cert, servers.client_key = clients.client_cert, clients.client_key
    server = etcd_server(
        client_cert_auth=True, pki=servers, extra_args=[f"--trusted-ca-file={clients.ca_cert}"]
    )
    gateway, grpc = Dialer("etcd.gateway", "etcd"), Dialer("etcd.grpc", "etcd+grpc")
    store = gateway(server.endpoint, election, tls=True, env=_certificates(servers))

    with pytest.raises(RefusedError, match=r"etcd\+grpc://"):
        store.leader(timeout_s=CALL_S)

    candidate = stand(grpc(server.endpoint, election, tls=True, env=_certificates(servers)))
    assert isinstance(candidate.campaign(), Held)


def test_a_gateway_that_is_switched_off_points_to_grpc(
    etcd_server: Servers, election: Election
) -> None:
    server = etcd_server(extra_args=["--enable-grpc-gateway=false"])
    gateway, grpc = Dialer("etcd.gateway", "etcd"), Dialer("etcd.grpc", "etcd+grpc")

    with pytest.raises(RefusedError, match=r"etcd\+grpc://"):
        gateway(server.endpoint, election).leader(timeout_s=CALL_S)

    assert grpc(server.endpoint, election).leader(timeout_s=CALL_S) is None


def _certificates(pki: Pki) -> dict[str, str]:
    return {
        "ETCDCTL_CACERT": str(pki.ca_cert),
        "ETCDCTL_CERT": str(pki.client_cert),
        "ETCDCTL_KEY": str(pki.client_key),
    }
