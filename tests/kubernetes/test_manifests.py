"""The Kubernetes examples: a real API server takes them, and so would the newest; restricted."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from coordsidecar.cli.words import split
from coordsidecar.settings.attach import ATTACH_OPTIONS, attach_settings
from coordsidecar.settings.options import OPTIONS
from coordsidecar.settings.settings import Settings, build_settings
from tests.e2e.sidecars import wait_for
from tests.kubernetes.manifests import (
    ALL,
    EXAMPLES,
    NOT_IN_1_20,
    Object,
    as_known_to_1_20,
    one,
    pods,
    render,
    render_into,
)
from tests.kubernetes.restricted import violations
from tests.servers import KubernetesServer

_LEASES = "/apis/coordination.k8s.io/v1/namespaces/{}/leases/ticker"


def without(*fields: str | int) -> Callable[[Object], None]:
    """A change to a pod: it loses what stands there."""

    def change(pod: Object) -> None:
        *way, last = fields
        at: Any = pod
        for field in way:
            at = at[field]
        del at[last]

    return change


def having(value: Any, *fields: str | int) -> Callable[[Object], None]:
    """A change to a pod: it has this there."""

    def change(pod: Object) -> None:
        *way, last = fields
        at: Any = pod
        for field in way:
            at = at[field]
        at[last] = value

    return change


_CONTAINER = ("containers", 0)
_CONTEXT = (*_CONTAINER, "securityContext")
NOT_RESTRICTED = {
    "pod: hostNetwork": having(True, "hostNetwork"),
    "volume coordsidecar: hostPath": having({"path": "/"}, "volumes", 0, "hostPath"),
    "ticker: runAsNonRoot": without("securityContext", "runAsNonRoot"),
    "ticker: seccompProfile": without("securityContext", "seccompProfile"),
    "pod: runAsUser is root": having(0, "securityContext", "runAsUser"),
    "ticker: runAsUser is root": having(0, *_CONTEXT, "runAsUser"),
    "ticker: allowPrivilegeEscalation": without(*_CONTEXT, "allowPrivilegeEscalation"),
    "ticker: capabilities are not dropped": without(*_CONTEXT, "capabilities"),
    "ticker: capabilities are added": having(["SYS_PTRACE"], *_CONTEXT, "capabilities", "add"),
    "ticker: privileged": having(True, *_CONTEXT, "privileged"),
    "ticker: hostPort": having(8080, *_CONTAINER, "ports", 0, "hostPort"),
    "coordsidecar: allowPrivilegeEscalation": without(
        "initContainers", 0, "securityContext", "allowPrivilegeEscalation"
    ),
}


@pytest.mark.parametrize("name", ALL)
def test_every_object_is_valid_in_the_newest_kubernetes(name: str) -> None:
    newest = kubernetes_validate.latest_version()

    for each in render(name):
        kubernetes_validate.validate(each, newest, strict=True)


def test_a_field_that_nobody_knows_is_not_valid() -> None:
    deployment = copy.deepcopy(one(render("base"), "Deployment"))
    deployment["spec"]["template"]["spec"]["terminationGraceSeconds"] = 40

    with pytest.raises(kubernetes_validate.ValidationError, match="terminationGraceSeconds"):
        kubernetes_validate.validate(deployment, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize("name", ALL)
def test_pods_keep_to_the_restricted_standard_and_to_their_share(name: str) -> None:
    (pod,) = pods(render(name))

    assert violations(pod) == []
    for container in (*pod.get("initContainers", ()), *pod["containers"]):
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        for share in ("requests", "limits"):
            assert container["resources"][share].keys() == {"cpu", "memory"}


@pytest.mark.parametrize("broken", NOT_RESTRICTED)
def test_a_pod_that_breaks_a_rule_is_found(broken: str) -> None:
    (pod,) = pods(copy.deepcopy(render("base")))

    NOT_RESTRICTED[broken](pod)

    assert broken in violations(pod)


@pytest.mark.parametrize("name", ALL)
def test_an_api_server_takes_all_that_it_knows(
    kubernetes: KubernetesServer, tmp_path: Path, name: str
) -> None:
    namespace = kubernetes.namespace()
    objects = copy.deepcopy(render_into(namespace, name, tmp_path / "kustomization"))
    known, _ = as_known_to_1_20(objects)
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": known}))

    kubernetes.kubectl("apply", "-f", str(manifest))

    again = kubernetes.kubectl("apply", "-f", str(manifest)).splitlines()
    assert len(again) == len(known)
    assert [line for line in again if not line.endswith(" unchanged")] == []
    # And who the pods are may do with the Lease what it takes, or nothing if the lock is elsewhere.
    token = kubernetes.token("ticker", namespace)
    expected = 403 if name == "overlays/etcd" else 200 if name == "overlays/production" else 404
    path = _LEASES.format(namespace)
    # RBAC hears of a new binding some time after it was made.
    wait_for(
        lambda: kubernetes.http("GET", path, token=token).status == expected,
        f"the API server to answer {expected}",
    )


def test_what_is_not_given_to_the_api_server_is_listed_and_nothing_else() -> None:
    left_out = {left for name in ALL for left in as_known_to_1_20(copy.deepcopy(render(name)))[1]}

    assert left_out == set(NOT_IN_1_20)


def test_every_component_is_in_use() -> None:
    used = "".join(path.read_text() for path in EXAMPLES.glob("overlays/*/kustomization.yaml"))

    for component in (EXAMPLES / "components").iterdir():
        assert f"- ../../components/{component.name}\n" in used


@pytest.mark.parametrize("name", ALL)
def test_the_parts_fit_together(name: str) -> None:
    objects = render(name)
    (pod,) = pods(objects)
    deployment, settings = one(objects, "Deployment"), settings_of(pod)
    labels = deployment["spec"]["template"]["metadata"]["labels"]

    assert deployment["spec"]["replicas"] >= 2
    for selector in (
        deployment["spec"]["selector"],
        one(objects, "PodDisruptionBudget")["spec"]["selector"],
        one(objects, "NetworkPolicy")["spec"]["podSelector"],
        *(spread["labelSelector"] for spread in pod["topologySpreadConstraints"]),
    ):
        assert selector == {"matchLabels": labels}
    assert one(objects, "PodDisruptionBudget")["spec"]["unhealthyPodEvictionPolicy"]
    assert pod["serviceAccountName"] == one(objects, "ServiceAccount")["metadata"]["name"]
    ports = {
        port["port"]
        for rule in one(objects, "NetworkPolicy")["spec"]["egress"]
        for port in rule["ports"]
    }
    assert ports == ({2379, 53} if settings.store.startswith("etcd:") else {443, 6443})
    asks_kubernetes = settings.store.startswith("kubernetes:")
    assert pod["automountServiceAccountToken"] is asks_kubernetes
    assert any(each["kind"] == "Role" for each in objects) is asks_kubernetes
    if asks_kubernetes:
        named, *rest = one(objects, "Role")["rules"]
        assert named["resourceNames"] == [settings.election.name]
        of_pods = [rule for rule in rest if rule["resources"] == ["pods"]]
        assert all(rule["verbs"] == ["create"] for rule in rest if rule not in of_pods)
        assert bool(of_pods) is ("label-pods=yes" in settings.store)
        (subject,) = one(objects, "RoleBinding")["subjects"]
        account = one(objects, "ServiceAccount")["metadata"]
        assert subject == {"kind": "ServiceAccount"} | account


def test_a_lease_that_is_shipped_is_the_elections_and_spares_a_right() -> None:
    objects = render("overlays/production")
    (pod,) = pods(objects)
    lease = one(objects, "Lease")

    assert lease["metadata"]["name"] == settings_of(pod).election.name
    assert "spec" not in lease
    (rule,) = one(objects, "Role")["rules"]
    assert "create" not in rule["verbs"]


def test_the_flow_schema_is_about_what_the_pods_ask_and_nothing_else() -> None:
    objects = render("overlays/production")
    account = one(objects, "ServiceAccount")["metadata"]
    (rule,) = one(objects, "FlowSchema")["spec"]["rules"]

    assert rule["subjects"] == [{"kind": "ServiceAccount", "serviceAccount": account}]
    (resources,) = rule["resourceRules"]
    assert resources["namespaces"] == [account["namespace"]]
    assert (resources["apiGroups"], resources["resources"]) == (["coordination.k8s.io"], ["leases"])
    assert set(resources["verbs"]) == {"get", "create", "patch", "watch"}


def settings_of(pod: Object) -> Settings:
    """What our own program makes of its arguments; `UsageError` if it refuses them."""
    containers = (*pod.get("initContainers", ()), *pod["containers"])
    (words,) = (each["args"] for each in containers if "--name=ticker" in each.get("args", ()))
    words = [word for word in words if not word.startswith("--role-file")]
    if words[0] == "attach":
        flags, command = split(words[1:], ATTACH_OPTIONS, interspersed=False)
        return attach_settings(flags=flags, command=command, environ={})
    flags, command = split(words, OPTIONS, interspersed=False)
    return build_settings(flags=flags, command=command, environ={})
