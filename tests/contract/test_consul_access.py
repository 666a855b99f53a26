"""How we log in to Consul, what a token may do, and what is refused with which remedy."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coordsidecar.store.protocol import (
    Election,
    Held,
    LoginRefusedError,
    Office,
    RefusedError,
)
from coordsidecar_adapters.consul.client import ConsulClient
from coordsidecar_adapters.consul.keys import ElectionKeys
from coordsidecar_adapters.consul.settings import ConsulSettings
from coordsidecar_adapters.consul.state import Lock, State
from coordsidecar_adapters.consul.store import connect
from tests.contract.candidate import CALL_S, Candidate
from tests.contract.conftest import CandidateFactory
from tests.servers import ConsulServer

_WRONG_TOKEN = "00000000-dead-beef-0000-000000000000"


def _new_token(server: ConsulServer, rules: str, name: str) -> dict[str, Any]:
    policy = server.http("PUT", "/v1/acl/policy", {"Name": name, "Rules": rules})
    assert policy.status == 200, policy
    token = server.http("PUT", "/v1/acl/token", {"Policies": [{"Name": name}]})
    assert token.status == 200, token
    made = token.json()
    assert isinstance(made, dict)
    return made


def test_a_refusal_names_the_permission_and_not_the_token(
    consul_server: Callable[..., ConsulServer], election: Election
) -> None:
    server = consul_server(acl=True)
    url = f"consul://{server.endpoint}"
    sessions_only = _new_token(server, 'session_prefix "" { policy = "write" }', "sessions")
    denied = connect(url, election=election, environ={})
    keyless = connect(
        url, election=election, environ={"CONSUL_HTTP_TOKEN": sessions_only["SecretID"]}
    )

    with pytest.raises(RefusedError) as no_session:
        denied.open(ttl_s=15.0, takeover_delay_s=15.0, record="{}", timeout_s=CALL_S)
    session = keyless.open(ttl_s=15.0, takeover_delay_s=15.0, record="{}", timeout_s=CALL_S)
    with pytest.raises(RefusedError) as no_key:
        keyless.campaign(session, record="{}", timeout_s=CALL_S)

    assert "session:write" in str(no_session.value)
    assert f"key_prefix:read on {election.prefix}/" in str(no_key.value)
    assert sessions_only["SecretID"] not in str(no_key.value)


def test_keys_that_may_not_be_read_are_not_taken_for_missing(
    consul_server: Callable[..., ConsulServer], election: Election, stand: CandidateFactory
) -> None:
    """Consul leaves them out of a list, as if they were not there."""
    server = consul_server(acl=True)
    url = f"consul://{server.endpoint}"
    root = {"CONSUL_HTTP_TOKEN": str(server.master_token)}
    stand(connect(url, election=election, environ=root)).leads()
    sessions = 'session_prefix "" { policy = "write" }'
    policies = {
        "none": sessions,
        "no-office": f'{sessions} key "{election.prefix}/.lock" {{ policy = "write" }}',
        "no-lock": f'{sessions} key "{election.prefix}/.office" {{ policy = "write" }}',
    }

    for name, rules in policies.items():
        server.new_policy(name, rules)
        environ = {"CONSUL_HTTP_TOKEN": server.new_token(name)}
        candidate = stand(connect(url, election=election, environ=environ))

        for call in (candidate.standing, candidate.campaign, candidate.renews_and_looks):
            with pytest.raises(RefusedError, match="key_prefix:read"):
                call()
        with pytest.raises(RefusedError, match="key_prefix:read"):
            candidate.store.leader(timeout_s=CALL_S)


def test_what_a_transaction_may_not_read_is_not_taken_for_missing(
    consul_server: Callable[..., ConsulServer], election: Election, stand: CandidateFactory
) -> None:
    """Else a record of a sudden end would be taken for none, and so for an orderly one."""
    server = consul_server(acl=True)
    url = f"consul://{server.endpoint}"
    root = {"CONSUL_HTTP_TOKEN": str(server.master_token)}
    first = stand(connect(url, election=election, environ=root))
    first.leads()
    first.close()
    lock_only = f'key "{election.prefix}/.lock" {{ policy = "write" }}'
    server.new_policy("lock-only", f'session_prefix "" {{ policy = "write" }} {lock_only}')
    environ = {"CONSUL_HTTP_TOKEN": server.new_token("lock-only")}
    second = stand(connect(url, election=election, environ=environ))
    keys = ElectionKeys(
        ConsulClient(ConsulSettings.read(url, environ), tls=None), election=election
    )
    free = State(lock=Lock("", 1, ""), office=Office(), office_index=0)

    with pytest.raises(RefusedError, match="key_prefix:read"):
        _acquired(keys, second, free)


def _acquired(keys: ElectionKeys, candidate: Candidate, state: State) -> None:
    """Acquire the lock once Consul's own lock-delay is over."""
    deadline_s = time.monotonic() + CALL_S
    while "lock delay" in keys.acquire(candidate.session, "{}", state, deadline_s, run="")[0]:
        pass


def test_who_may_read_and_not_write_is_told_so_in_words(
    consul_server: Callable[..., ConsulServer], election: Election, stand: CandidateFactory
) -> None:
    server = consul_server(acl=True)
    rules = (
        f'key_prefix "{election.prefix}/" {{ policy = "read" }} '
        'session_prefix "" { policy = "write" }'
    )
    server.new_policy("reader", rules)
    environ = {"CONSUL_HTTP_TOKEN": server.new_token("reader")}
    reader = stand(connect(f"consul://{server.endpoint}", election=election, environ=environ))

    with pytest.raises(RefusedError) as refused:
        reader.campaign()

    assert f"key_prefix:write on {election.prefix}/" in str(refused.value)
    assert "{" not in str(refused.value)


def test_write_permission_on_the_prefix_and_on_sessions_is_enough(
    consul_server: Callable[..., ConsulServer], election: Election, stand: CandidateFactory
) -> None:
    server = consul_server(acl=True)
    rules = (
        f'key_prefix "{election.prefix}/" {{ policy = "write" }} '
        'session_prefix "" { policy = "write" }'
    )
    token = _new_token(server, rules, "leader")["SecretID"]
    url = f"consul://{server.endpoint}"
    leader = stand(connect(url, election=election, environ={"CONSUL_HTTP_TOKEN": token}))

    leader.resign(leader.leads())

    assert leader.wins().clean


def test_a_token_that_is_rotated_in_its_file_is_read_again(
    consul_server: Callable[..., ConsulServer],
    election: Election,
    stand: CandidateFactory,
    tmp_path: Path,
) -> None:
    server = consul_server(acl=True)
    assert server.master_token is not None
    rules = 'key_prefix "" { policy = "write" } session_prefix "" { policy = "write" }'
    old = _new_token(server, rules, "old")
    token_file = tmp_path / "token"
    token_file.write_text(old["SecretID"] + "\n")
    environ = {"CONSUL_HTTP_TOKEN_FILE": str(token_file), "CONSUL_HTTP_TOKEN": _WRONG_TOKEN}
    leader = stand(connect(f"consul://{server.endpoint}", election=election, environ=environ))
    token = leader.leads()
    server.http("PUT", f"/v1/acl/token/{old['AccessorID']}", None)
    assert server.http("DELETE", f"/v1/acl/token/{old['AccessorID']}").status == 200
    with pytest.raises(RefusedError, match="CONSUL_HTTP_TOKEN_FILE") as refused:
        leader.renew()
    assert not isinstance(refused.value, LoginRefusedError)  # There may be another one tomorrow.

    token_file.write_text(server.master_token)

    assert leader.renew() > 0
    standing = leader.standing()
    assert isinstance(standing, Held)
    assert standing.token == token


def test_only_the_environment_given_counts(
    consul_server: Callable[..., ConsulServer],
    election: Election,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = consul_server(acl=True)
    assert server.master_token is not None
    for name, value in {
        "CONSUL_HTTP_TOKEN": _WRONG_TOKEN,
        "CONSUL_HTTP_ADDR": "127.0.0.1:1",
        "CONSUL_HTTP_SSL": "true",
        "http_proxy": "http://127.0.0.1:1",
    }.items():
        monkeypatch.setenv(name, value)
    environ = {"CONSUL_HTTP_ADDR": server.url, "CONSUL_HTTP_TOKEN": server.master_token}

    store = connect("consul://", election=election, environ=environ)

    session = store.open(ttl_s=15.0, takeover_delay_s=15.0, record="{}", timeout_s=CALL_S)
    assert isinstance(store.campaign(session, record="{}", timeout_s=CALL_S), Held)
