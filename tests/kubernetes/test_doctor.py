"""`coordsidecar doctor` on Kubernetes: the verb that is missing is named, and nothing is made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.doctor.examined import doctor
from tests.kubernetes.test_rights import RULES, VERBS, Account, without
from tests.servers import KubernetesServer


@pytest.fixture
def account(kubernetes: KubernetesServer, tmp_path: Path) -> Callable[..., Account]:
    """Make an account in a namespace of its own: ``account(rules)``."""
    return lambda rules: Account(kubernetes, kubernetes.namespace(), tmp_path, rules)


def test_the_shipped_role_is_enough_and_no_lease_is_made(
    account: Callable[..., Account],
) -> None:
    ours = account(RULES)

    report = doctor("--store", ours.store, "--name", "ticker")

    assert report.not_ok() <= {("warn", "tls"), ("warn", "round-trip")}
    assert report.status == 0
    assert len([c for c in report.checks if c.check == "rights"]) == len(VERBS)
    assert ours.lease() == {}


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_that_is_missing_is_named_with_the_command_that_grants_it(
    verb: str, account: Callable[..., Account]
) -> None:
    report = doctor("--store", account(without(verb)).store, "--name", "ticker")

    (missing,) = (c for c in report.checks if c.check == "rights" and c.state != "ok")
    assert (report.status, missing.state) == (1, "fail")
    assert missing.said == f"the verb {verb!r} is missing"
    assert f"create role coordsidecar-{verb} --verb={verb} --resource=leases" in missing.remedy


def test_to_create_is_not_needed_where_the_lease_is_there(
    account: Callable[..., Account], kubernetes: KubernetesServer
) -> None:
    ours = account(without("create"))
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "ticker"},
    }
    path = f"/apis/coordination.k8s.io/v1/namespaces/{ours.namespace}/leases"
    assert kubernetes.http("POST", path, lease).status == 201

    report = doctor("--store", ours.store, "--name", "ticker")

    assert report.status == 0
    assert {c.state for c in report.checks if c.check == "rights"} == {"ok"}


def test_who_is_not_known_is_told_so(kubernetes: KubernetesServer, tmp_path: Path) -> None:
    config = tmp_path / "stranger.json"
    kubernetes.kubeconfig(config, token="nobody-knows-it", namespace="default")

    report = doctor("--store", f"kubernetes:?kubeconfig={config}", "--name", "ticker")

    assert (report.status, report.of("log-in").state) == (1, "fail")
    assert "does not know who we are" in report.of("log-in").said
    assert "nobody-knows-it" not in str(report)
