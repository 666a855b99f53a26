"""The label of the pod that leads, on a real API server: one pod has it, the one that leads."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.at_once import kill_at_once
from tests.e2e.sidecars import Sidecar, wait_for
from tests.kubernetes.manifests import render
from tests.kubernetes.test_rights import Account, account

__all__ = ["account"]

_LEASE_RULES: list[dict[str, Any]] = [
    {
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "verbs": ["get", "create", "patch", "watch"],
    }
]
_POD_RULES: list[dict[str, Any]] = [
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "patch"]}
]
_SPEC = {"containers": [{"name": "c", "image": "c"}], "automountServiceAccountToken": False}
_JOB = ("--", "sleep", "600")


class Pods:
    """The pods of one election, and what they are labelled as."""

    def __init__(self, account: Account, start: Callable[..., Sidecar]) -> None:
        self.account = account
        self._start = start
        self._path = f"/api/v1/namespaces/{account.namespace}/pods"

    def make(self, *names: str) -> None:
        for name in names:
            self.account.server.create(self._path, {"metadata": {"name": name}, "spec": _SPEC})

    def sidecar(self, name: str, *, election: str = "ticker") -> Sidecar:
        """The one in the pod of this name."""
        words = self.account.words(election)
        words[1] += "&label-pods=yes"
        return self._start(*words, "--id", name, *_JOB)

    def label(self, name: str, role: str, token: int | str) -> None:
        """As somebody else would, or a write of ours that comes late."""
        meta = {
            "labels": {"coordsidecar/role": role, "coordsidecar/election": "ticker"},
            "annotations": {"coordsidecar/token": str(token)},
        }
        answer = self.account.server.http(
            "PATCH",
            f"{self._path}/{name}",
            {"metadata": meta},
            content_type="application/merge-patch+json",
        )
        assert answer.status == 200

    def roles(self) -> dict[str, str | None]:
        items = self.account.server.http("GET", self._path).body["items"]
        return {
            pod["metadata"]["name"]: pod["metadata"].get("labels", {}).get("coordsidecar/role")
            for pod in items
        }

    def become(self, **roles: str | None) -> None:
        wait_for(lambda: self.roles() == roles, f"the pods to be labelled as {roles}")


@pytest.fixture
def pods(account: Callable[..., Account], start: Callable[..., Sidecar]) -> Pods:
    pods = Pods(account(_LEASE_RULES + _POD_RULES), start)
    pods.make("a", "b")
    return pods


def test_the_label_follows_the_lead(pods: Pods) -> None:
    leader = pods.sidecar("a")
    pods.become(a="leader", b=None)
    standby = pods.sidecar("b")
    pods.become(a="leader", b="standby")

    leader.process.terminate()

    pods.become(a="standby", b="leader")
    assert standby.log().count("cannot say") == 0


def test_the_next_leader_takes_it_off_a_pod_whose_owner_died(pods: Pods) -> None:
    leader = pods.sidecar("a")
    pods.become(a="leader", b=None)
    pods.sidecar("b")
    pods.become(a="leader", b="standby")

    kill_at_once(leader.everyone)

    pods.become(a="standby", b="leader")


def test_a_label_that_somebody_else_has_changed_is_put_right(pods: Pods) -> None:
    """Among them a write of an earlier leader that was long under way."""
    pods.sidecar("a")
    pods.become(a="leader", b=None)

    pods.label("b", "leader", 1)
    pods.label("a", "standby", 1)

    pods.become(a="leader", b="standby")


@pytest.mark.parametrize("token", ["", "none", "9" * 5000])
def test_one_that_says_no_token_of_ours_holds_nobody_up(pods: Pods, token: str) -> None:
    pods.make("c")
    for name in ("b", "c"):
        pods.label(name, "leader", token)

    leader = pods.sidecar("a")

    pods.become(a="leader", b="standby", c="standby")
    assert "cannot say" not in leader.log()


def test_pods_of_other_elections_are_let_be(pods: Pods) -> None:
    pods.sidecar("a")
    pods.sidecar("b", election="another")

    pods.become(a="leader", b="leader")
    for name in ("a", "b"):
        assert pods.roles()[name] == "leader"


def test_who_finds_a_higher_token_takes_its_own_label_off(pods: Pods) -> None:
    pods.label("b", "leader", 1 << 60)

    pods.sidecar("a")

    pods.become(a="standby", b="leader")


@pytest.mark.parametrize("verb", ["list", "patch"])
def test_the_right_that_is_missing_is_named_and_the_lead_does_not_depend_on_it(
    account: Callable[..., Account], start: Callable[..., Sidecar], verb: str
) -> None:
    (rule,) = _POD_RULES
    rules = [*_LEASE_RULES, {**rule, "verbs": [each for each in rule["verbs"] if each != verb]}]
    pods = Pods(account(rules), start)
    pods.make("a")

    leader = pods.sidecar("a")

    wait_for(lambda: "started the job" in leader.log(), "the job to start")
    said = f"lacks the verb {verb!r} on pods in namespace {pods.account.namespace}"
    wait_for(lambda: said in leader.log(), "the missing right to be named")
    assert f"--verb={verb} --resource=pods" in leader.log()


def test_a_name_that_is_no_pods_is_said(pods: Pods) -> None:
    leader = pods.sidecar("c")

    wait_for(lambda: "--id must be the pod's name" in leader.log(), "the sentence")
    wait_for(lambda: "started the job" in leader.log(), "the job to start")


def test_the_rights_in_the_example_are_those_and_no_more() -> None:
    rules = next(
        each["rules"] for each in render("overlays/leader-service") if each["kind"] == "Role"
    )

    assert [rule for rule in rules if "pods" in rule["resources"]] == _POD_RULES


def test_the_service_in_the_example_selects_what_the_leader_is_labelled_as() -> None:
    objects = render("overlays/leader-service")
    (service,) = (each for each in objects if each["kind"] == "Service")
    (deployment,) = (each for each in objects if each["kind"] == "Deployment")
    words = json.dumps(deployment)

    assert service["spec"]["selector"] == {
        "app": "ticker",
        "coordsidecar/election": "ticker",
        "coordsidecar/role": "leader",
    }
    assert "--store=kubernetes:?label-pods=yes" in words
