"""Stores that ask who we are: passwords, tokens and certificates, set as their own tools want them.

What a store will not allow is a `RefusedError`, for people to mend; never a lost session, and never
silence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from coordsidecar.store.protocol import (
    Behind,
    Election,
    Held,
    LoginRefusedError,
    RefusedError,
    Store,
)
from tests.contract.conftest import CandidateFactory
from tests.contract.harness import adapter
from tests.servers import ConsulServer, EtcdServer, Pki

_S = 10.0
_ETCD = {"etcd": "etcd.gateway", "etcd+grpc": "etcd.grpc"}


@dataclass
class Secured:
    """A way to a server that asks who we are."""

    url: str
    module: str
    environ: dict[str, str]

    def connect(self, election: Election, **environ: str) -> Store:
        changed = self.environ | environ
        return adapter(self.module)(self.url, election=election, environ=changed)


def _certificates(prefix: str, pki: Pki) -> dict[str, str]:
    if prefix == "ETCDCTL":
        names = ("ETCDCTL_CACERT", "ETCDCTL_CERT", "ETCDCTL_KEY")
    else:
        names = ("CONSUL_CACERT", "CONSUL_CLIENT_CERT", "CONSUL_CLIENT_KEY")
    files = (pki.ca_cert, pki.nameless_client_cert, pki.nameless_client_key)
    return dict(zip(names, map(str, files), strict=True))


@pytest.fixture(params=sorted(_ETCD))
def etcd_way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["tls", "client_cert_auth", "tls+auth"])
def etcd_secured(
    request: pytest.FixtureRequest,
    etcd_way: str,
    etcd_server: Callable[..., EtcdServer],
    pki: Pki,
) -> Secured:
    server = etcd_server(**dict.fromkeys(request.param.split("+"), True))
    scheme = etcd_way.replace("etcd", "etcds")
    environ = _certificates("ETCDCTL", pki)
    if "auth" in request.param.split("+"):
        environ |= {"ETCDCTL_USER": server.user, "ETCDCTL_PASSWORD": server.password}
    return Secured(f"{scheme}://{server.endpoint}", _ETCD[etcd_way], environ)


@pytest.fixture(params=["acl", "tls+acl", "client_cert_auth"])
def consul_secured(
    request: pytest.FixtureRequest, consul_server: Callable[..., ConsulServer], pki: Pki
) -> Secured:
    server = consul_server(**dict.fromkeys(request.param.split("+"), True))
    environ = {}
    if server.master_token is not None:
        environ["CONSUL_HTTP_TOKEN"] = server.master_token
    if server.pki is None:
        return Secured(f"consul://{server.endpoint}", "consul.store", environ)
    environ |= _certificates("CONSUL", pki)
    return Secured(f"consuls://{server.endpoint}", "consul.store", environ)


def test_etcd_serves_who_shows_what_it_asks_for(
    etcd_secured: Secured, election: Election, stand: CandidateFactory
) -> None:
    _a_whole_life(etcd_secured, election, stand)


def test_consul_serves_who_shows_what_it_asks_for(
    consul_secured: Secured, election: Election, stand: CandidateFactory
) -> None:
    _a_whole_life(consul_secured, election, stand)


def test_etcds_gateway_takes_a_password_without_tls(
    etcd_server: Callable[..., EtcdServer], election: Election, stand: CandidateFactory
) -> None:
    server = etcd_server(auth=True)
    environ = {"ETCDCTL_USER": f"{server.user}:{server.password}"}

    _a_whole_life(Secured(f"etcd://{server.endpoint}", "etcd.gateway", environ), election, stand)


def test_a_wrong_password_is_refused(
    etcd_way: str, etcd_server: Callable[..., EtcdServer], pki: Pki, election: Election
) -> None:
    server = etcd_server(tls=True, auth=True)
    scheme = etcd_way.replace("etcd", "etcds")
    secured = Secured(
        f"{scheme}://{server.endpoint}", _ETCD[etcd_way], _certificates("ETCDCTL", pki)
    )
    wrong = secured.connect(election, ETCDCTL_USER="root", ETCDCTL_PASSWORD="a-wrong-secret")

    with pytest.raises(LoginRefusedError) as refused:
        wrong.leader(timeout_s=_S)

    assert "a-wrong-secret" not in str(refused.value)


def test_a_user_without_permission_is_refused(
    etcd_way: str,
    etcd_server: Callable[..., EtcdServer],
    pki: Pki,
    election: Election,
    stand: CandidateFactory,
) -> None:
    server = etcd_server(tls=True, auth=True)
    scheme = etcd_way.replace("etcd", "etcds")
    environ = _certificates("ETCDCTL", pki)
    environ |= {"ETCDCTL_USER": server.powerless_user, "ETCDCTL_PASSWORD": server.password}
    secured = Secured(f"{scheme}://{server.endpoint}", _ETCD[etcd_way], environ)
    powerless = stand(secured.connect(election))

    with pytest.raises(RefusedError) as refused:
        powerless.campaign()

    assert not isinstance(refused.value, LoginRefusedError)  # Its role may be granted yet.


def test_a_wrong_token_is_refused(
    consul_server: Callable[..., ConsulServer], election: Election
) -> None:
    server = consul_server(acl=True)
    url = f"consul://{server.endpoint}"
    environ = {"CONSUL_HTTP_TOKEN": "00000000-dead-beef-0000-000000000000"}
    wrong = adapter("consul.store")(url, election=election, environ=environ)

    with pytest.raises(LoginRefusedError) as refused:
        wrong.open(ttl_s=60, takeover_delay_s=1, record="{}", timeout_s=_S)

    assert "dead-beef" not in str(refused.value)


def test_a_server_with_a_strange_certificate_is_refused(
    etcd_way: str,
    etcd_server: Callable[..., EtcdServer],
    consul_server: Callable[..., ConsulServer],
    tmp_path_factory: pytest.TempPathFactory,
    election: Election,
) -> None:
    stranger = Pki(tmp_path_factory.mktemp("stranger"))
    etcd, consul = etcd_server(tls=True), consul_server(tls=True)
    scheme = etcd_way.replace("etcd", "etcds")
    stores = [
        Secured(f"{scheme}://{etcd.endpoint}", _ETCD[etcd_way], {}).connect(
            election, ETCDCTL_CACERT=str(stranger.ca_cert)
        ),
        Secured(f"consuls://{consul.endpoint}", "consul.store", {}).connect(
            election, CONSUL_CACERT=str(stranger.ca_cert)
        ),
    ]

    for store in stores:
        with pytest.raises(RefusedError):
            store.leader(timeout_s=_S)


def _a_whole_life(secured: Secured, election: Election, stand: CandidateFactory) -> None:
    """Lead, be renewed and watched, resign, and be followed."""
    first, second = stand(secured.connect(election)), stand(secured.connect(election))
    token = first.leads()
    behind = second.campaign()
    assert isinstance(behind, Behind)
    assert first.renew() > 0
    held = first.standing()
    assert isinstance(held, Held)
    assert not first.watch(held, timeout_s=2.0)
    first.resign(token)
    assert second.watch(behind)
    assert second.wins().clean
