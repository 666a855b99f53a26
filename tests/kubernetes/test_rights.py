"""The Role that the examples ship is enough, is all there is, and each verb less is named."""

from __future__ import annotations

import json
import re
import shlex
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.cli.command import coordsidecar
from tests.docs.test_pages import blocks
from tests.e2e.at_once import kill_at_once
from tests.e2e.sidecars import Sidecar, has_ended, wait_for
from tests.kubernetes.manifests import one, render
from tests.servers import KubernetesServer

RULES: list[dict[str, Any]] = one(render("base"), "Role")["rules"]
PAGE = (Path(__file__).parents[2] / "docs/stores.md").read_text()
VERBS = sorted({verb for rule in RULES for verb in rule["verbs"]})
ACCOUNT = "ticker"
_GROUP = "coordination.k8s.io"
_TTL = "3s"
# What every account may do: ask what it may do. (Of the roles system:basic-user and the like, all
# else is about paths, not about objects.)
_REVIEWS = "authorization.k8s.io"


class Account:
    """A service account with a Role of its own, and how to be it."""

    def __init__(
        self,
        server: KubernetesServer,
        namespace: str,
        folder: Path,
        rules: list[dict[str, Any]],
        *,
        token: str = "",
    ) -> None:
        """``token``: of an account that is there already."""
        self.server, self.namespace = server, namespace
        self.token = token or server.service_account(ACCOUNT, namespace, rules=rules)
        self._config = folder / f"{uuid.uuid4().hex}.json"
        server.kubeconfig(self._config, token=self.token, namespace=namespace)

    def words(self, name: str = "ticker") -> list[str]:
        """The first words of a command line of ours."""
        return ["--store", self.store, "--name", name, "--ttl", _TTL]

    @property
    def store(self) -> str:
        return f"kubernetes:?kubeconfig={self._config}"

    def lease(self, name: str = "ticker") -> dict[str, Any]:
        """The Lease, as the admin sees it; empty if there is none."""
        path = f"/apis/{_GROUP}/v1/namespaces/{self.namespace}/leases/{name}"
        answer = self.server.http("GET", path)
        return dict(answer.body) if answer.status == 200 else {}

    def asks(self, method: str, path: str = "", body: Any = None) -> int:
        """The status of what the API server answers it about Leases of its namespace."""
        leases = f"/apis/{_GROUP}/v1/namespaces/{self.namespace}/leases{path}"
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        return self.server.http(method, leases, body, token=self.token, content_type=kind).status


def token_of(leader: Sidecar) -> int:
    """Under which it leads, once it has said so: its job may be seen before."""
    found: list[str] = []

    def has_said_so() -> bool:
        found.extend(re.findall(r"leader: .* token=(\d+)", leader.log()))
        return bool(found)

    wait_for(has_said_so, "it to say that it leads")
    return int(found[0])


@pytest.fixture
def account(kubernetes: KubernetesServer, tmp_path: Path) -> Callable[..., Account]:
    """Make an account in a namespace of its own: ``account(rules)``."""

    def make(rules: list[dict[str, Any]]) -> Account:
        return Account(kubernetes, kubernetes.namespace(), tmp_path, rules)

    return make


def without(verb: str) -> list[dict[str, Any]]:
    """The shipped rules with one verb less."""
    lesser = [rule | {"verbs": [v for v in rule["verbs"] if v != verb]} for rule in RULES]
    return [rule for rule in lesser if rule["verbs"]]


def stands_by(sidecar: Sidecar) -> None:
    wait_for(lambda: "standing-by" in sidecar.log(), "it to stand by")


def kill_all(sidecar: Sidecar) -> None:
    """All at once, as their host's end would."""
    everyone = sidecar.everyone()
    kill_at_once(sidecar.everyone)
    wait_for(lambda: all(has_ended(process) for process in everyone), "them to be dead")


def test_with_the_shipped_role_one_leads_hands_over_and_is_taken_over_from(
    start: Callable[..., Sidecar], account: Callable[..., Account]
) -> None:
    words = account(RULES).words()
    first = start(*words, "--", "sleep", "600")
    wait_for(first.leads, "the first to lead")  # It has made the Lease itself.
    second = start(*words, "--", "sleep", "600")
    stands_by(second)
    assert not second.leads()

    first.process.terminate()

    wait_for(second.leads, "the second to lead after the first has stopped")
    assert first.wait() == 143
    third = start(*words, "--", "sleep", "600")
    stands_by(third)
    kill_all(second)
    wait_for(third.leads, "the third to lead after the second has vanished")
    tokens = [token_of(each) for each in (second, third)]
    assert tokens == sorted(set(tokens))
    for sidecar in (first, second, third):
        assert "refused" not in sidecar.log()


def granted(who: Account) -> set[tuple[str, str, str, tuple[str, ...]]]:
    """Group, resource, verb and names, as the API server sees it; less what everybody may."""
    spec = {"spec": {"namespace": who.namespace}}
    path = f"/apis/{_REVIEWS}/v1/selfsubjectrulesreviews"
    review = who.server.http("POST", path, spec, token=who.token).body["status"]
    return {
        (group, resource, verb, tuple(rule.get("resourceNames", ())))
        for rule in review["resourceRules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        if group != _REVIEWS
    }


def named(*verbs: str, name: str) -> set[tuple[str, str, str, tuple[str, ...]]]:
    return {(_GROUP, "leases", verb, (name,)) for verb in verbs}


CREATE = (_GROUP, "leases", "create", ())


def test_the_shipped_role_grants_nothing_else(account: Callable[..., Account]) -> None:
    who = account(RULES)

    assert granted(who) == named("get", "patch", "watch", name=ACCOUNT) | {CREATE}


def test_the_commands_on_the_page_grant_as_much_and_checks_less(
    start: Callable[..., Sidecar], kubernetes: KubernetesServer, tmp_path: Path
) -> None:
    namespace = kubernetes.namespace()
    section = PAGE.partition("\n## Kubernetes\n")[2].partition("\n## ")[0]
    lines = "".join(blocks(section, "sh")).splitlines()
    for line in lines:
        _, *words = shlex.split(line.replace("=default:", f"={namespace}:"))
        kubernetes.kubectl("-n", namespace, *words)
    elector, checker = (
        Account(kubernetes, namespace, tmp_path, [], token=kubernetes.token(name, namespace))
        for name in ("elector", "checker")
    )
    wanted = named("get", "patch", "watch", name="nightly") | {CREATE}
    wait_for(lambda: granted(elector) == wanted, "instances to have these rights and no others")
    wanted_by_checks = named("get", name="nightly")
    wait_for(lambda: granted(checker) == wanted_by_checks, "checks to have theirs and no others")

    leader = start(*elector.words("nightly"), "--", "sleep", "600")

    wait_for(leader.leads, "it to lead")
    token = str(token_of(leader))
    check = ["check", token, "--store", checker.store, "--name", "nightly"]
    assert coordsidecar(*check).status == 0


def test_another_lease_and_other_verbs_are_refused(account: Callable[..., Account]) -> None:
    who = account(RULES)
    ours, other = ({"metadata": {"name": name}} for name in ("ticker", "other"))
    assert who.asks("POST", body=ours) == 201
    assert who.asks("POST", body=other) == 201  # The one right that cannot be bound to a name.

    assert (who.asks("GET", "/ticker"), who.asks("PATCH", "/ticker", ours)) == (200, 200)
    assert (who.asks("GET", "/other"), who.asks("PATCH", "/other", other)) == (403, 403)
    assert (who.asks("GET"), who.asks("GET", "?watch=1")) == (403, 403)
    assert (who.asks("PUT", "/ticker", ours), who.asks("DELETE", "/ticker")) == (403, 403)
    assert who.asks("DELETE") == 403


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_less_is_named_and_the_command_that_grants_it_helps(
    start: Callable[..., Sidecar], account: Callable[..., Account], verb: str
) -> None:
    who = account(without(verb))
    instances = [start(*who.words(), "--", "sleep", "600")]
    wait_for(lambda: "lacks the verb" in instances[0].log(), "it to be refused")

    said = re.findall(r"lacks the verb '(\w+)'.*; to grant it: (kubectl .*), and", log(instances))

    assert {lacking for lacking, _ in said} == {verb}
    if verb in ("get", "patch", "create"):
        assert not instances[0].leads()
    does_not_begin = verb in (
        "get",
        "create",
    )  # Nothing is known of the election, or it is not there.
    if does_not_begin:
        assert instances[0].wait() == 125
    _, *words = shlex.split(said[0][1])
    who.server.kubectl(*words)
    role = words[words.index("role") + 1]
    bound = f"--serviceaccount={who.namespace}:{ACCOUNT}"
    who.server.kubectl("-n", who.namespace, "create", "rolebinding", role, f"--role={role}", bound)
    if does_not_begin:
        ours = {"metadata": {"name": "ticker"}}
        wait_for(
            lambda: (
                who.asks("GET", "/ticker") != 403
                and (verb == "get" or who.asks("POST", body=ours) != 403)
            ),
            "the right to be in force",
        )
        instances.append(start(*who.words(), "--", "sleep", "600"))
    wait_for(instances[-1].leads, "it to lead once it may")


def log(sidecars: list[Sidecar]) -> str:
    return "".join(each.log() for each in sidecars)


def test_a_lease_applied_again_does_not_disturb_its_leader(
    start: Callable[..., Sidecar], account: Callable[..., Account], tmp_path: Path
) -> None:
    shipped = render("overlays/production")
    who = account(one(shipped, "Role")["rules"])
    lease = one(shipped, "Lease")
    manifest = tmp_path / "lease.json"
    manifest.write_text(json.dumps(lease | {"metadata": {"name": "ticker"}}))
    apply = ("apply", "-n", who.namespace, "-f", str(manifest))
    who.server.kubectl(*apply)
    leader = start(*who.words(), "--", "sleep", "600")
    wait_for(leader.leads, "it to lead")
    assert "the job waits" not in leader.log(), (
        "the Lease was there, so there is nothing to wait for"
    )
    job, held = leader.job(), who.lease()["spec"]
    # So that something is written, and not only compared.
    manifest.write_text(json.dumps(lease | {"metadata": {"name": "ticker", "labels": {"a": "b"}}}))

    who.server.kubectl(*apply)

    renewed = ("renewTime", held["renewTime"])
    wait_for(lambda: renewed not in who.lease()["spec"].items(), "it to renew")
    after = who.lease()
    assert after["metadata"]["labels"] == {"a": "b"}
    assert after["spec"]["holderIdentity"] == held["holderIdentity"]
    assert after["spec"]["leaseTransitions"] == held["leaseTransitions"]
    assert job.is_running()
    assert job.status() != psutil.STATUS_ZOMBIE
    assert "lost" not in leader.log()
