"""What instances say of themselves, as annotations of their pods, on a real API server."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.command import coordsidecar
from tests.e2e.sidecars import Sidecar, wait_for
from tests.kubernetes.test_pod_label import _LEASE_RULES, _POD_RULES, Pods
from tests.kubernetes.test_rights import Account, account

__all__ = ["account"]


@pytest.fixture
def pods(account: Callable[..., Account], start: Callable[..., Sidecar]) -> Pods:
    pods = Pods(account(_LEASE_RULES + _POD_RULES), start)
    pods.make("a", "b")
    return pods


def status(pods: Pods) -> dict[str, Any]:
    store = pods.account.words("ticker")[:2]
    told: dict[str, Any] = json.loads(coordsidecar("status", *store, "--json", "ticker").out)
    return told


def job_of(who: dict[str, Any] | None) -> str | None:
    return ((who or {}).get("job") or {}).get("state")


def test_leader_and_standby_are_shown_and_a_pod_that_is_gone_is_not(pods: Pods) -> None:
    leader = pods.sidecar("a")
    wait_for(lambda: job_of(status(pods)["leader"]) == "running", "the leader's word")
    pods.sidecar("b")
    wait_for(lambda: [who["id"] for who in status(pods)["others"]] == ["b"], "the other's word")

    leader.signal(signal.SIGTERM)
    wait_for(lambda: job_of(status(pods)["leader"]) == "running", "the next one's word")
    pods.account.server.http("DELETE", f"{pods._path}/a?gracePeriodSeconds=0")

    wait_for(lambda: status(pods)["others"] == [], "the deleted pod's word to be gone")
    assert status(pods)["leader"]["id"] == "b"


def test_what_stands_there_may_be_anything(pods: Pods) -> None:
    pods.sidecar("a")
    wait_for(lambda: job_of(status(pods)["leader"]) == "running", "the leader's word")
    meta = {
        "labels": {"coordsidecar/election": "ticker"},
        "annotations": {"coordsidecar/instance": "[" * 9000},
    }
    pods.account.server.http(
        "PATCH",
        f"{pods._path}/b",
        {"metadata": meta},
        content_type="application/merge-patch+json",
    )

    assert status(pods)["others"] == []
