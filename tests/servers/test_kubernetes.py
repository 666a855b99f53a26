"""The Kubernetes that other tests build on does what it says."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.servers import KubernetesServer, ServerError

_LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
_MAY_CREATE = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]}


def _lease(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"holderIdentity": "somebody"}}


@pytest.fixture
def name() -> str:
    """A name that no other test knows."""
    return f"a-{uuid.uuid4().hex[:12]}"


def test_a_service_account_may_do_what_its_role_says_and_nothing_else(
    kubernetes: KubernetesServer, name: str
) -> None:
    token = kubernetes.service_account(name, rules=[_MAY_CREATE])

    created = kubernetes.http("POST", _LEASES, _lease(name), token=token)
    deleted = kubernetes.http("DELETE", f"{_LEASES}/{name}", token=token)

    assert (created.status, deleted.status) == (201, 403)
    assert created.body["spec"]["holderIdentity"] == "somebody"
    assert f"system:serviceaccount:default:{name}" in deleted.body["message"]


def test_who_shows_no_token_or_a_wrong_one_is_nobody(kubernetes: KubernetesServer) -> None:
    nobody = kubernetes.http("GET", _LEASES, token="")
    wrong = kubernetes.http("GET", _LEASES, token="wrong")

    assert (nobody.status, wrong.status) == (403, 401)


def test_kubectl_shows_a_lease_and_tells_of_what_it_does_not_find(
    kubernetes: KubernetesServer, name: str
) -> None:
    kubernetes.create(_LEASES, _lease(name))

    shown = kubernetes.kubectl("get", "lease", name)

    assert shown.splitlines()[1].split()[:2] == [name, "somebody"]
    with pytest.raises(ServerError, match="not found"):
        kubernetes.kubectl("get", "lease", f"{name}-other")


def test_a_kubeconfig_has_the_form_in_which_kubectl_prints_it(
    kubernetes: KubernetesServer, name: str, tmp_path: Path
) -> None:
    token = kubernetes.service_account(name, rules=[_MAY_CREATE])
    path = tmp_path / "kubeconfig"

    kubernetes.kubeconfig(path, token=token, namespace="there")

    view = ("config", "view", "--raw", "--flatten", "-o", "json", "--kubeconfig", str(path))
    assert path.read_text() == kubernetes.kubectl(*view)
    assert json.loads(path.read_text())["users"][0]["user"]["token"] == token


def test_a_new_namespace_takes_leases(kubernetes: KubernetesServer, name: str) -> None:
    namespace = kubernetes.namespace()

    kubernetes.create(_LEASES.replace("default", namespace), _lease(name))

    assert kubernetes.http("GET", f"{_LEASES}/{name}").status == 404


def test_client_gos_example_holds_a_lease_until_it_is_asked_to_end(
    kubernetes: KubernetesServer, name: str
) -> None:
    argv = kubernetes.leader_election_argv(name, namespace="default", identity="gopher")

    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as peer:
        assert peer.stderr is not None
        try:
            said = next(line for line in peer.stderr if "successfully acquired lease" in line)
            # It renews at once, and while it does would not get to release.
            held = kubernetes.http("GET", f"{_LEASES}/{name}").body["spec"]
            while held["renewTime"] == held["acquireTime"]:
                held = kubernetes.http("GET", f"{_LEASES}/{name}").body["spec"]
            peer.terminate()
            peer.communicate()
        finally:
            peer.kill()

    assert name in said
    assert held["holderIdentity"] == "gopher"
    released = kubernetes.http("GET", f"{_LEASES}/{name}").body["spec"]
    assert not released.get("holderIdentity")


def test_it_keeps_its_data_when_it_is_killed_and_loses_them_when_told_to(
    kubernetes_server: Callable[..., KubernetesServer], name: str
) -> None:
    server = kubernetes_server()
    endpoint = server.endpoint
    token = server.service_account(name, rules=[_MAY_CREATE])
    made = server.http("POST", _LEASES, _lease(name), token=token).body

    server.kill()
    with pytest.raises(ConnectionRefusedError):
        server.http("GET", _LEASES)
    server.restart()

    assert server.endpoint == endpoint
    assert server.http("GET", f"{_LEASES}/{name}").body["metadata"] == made["metadata"]
    assert server.http("POST", _LEASES, _lease(f"{name}-2"), token=token).status == 201
    server.lose_data()
    assert server.http("GET", f"{_LEASES}/{name}").status == 404


def test_a_paused_one_answers_when_it_is_resumed(
    kubernetes_server: Callable[..., KubernetesServer], name: str
) -> None:
    server = kubernetes_server()
    argv = server.kubectl_argv("create", "namespace", name, "--request-timeout=20s")

    server.pause()

    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as asking:
        with pytest.raises(subprocess.TimeoutExpired):
            asking.wait(0.5)
        server.resume()
        assert "created" in asking.communicate()[0]
