"""Consul, examined, with real policies: each right that is missing is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.test_rights import CONSUL_INSTANCE, CONSUL_INSTANCE_LESS, CONSUL_ROSTER
from tests.doctor.examined import Report, doctor
from tests.servers import ConsulServer, Pki
from tests.servers.process import free_ports

Servers = Callable[..., ConsulServer]

_KEYS = 'key_prefix "default/nightly/" { policy = "write" }'
# In the order of `CONSUL_INSTANCE_LESS`: each rule left out, then with less granted by it.
_MISSING = [
    ("rights", "the right to read and to write is missing"),
    ("rights", "the right to write is missing"),
    ("session", "session:write"),
    ("session", "session:write"),
]


def by_rules(server: ConsulServer, rules: list[str], name: str = "nightly") -> Report:
    """What is found with a token that may do what these rules say."""
    text = "\n".join(rules).replace("consul1", server.node_name)
    policy = f"rules-{abs(hash(text))}"
    server.new_policy(policy, text)
    environ = {"CONSUL_HTTP_TOKEN": server.new_token(policy)}
    return doctor("--store", f"consul://{server.endpoint}", "--name", name, environ=environ)


def test_the_least_rights_are_enough_and_nothing_is_written(consul_server: Servers) -> None:
    server = consul_server(acl=True)

    report = by_rules(server, [*CONSUL_INSTANCE, *CONSUL_ROSTER])

    assert report.not_ok() == set()
    assert report.status == 0
    assert report.of("rights", _KEYS).subject == _KEYS
    assert report.of("session").said == "granted, renewed and closed again (15s)"
    assert report.of("clock").state == "ok"
    assert server.http("GET", "/v1/kv/?recurse").status == 404
    assert server.http("GET", "/v1/session/list").json() == []


def test_whoever_cannot_say_what_it_does_is_told_so_and_may_lead(consul_server: Servers) -> None:
    report = by_rules(consul_server(acl=True), CONSUL_INSTANCE)

    assert report.not_ok() == {("warn", "rights")}
    assert report.status == 0
    lacking = report.of("rights", CONSUL_ROSTER[0])
    assert (lacking.state, lacking.said) == ("warn", "the right to write is missing")
    assert CONSUL_ROSTER[0] in lacking.remedy


def test_keys_that_are_there_are_left_as_they_are(consul_server: Servers) -> None:
    server = consul_server(acl=True)
    for key in (".lock", ".office"):
        server.http("PUT", f"/v1/kv/default/nightly/{key}", "something")
    before = server.http("GET", "/v1/kv/?recurse").json()

    report = by_rules(server, CONSUL_INSTANCE)

    assert report.of("rights", _KEYS).state == "ok"
    assert server.http("GET", "/v1/kv/?recurse").json() == before


def test_each_right_that_is_missing_is_named_with_the_rule_that_grants_it(
    consul_server: Servers,
) -> None:
    server = consul_server(acl=True)

    for rules, (check, said) in zip(CONSUL_INSTANCE_LESS, _MISSING, strict=True):
        report = by_rules(server, rules)

        (found,) = (
            c for c in report.checks if c.check in ("rights", "session") and c.state == "fail"
        )
        assert (found.check, found.state, report.status) == (check, "fail", 1)
        assert said in found.said
        assert (_KEYS if check == "rights" else 'session "NODE') in found.remedy


def test_to_list_is_part_of_what_is_read(consul_server: Servers) -> None:
    server = consul_server(acl=True, key_list_policy=True)
    no_list = [CONSUL_INSTANCE[1]]
    no_list += [
        f'key "default/nightly/{key}" {{ policy = "write" }}' for key in (".lock", ".office")
    ]

    report = by_rules(server, no_list)

    assert by_rules(server, CONSUL_INSTANCE).of("rights", _KEYS).state == "ok"
    assert report.of("rights", _KEYS).said == "the right to read is missing"


def test_one_key_of_the_two_is_not_enough(consul_server: Servers) -> None:
    server = consul_server(acl=True)
    rules = ['key "default/nightly/.office" { policy = "read" }', *CONSUL_INSTANCE]

    report = by_rules(server, rules)

    assert report.of("rights", _KEYS).said == "the right to write is missing"


def test_a_token_that_is_not_known_is_told_from_a_right_that_is_missing(
    consul_server: Servers,
) -> None:
    server = consul_server(acl=True)
    environ = {"CONSUL_HTTP_TOKEN": "00000000-dead-beef-0000-000000000000"}

    report = doctor("--store", f"consul://{server.endpoint}", "--name", "x", environ=environ)

    assert (report.status, report.of("log-in").state) == (1, "fail")
    assert "does not know the token in CONSUL_HTTP_TOKEN" in report.of("log-in").said
    assert "dead-beef" not in str(report)


def test_a_ttl_below_the_servers_least_is_a_warning_and_one_agent_down_is_another(
    consul: ConsulServer,
) -> None:
    (nobody,) = free_ports(1)
    url = f"consul://127.0.0.1:{nobody},{consul.endpoint}"

    report = doctor("--store", url, "--name", "x", "--ttl", "5s")

    assert report.status == 0
    assert report.not_ok() >= {("warn", "session"), ("warn", "reachable")}
    assert report.of("session").said == "the store grants no less than 10s"
    sessions = consul.http("GET", "/v1/session/list").json()
    assert "coordsidecar default/x" not in {session["Name"] for session in sessions}


@pytest.mark.parametrize(
    ("verify", "state", "said"),
    [("true", "fail", "does not verify"), ("false", "warn", "is not verified")],
)
def test_a_certificate_of_strangers_fails_unless_nobody_looks(
    verify: str, state: str, said: str, consul_server: Servers, tmp_path: Path
) -> None:
    server = consul_server(tls=True)
    other = Pki(tmp_path / "other")
    environ = {"CONSUL_CACERT": str(other.ca_cert), "CONSUL_HTTP_SSL_VERIFY": verify}

    report = doctor("--store", f"consuls://{server.endpoint}", "--name", "x", environ=environ)

    assert report.of("tls").state == state
    assert said in report.of("tls").said
    assert report.status == (state == "fail")
