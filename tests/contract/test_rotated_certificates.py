"""Certificates are replaced in their files while we run, and the new ones are used."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from coordsidecar.store.protocol import Election, RefusedError, Store, StoreError
from tests.contract.candidate import CALL_S
from tests.contract.harness import adapter
from tests.servers import ConsulServer, EtcdServer, Pki


class _Files:
    """The files of our certificates, and whose they are now."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.ca, self.cert, self.key = (folder / name for name in ("ca", "cert", "key"))

    def are_of(self, pki: Pki) -> None:
        shutil.copy(pki.ca_cert, self.ca)
        shutil.copy(pki.nameless_client_cert, self.cert)
        shutil.copy(pki.nameless_client_key, self.key)


@pytest.fixture(params=["etcd.gateway", "etcd.grpc", "consul.store"])
def secured(
    request: pytest.FixtureRequest, tmp_path: Path, pki: Pki, election: Election
) -> tuple[Callable[[], Store], _Files]:
    """A store whose server wants certificates of ``pki``, and the files that it reads."""
    module: str = request.param
    files = _Files(tmp_path / "files")
    if module == "consul.store":
        consul: ConsulServer = request.getfixturevalue("consul_server")(client_cert_auth=True)
        url, names = f"consuls://{consul.endpoint}", "CONSUL_CACERT CONSUL_CLIENT_CERT"
        names += " CONSUL_CLIENT_KEY"
    else:
        etcd: EtcdServer = request.getfixturevalue("etcd_server")(client_cert_auth=True)
        scheme = "etcds" if module == "etcd.gateway" else "etcds+grpc"
        url, names = f"{scheme}://{etcd.endpoint}", "ETCDCTL_CACERT ETCDCTL_CERT ETCDCTL_KEY"
    paths = map(str, (files.ca, files.cert, files.key))
    environ = dict(zip(names.split(), paths, strict=True))
    return lambda: adapter(module)(url, election=election, environ=environ), files


def test_certificates_are_read_again_once_they_are_replaced(
    secured: tuple[Callable[[], Store], _Files], tmp_path: Path, pki: Pki
) -> None:
    connect, files = secured
    files.are_of(Pki(tmp_path / "stranger"))
    store = connect()
    with pytest.raises(RefusedError):
        store.leader(timeout_s=CALL_S)

    files.are_of(pki)

    assert store.leader(timeout_s=CALL_S) is None


@pytest.mark.parametrize("by", ["SSL_CERT_FILE", "CONSUL_CAPATH"])
def test_those_that_the_system_or_a_folder_trusts_are_read_again(
    by: str,
    consul_server: Callable[..., ConsulServer],
    election: Election,
    tmp_path: Path,
    pki: Pki,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A certificate authority is changed where all programs of a host look for it."""
    folder = tmp_path / "trusted"
    folder.mkdir()
    shutil.copy(Pki(tmp_path / "stranger").ca_cert, folder / "ca.pem")
    monkeypatch.setenv(by, str(folder / "ca.pem" if by == "SSL_CERT_FILE" else folder))
    url = f"consuls://{consul_server(tls=True).endpoint}"
    store = adapter("consul.store")(url, election=election, environ=os.environ)
    with pytest.raises(RefusedError):
        store.leader(timeout_s=CALL_S)

    shutil.copy(pki.ca_cert, folder / "ca.pem")

    assert store.leader(timeout_s=CALL_S) is None


def test_while_the_systems_are_gone_those_that_were_read_will_do(
    consul_server: Callable[..., ConsulServer],
    election: Election,
    tmp_path: Path,
    pki: Pki,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "ca.pem"
    shutil.copy(pki.ca_cert, file)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    server = consul_server(tls=True)
    store = adapter("consul.store")(
        f"consuls://{server.endpoint}", election=election, environ=os.environ
    )
    assert store.leader(timeout_s=CALL_S) is None

    file.unlink()
    server.stop()
    server.start()  # So it takes another connection.

    assert store.leader(timeout_s=CALL_S) is None


def test_while_they_are_being_replaced_nothing_is_worse_than_a_failed_call(
    secured: tuple[Callable[[], Store], _Files], pki: Pki, tmp_path: Path
) -> None:
    connect, files = secured
    files.are_of(Pki(tmp_path / "stranger"))
    store = connect()

    shutil.copy(pki.ca_cert, files.ca)
    shutil.copy(pki.nameless_client_cert, files.cert)
    files.key.unlink()
    with pytest.raises(StoreError):
        store.leader(timeout_s=1.0)
    files.key.write_text("half a k")
    with pytest.raises(StoreError):
        store.leader(timeout_s=1.0)
    shutil.copy(pki.nameless_client_key, files.key)

    assert store.leader(timeout_s=CALL_S) is None
