"""Where a Kubernetes API server is and who we are to it; told wrongly, it is one clear sentence."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from coordsidecar.store.protocol import Election
from coordsidecar_adapters.kubernetes import settings
from coordsidecar_adapters.kubernetes.settings import KubernetesSettings
from tests.servers import Pki

Writes = Callable[..., str]

_DEMO = Election(namespace="default", name="demo")


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path / "pki")


@pytest.fixture
def writes(tmp_path: Path) -> Writes:
    """Write a kubeconfig with these parts in it, and return the store URL that names it."""

    def write(
        cluster: Mapping[str, Any] | None = None,
        user: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
        **config: Any,
    ) -> str:
        path = tmp_path / "config.json"
        parts = {
            "current-context": "here",
            "contexts": [
                {"name": "here", "context": {"cluster": "c", "user": "u"} | dict(context or {})}
            ],
            "clusters": [
                {"name": "c", "cluster": dict(cluster or {"server": "https://10.0.0.1:6443"})}
            ],
            "users": [{"name": "u", "user": dict(user or {"token": "secret"})}],
        }
        path.write_text(json.dumps(parts | config))
        return f"kubernetes:?kubeconfig={path}"

    return write


@pytest.fixture
def pod(tmp_path: Path, pki: Pki, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a pod, whose service account is in a folder of the test's."""
    account = tmp_path / "serviceaccount"
    account.mkdir()
    (account / "namespace").write_text("shop\n")
    (account / "token").write_text("secret\n")
    (account / "ca.crt").write_bytes(pki.ca_cert.read_bytes())
    monkeypatch.setattr(settings, "_ACCOUNT", str(account))
    return {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}


def read(
    url: str, environ: Mapping[str, str] | None = None, election: Election = _DEMO
) -> KubernetesSettings:
    return KubernetesSettings.read(url, election, environ or {})


# ── in a pod ───────────────────────────────────────────────────────────────────────────────────


def test_a_pod_needs_to_be_told_nothing(pod: dict[str, str], tmp_path: Path) -> None:
    found = read("kubernetes:", pod)

    assert (found.namespace, found.name, found.access.address) == ("shop", "demo", "10.0.0.1:443")
    assert found.access.read_token() == "secret"
    assert found.access.tls is not None
    assert found.access.tls.cacert == str(tmp_path / "serviceaccount" / "ca.crt")


def test_its_token_is_read_anew(pod: dict[str, str], tmp_path: Path) -> None:
    access = read("kubernetes:", pod).access

    (tmp_path / "serviceaccount" / "token").write_text("another")

    assert access.read_token() == "another"


def test_an_address_of_ipv6_is_written_as_one(pod: dict[str, str]) -> None:
    pod["KUBERNETES_SERVICE_HOST"] = "fd00::1"

    assert read("kubernetes:", pod).access.address == "[fd00::1]:443"


@pytest.mark.parametrize(
    ("url", "namespace", "found"),
    [
        ("kubernetes:", "default", "shop"),
        ("kubernetes:", "asked", "asked"),
        ("kubernetes:told", "asked", "told"),
        ("kubernetes:default", "default", "default"),
    ],
)
def test_the_namespace_is_what_the_url_says_or_the_option_or_the_pods_own(
    pod: dict[str, str], url: str, namespace: str, found: str
) -> None:
    election = Election(namespace=namespace, name="demo")

    assert read(url, pod, election).namespace == found


def test_a_pod_without_a_token_is_told_how_to_get_one(pod: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "serviceaccount" / "token").unlink()

    with pytest.raises(ValueError, match="automountServiceAccountToken: true"):
        read("kubernetes:", pod)


def test_a_kubeconfig_in_the_environment_is_not_for_pods(
    pod: dict[str, str], writes: Writes
) -> None:
    kubeconfig = writes().partition("=")[2]

    assert read("kubernetes:", pod | {"KUBECONFIG": kubeconfig}).access.token_file
    assert read("kubernetes:", {"KUBECONFIG": kubeconfig}).access.token == "secret"


# ── by a kubeconfig ────────────────────────────────────────────────────────────────────────────


def test_a_kubeconfig_says_where_and_who(writes: Writes, pki: Pki) -> None:
    authority = base64.b64encode(pki.ca_cert.read_bytes()).decode()
    server = {"server": "https://k.test/clusters/a", "certificate-authority-data": authority}

    found = read(writes(server, {"token": "secret"}, {"namespace": "shop"}))

    assert (found.access.address, found.access.path) == ("k.test:443", "/clusters/a")
    assert found.access.tls is not None
    assert found.access.tls.cadata == pki.ca_cert.read_text()
    assert (found.namespace, found.access.read_token()) == ("shop", "secret")
    assert "secret" not in repr(found)


def test_a_clients_key_is_on_no_disk(writes: Writes, pki: Pki) -> None:
    user = {
        f"client-{what}-data": base64.b64encode(path.read_bytes()).decode()
        for what, path in (("certificate", pki.client_cert), ("key", pki.client_key))
    }

    tls = read(writes(user=user)).access.tls

    assert tls is not None
    assert tls.key is not None
    assert tls.cert is not None
    assert Path(tls.key).read_bytes() == pki.client_key.read_bytes()
    assert Path(tls.cert).read_bytes() == pki.client_cert.read_bytes()
    assert "memfd:" in str(Path(tls.key).readlink())


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"current-context": ""}, "no current-context"),
        ({"contexts": []}, "no context 'here'"),
        ({"clusters": []}, "no cluster 'c'"),
        ({"users": None}, "no user 'u'"),
        ({"users": [{"user": {}}]}, "cannot be understood"),
        ({"cluster": {"server": "ftp://k"}}, "no https:// URL"),
        ({"cluster": {"server": "https://root:secret@k"}}, "no https:// URL"),
        ({"cluster": {"server": "https://k:port"}}, "port"),
        ({"user": {"exec": {"command": "login"}}}, "logs in by exec.*kubectl create token"),
        ({"user": {"token": "a", "as": "root"}}, "logs in by as"),
        ({"cluster": {"server": "https://k", "proxy-url": "http://p"}}, "asks for proxy-url"),
        ({"user": {"token": "a\nb"}}, "other characters"),
        ({"user": {"client-certificate-data": "a"}}, "cannot be understood"),
    ],
)
def test_a_kubeconfig_that_makes_no_sense_is_named(
    writes: Writes, tmp_path: Path, parts: dict[str, Any], why: str
) -> None:
    with pytest.raises(ValueError, match=why) as refusal:
        read(writes(**parts))

    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("raw", "why"), [(b"apiVersion: v1\nkind: Config\n", "is not JSON"), (b"[]", "understood")]
)
def test_what_is_no_kubeconfig_is_told_how_to_make_one(
    tmp_path: Path, raw: bytes, why: str
) -> None:
    path = tmp_path / "config"
    path.write_bytes(raw)

    with pytest.raises(ValueError, match=f"{why}.*kubectl config view --raw --flatten -o json"):
        read(f"kubernetes:?kubeconfig={path}")


def test_what_cannot_be_read_again_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    """An elector that is replaced reads it once more."""
    os.mkfifo(tmp_path / "config")

    with pytest.raises(ValueError, match="config: not a regular file"):
        read(f"kubernetes:?kubeconfig={tmp_path / 'config'}")


def test_a_file_without_an_end_is_not_read_to_it() -> None:
    with pytest.raises(ValueError, match="/dev/zero: not a regular file"):
        read("kubernetes:?kubeconfig=/dev/zero")


def test_nor_one_that_is_far_too_large(tmp_path: Path) -> None:
    with (tmp_path / "config").open("wb") as file:
        file.truncate(10**9)

    with pytest.raises(ValueError, match="config: far too large"):
        read(f"kubernetes:?kubeconfig={tmp_path / 'config'}")


def test_a_kubeconfig_that_is_missing_is_named() -> None:
    with pytest.raises(ValueError, match="/nowhere/config: No such file"):
        read("kubernetes:?kubeconfig=/nowhere/config")


# ── neither ────────────────────────────────────────────────────────────────────────────────────


def test_outside_of_a_pod_a_kubeconfig_has_to_be_named() -> None:
    with pytest.raises(ValueError, match="this is no pod, and no kubeconfig is named"):
        read("kubernetes:")


@pytest.mark.parametrize(
    "url",
    [
        "kubernetes://10.0.0.1:6443",
        "kubernetes:?context=a",
        "kubernetes:?kubeconfig=",
        "kubernetes:?kubeconfig=a&context=b",
        "kubernetes:Shop?kubeconfig=a",
    ],
)
def test_a_url_that_says_more_than_it_may_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"kubeconfig|namespace"):
        read(url)


@pytest.mark.parametrize("name", ["Demo", "a_b", "-a", "a.", "a..b", "a.-b", "a-.b", "a" * 254])
def test_a_name_that_no_lease_can_have_is_refused(writes: Writes, name: str) -> None:
    with pytest.raises(ValueError, match="use another --name"):
        read(writes(), election=Election(namespace="default", name=name))
