"""A bundle finds a store by its name and trusts its certificate, though its image has nothing."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from coordsidecar.store.protocol import Election
from tests.bundle.roots import JOB, Root
from tests.e2e.sidecars import Sidecar
from tests.servers import ConsulServer, EtcdServer


@pytest.fixture
def job_on(root: Root, election: Election) -> Callable[..., Sidecar]:
    """Start a job that ends at once, on a store."""

    def start(store: str, given: tuple[str, ...] = ()) -> Sidecar:
        job = ("--name", election.name, "--", JOB, "report", "it ran")
        return root.start("--store", store, *job, stdout=subprocess.DEVNULL, given=given)

    return start


def test_a_name_from_etc_hosts_is_found(
    root: Root, job_on: Callable[..., Sidecar], etcd: EtcdServer
) -> None:
    (root.folder / "etc" / "hosts").write_text("127.0.0.1 etcd-of-this-test\n")
    _, port = etcd.endpoint.split(":")

    sidecar = job_on(f"etcd://etcd-of-this-test:{port}")

    assert sidecar.wait() == 0, sidecar.log()


def test_consul_is_reached(job_on: Callable[..., Sidecar], quick_consul: ConsulServer) -> None:
    sidecar = job_on(f"consul://{quick_consul.endpoint}")

    assert sidecar.wait() == 0, sidecar.log()


def test_a_store_that_was_left_out_is_named_with_the_remedy(job_on: Callable[..., Sidecar]) -> None:
    sidecar = job_on("etcd+grpc://127.0.0.1:1")

    assert sidecar.wait() == 2
    assert "the bundle /opt/coordsidecar has no " in sidecar.log()
    assert "make it anew: --extras grpc" in sidecar.log()


def test_the_public_authorities_are_in_it(bundle: Path) -> None:
    context = ssl.create_default_context(cafile=str(bundle / "cacert.pem"))

    assert len(context.get_ca_certs()) > 100


@pytest.mark.parametrize(
    "place",
    [
        "bundle",
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/cert.pem",
        "variable",
    ],
)
def test_the_images_authorities_are_trusted_or_else_the_bundles(
    root: Root,
    job_on: Callable[..., Sidecar],
    etcd_server: Callable[..., EtcdServer],
    tmp_path: Path,
    place: str,
) -> None:
    server = etcd_server(tls=True)
    assert server.pki is not None
    given: tuple[str, ...] = ()
    if place == "bundle":
        root.bundle = shutil.copytree(root.bundle, tmp_path / "copied", copy_function=os.link)
        (root.bundle / "cacert.pem").unlink()
        shutil.copy(server.pki.ca_cert, root.bundle / "cacert.pem")
    elif place == "variable":
        root.has(server.pki.ca_cert, "/etc/own.pem")
        given = ("SSL_CERT_FILE=/etc/own.pem",)
    else:
        root.has(server.pki.ca_cert, place)

    sidecar = job_on(f"etcds://{server.endpoint}", given=given)

    assert sidecar.wait() == 0, sidecar.log()


def test_whom_nobody_trusts_is_refused(
    root: Root, job_on: Callable[..., Sidecar], etcd_server: Callable[..., EtcdServer]
) -> None:
    root.has(Path("/dev/null"), "/etc/ssl/cert.pem")  # Of an image in which somebody emptied it.

    sidecar = job_on(f"etcds://{etcd_server(tls=True).endpoint}")

    assert sidecar.wait() == 125
    assert "certificate" in sidecar.log()
