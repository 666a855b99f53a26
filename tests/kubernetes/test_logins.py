"""A token as a pod has it in a file: replaced by another, or no good any more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from coordsidecar.store.protocol import Election
from tests.e2e.arena import Arena
from tests.e2e.sidecars import has_ended, wait_for
from tests.servers import KubernetesServer
from tests.servers.leases import OperatedLease

_VERBS = ["get", "create", "patch", "watch"]
_RULE = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": _VERBS}
_RBAC = "/apis/rbac.authorization.k8s.io/v1"


class Account:
    """A service account that may elect, and the file in which its token is found."""

    def __init__(self, server: KubernetesServer, election: Election, folder: Path) -> None:
        self._server = server
        self._namespace = election.namespace
        self._name = f"elector-{election.name}"
        self._folder = folder
        self.file = folder / "token"
        token = server.service_account(self._name, self._namespace, rules=[_RULE])
        self.put(token)

    def put(self, token: str) -> None:
        """Replace the token in the file, as kubelet does: at once."""
        new = self.file.with_suffix(".new")
        new.write_text(token + "\n")
        new.rename(self.file)

    def store(self, *, in_file: bool = True) -> list[str]:
        """The options for a store by a kubeconfig that names the file, or has the token itself."""
        config = self._folder / "kubeconfig.json"
        self._server.kubeconfig(config)
        parsed = json.loads(config.read_text())
        token = self.file.read_text().strip()
        user: dict[str, Any] = {"tokenFile": str(self.file)} if in_file else {"token": token}
        parsed["users"][0]["user"] = user
        config.write_text(json.dumps(parsed))
        return ["--store", f"kubernetes:?kubeconfig={config}"]

    def bound_token(self, secret: str) -> str:
        """A token that is good for as long as this secret exists, which is made."""
        of_namespace = f"/api/v1/namespaces/{self._namespace}"
        name = f"{secret}-{self._name}"
        self._server.create(f"{of_namespace}/secrets", {"metadata": {"name": name}})
        bound_to = {"kind": "Secret", "apiVersion": "v1", "name": name}
        spec = {"boundObjectRef": bound_to, "expirationSeconds": 3600}
        path = f"{of_namespace}/serviceaccounts/{self._name}/token"
        return str(self._server.create(path, {"spec": spec})["status"]["token"])

    def forget(self, secret: str) -> None:
        """Let the token that is bound to this secret be no good.

        The server believes for ten seconds what it has found out about a token.
        """
        self._delete("secrets", f"{secret}-{self._name}")

    def delete(self) -> None:
        self._delete("serviceaccounts", self._name)

    def create(self) -> None:
        """Make it again, and put its token into the file: its roles have been kept."""
        path = f"/api/v1/namespaces/{self._namespace}/serviceaccounts"
        self._server.create(path, {"metadata": {"name": self._name}})
        self.put(self._server.token(self._name, self._namespace))

    def knows(self, token: str) -> bool:
        lease = f"/apis/coordination.k8s.io/v1/namespaces/{self._namespace}/leases/none"
        return self._server.http("GET", lease, token=token).status != 401

    def unbind(self) -> None:
        """Take its rights away."""
        self._delete("rolebindings", self._name, api=f"{_RBAC}/namespaces")

    def bind(self) -> None:
        """Give them back."""
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": self._name}
        who = {"kind": "ServiceAccount", "name": self._name, "namespace": self._namespace}
        binding = {"metadata": {"name": self._name}, "roleRef": role, "subjects": [who]}
        self._server.create(f"{_RBAC}/namespaces/{self._namespace}/rolebindings", binding)

    def _delete(self, what: str, name: str, *, api: str = "/api/v1/namespaces") -> None:
        done = self._server.http("DELETE", f"{api}/{self._namespace}/{what}/{name}")
        assert done.status == 200, done


@pytest.fixture
def account(
    arena: Arena, kubernetes: KubernetesServer, election: Election, tmp_path: Path
) -> Account:
    return Account(kubernetes, election, tmp_path)


def test_a_token_that_is_replaced_in_its_file_disturbs_nobody(
    arena: Arena, account: Account, lease: OperatedLease
) -> None:
    """The one before is refused at once: nobody may count on that it is good for a while."""
    first, second = account.bound_token("first"), account.bound_token("second")
    account.put(first)
    arena.ttl = "6s"
    leader = arena.start(*account.store())
    arena.stamps.wait_for_stints(1)
    job = leader.job()

    account.put(second)
    account.forget("first")

    wait_for(lambda: not account.knows(first), "the first token to be refused")
    for _ in range(3):
        then = lease.spec()["renewTime"]
        wait_for(lambda was=then: lease.spec()["renewTime"] != was, "a renewal")  # type: ignore[misc]
    assert leader.job() == job
    assert "lost" not in leader.log()
    assert len(arena.stamps.stints()) == 1


def test_a_leader_whose_account_is_deleted_steps_down_and_says_why(
    arena: Arena, account: Account
) -> None:
    leader = arena.start(*account.store())
    arena.stamps.wait_for_stints(1)
    job = leader.job()
    token = account.file.read_text().strip()

    account.delete()

    wait_for(lambda: has_ended(job), "the job to be stopped")
    assert leader.process.poll() is None
    assert "does not know who we are" in leader.log()
    assert token not in leader.log()
    account.create()
    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()


def test_a_token_that_stands_in_the_kubeconfig_and_is_refused_is_tried_again(
    arena: Arena, account: Account
) -> None:
    """Nobody can put another in its place; but an API server says so, too, while what it asks about
    tokens is away, and if that ended all instances, nobody would be left."""
    leader = arena.start(*account.store(in_file=False))
    arena.stamps.wait_for_stints(1)
    job = leader.job()

    account.delete()

    wait_for(lambda: has_ended(job), "the job to be stopped")
    assert leader.process.poll() is None
    assert "does not know who we are" in leader.log()
    assert "Traceback" not in leader.log()


def test_rights_that_are_taken_away_may_be_given_back(arena: Arena, account: Account) -> None:
    leader = arena.start(*account.store())
    arena.stamps.wait_for_stints(1)
    job = leader.job()

    account.unbind()

    wait_for(lambda: has_ended(job), "the job to be stopped")
    assert leader.process.poll() is None
    assert "coordination.k8s.io" in leader.log()
    account.bind()
    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()
