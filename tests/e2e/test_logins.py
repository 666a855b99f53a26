"""A password that is no good any more: what we were started with ends us, a file is read again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.arena import Arena
from tests.e2e.sidecars import Sidecar, has_ended, wait_for
from tests.servers import ConsulServer, EtcdServer

_USER = "elector"
_PASSWORD = "hunter2"
_LOGIN = {"ETCDCTL_USER": _USER, "ETCDCTL_PASSWORD": _PASSWORD}


@pytest.fixture(params=["etcd", "etcd+grpc"])
def etcd_arena(
    request: pytest.FixtureRequest,
    etcd_server: Callable[..., EtcdServer],
    arena_of: Callable[[str], Arena],
) -> Arena:
    """An arena whose etcd lets in `_USER`, with `_PASSWORD`."""
    arena: Arena = arena_of(request.param)
    # Each log-in costs a second where two processors have much else to do, by default.
    arena.server = server = etcd_server(auth=True, extra_args=["--bcrypt-cost=4"])
    server.etcdctl("user", "add", f"{_USER}:{_PASSWORD}")
    server.etcdctl("user", "grant-role", _USER, "root")
    return arena


def test_a_password_that_is_changed_ends_us_once_the_job_is_stopped(etcd_arena: Arena) -> None:
    arena, server = etcd_arena, etcd_arena.server
    assert isinstance(server, EtcdServer)
    leader = arena.start(env=_LOGIN)
    arena.stamps.wait_for_stints(1)
    standby = arena.start(env=_LOGIN)
    wait_for(lambda: "standing-by" in standby.log(), "the second instance to stand by")
    job = leader.job()

    server.etcdctl("user", "delete", _USER)
    server.etcdctl("user", "add", f"{_USER}:another")

    assert standby.wait() == 125
    assert leader.wait() == 125
    assert has_ended(job)
    for sidecar in (leader, standby):
        _assert_explained(sidecar, f"wrong password for user {_USER!r}")
    arena.stamps.assert_never_two()


def test_a_token_that_is_deleted_ends_us_once_the_job_is_stopped(consul_arena: Arena) -> None:
    accessor, secret = _new_token(consul_arena)
    leader = consul_arena.start(env={"CONSUL_HTTP_TOKEN": secret})
    consul_arena.stamps.wait_for_stints(1)
    job = leader.job()

    _delete_token(consul_arena, accessor)

    assert leader.wait() == 125
    assert has_ended(job)
    _assert_explained(leader, "does not know the token in CONSUL_HTTP_TOKEN")
    assert secret not in leader.log()


def test_a_token_in_a_file_may_be_another_tomorrow(consul_arena: Arena, tmp_path: Path) -> None:
    accessor, secret = _new_token(consul_arena)
    file = tmp_path / "token"
    file.write_text(secret)
    leader = consul_arena.start(env={"CONSUL_HTTP_TOKEN_FILE": str(file)})
    consul_arena.stamps.wait_for_stints(1)
    job = leader.job()
    _delete_token(consul_arena, accessor)
    wait_for(lambda: has_ended(job), "the job to be stopped")
    assert leader.process.poll() is None

    file.write_text(_new_token(consul_arena)[1])

    consul_arena.stamps.wait_for_stints(2)
    consul_arena.stamps.assert_never_two()


def test_rights_that_are_taken_away_may_be_given_back(consul_arena: Arena) -> None:
    """It is our right that is gone then, not our key, and that is what the log says."""
    server = consul_arena.server
    assert isinstance(server, ConsulServer)
    sessions = 'session_prefix "" { policy = "write" }'
    all_rights = f'{sessions} key_prefix "{consul_arena.election.prefix}/" {{ policy = "write" }}'
    policy = server.new_policy("elector", all_rights)
    secret = server.new_token("elector")
    leader = consul_arena.start(env={"CONSUL_HTTP_TOKEN": secret})
    consul_arena.stamps.wait_for_stints(1)
    job = leader.job()

    server.change_policy(policy, "elector", sessions)

    wait_for(lambda: has_ended(job), "the job to be stopped")
    assert leader.process.poll() is None
    assert "the token needs key_prefix:" in leader.log()
    assert "deleted" not in leader.log()
    assert "{" not in leader.log()
    server.change_policy(policy, "elector", all_rights)
    consul_arena.stamps.wait_for_stints(2)
    consul_arena.stamps.assert_never_two()


@pytest.fixture
def consul_arena(
    consul_server: Callable[..., ConsulServer], arena_of: Callable[[str], Arena]
) -> Arena:
    """An arena whose Consul lets in nobody without a token."""
    arena: Arena = arena_of("consul")
    arena.server = consul_server(acl=True, session_ttl_min="1s")
    return arena


def _new_token(arena: Arena) -> tuple[str, str]:
    """The accessor and the secret of a token that may do everything."""
    assert isinstance(arena.server, ConsulServer)
    body = {"Policies": [{"Name": "global-management"}]}
    made = json.loads(arena.server.http("PUT", "/v1/acl/token", body).body)
    return made["AccessorID"], made["SecretID"]


def _delete_token(arena: Arena, accessor: str) -> None:
    assert isinstance(arena.server, ConsulServer)
    assert arena.server.http("DELETE", f"/v1/acl/token/{accessor}").status == 200


def _assert_explained(sidecar: Sidecar, what: str) -> None:
    """It says why it ends; there is no traceback, and no secret."""
    (why,) = [line for line in sidecar.log().splitlines() if " failed: " in line]
    assert what in why
    assert "Traceback" not in sidecar.log()
    assert _PASSWORD not in sidecar.log()
