"""The rights that the page about stores tells to grant are enough, and not one of them too many."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from coordsidecar.store import registry
from coordsidecar.store.protocol import Behind, Election, Held, RefusedError, Store
from tests.contract.candidate import CALL_S, LONG_TTL_S, Candidate, stand_for
from tests.contract.etcd_dial import Dialer, on_both_transports
from tests.contract.harness import adapter
from tests.servers import ConsulServer, EtcdServer

PAGE = (Path(__file__).parents[2] / "docs/stores.md").read_text()
ELECTION = Election(namespace="default", name="nightly")
NEIGHBOUR = Election(namespace="default", name="nightly2")
_PASSWORD = "a-secret"
_QUIET_S = 0.5
# Each of many commands logs in.
_QUICK_PASSWORDS = ["--bcrypt-cost=4"]


def _blocks(heading: str, language: str) -> list[str]:
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


ETCD_INSTANCE, ETCD_ROSTER, ETCD_CHECK = (block.splitlines() for block in _blocks("etcd", "sh"))
CONSUL_INSTANCE, CONSUL_ROSTER, CONSUL_CHECK = (
    block.splitlines() for block in _blocks("Consul", "hcl")
)


def one_right_less(lines: list[str], lesser: dict[str, list[str]]) -> Iterator[list[str]]:
    """The same without one of the lines that grant something, or with less granted by it."""
    for number, line in enumerate(lines):
        rights = [right for right in lesser if right in line]
        if not rights:
            continue
        yield lines[:number] + lines[number + 1 :]
        for less in lesser[rights[0]]:
            yield [*lines[:number], line.replace(rights[0], less), *lines[number + 1 :]]


_ETCD_LESSER = {" readwrite ": [" read ", " write "], " read ": []}
_CONSUL_LESSER = {'"write"': ['"read"'], '"read"': []}
ETCD_INSTANCE_LESS = list(one_right_less(ETCD_INSTANCE, _ETCD_LESSER))
ETCD_CHECK_LESS = list(one_right_less(ETCD_CHECK, _ETCD_LESSER))
CONSUL_INSTANCE_LESS = list(one_right_less(CONSUL_INSTANCE, _CONSUL_LESSER))
CONSUL_CHECK_LESS = list(one_right_less(CONSUL_CHECK, _CONSUL_LESSER))


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What it holds ends with the test."""
    with ExitStack() as stack:
        yield stack


def test_no_right_on_the_page_is_overlooked_here() -> None:
    counts = [len(less) for less in (ETCD_INSTANCE_LESS, ETCD_CHECK_LESS)]
    counts += [len(less) for less in (CONSUL_INSTANCE_LESS, CONSUL_CHECK_LESS)]

    assert counts == [6, 2, 4, 1]


# ── etcd ───────────────────────────────────────────────────────────────────────────────────────


@on_both_transports
def test_what_etcd_grants_to_instances_is_enough(
    dial: Dialer, etcd_server: Callable[..., EtcdServer]
) -> None:
    server = etcd_server(auth=True, extra_args=_QUICK_PASSWORDS)
    environ = etcd_login(server, ETCD_INSTANCE, 0)

    _a_whole_life(dial(server.endpoint, ELECTION, env=environ))


def test_what_etcd_grants_to_instances_is_the_least(
    etcd_server: Callable[..., EtcdServer], stack: ExitStack
) -> None:
    server = etcd_server(auth=True, extra_args=_QUICK_PASSWORDS)

    neighbour = _etcd(server, etcd_login(server, ETCD_INSTANCE, 0), NEIGHBOUR)
    with pytest.raises(RefusedError, match="permission denied"):
        _stand(stack, neighbour).campaign()
    for number, less in enumerate(ETCD_INSTANCE_LESS, start=1):
        server.etcdctl("del", "--prefix", "default/")
        store = _etcd(server, etcd_login(server, less, number))
        with pytest.raises(RefusedError, match=r"docs/stores\.md"):
            _a_whole_life(store)


def test_what_etcd_grants_to_checks_is_enough_and_the_least(
    etcd_server: Callable[..., EtcdServer], stack: ExitStack
) -> None:
    server = etcd_server(auth=True, extra_args=_QUICK_PASSWORDS)
    root = {"ETCDCTL_USER": server.user, "ETCDCTL_PASSWORD": server.password}
    checker = _etcd(server, etcd_login(server, ETCD_CHECK, 0))

    token = _stand(stack, _etcd(server, root)).leads()

    leader = checker.leader(timeout_s=CALL_S)

    assert leader is not None
    assert leader.token == token
    for number, less in enumerate(ETCD_CHECK_LESS, start=1):
        store = _etcd(server, etcd_login(server, less, number))
        with pytest.raises(RefusedError, match="permission denied"):
            store.leader(timeout_s=CALL_S)


def _etcd(server: EtcdServer, environ: dict[str, str], election: Election = ELECTION) -> Store:
    return adapter("etcd.gateway")(f"etcd://{server.endpoint}", election=election, environ=environ)


def etcd_login(server: EtcdServer, commands: list[str], number: int) -> dict[str, str]:
    """Do as the page says, for a user of its own."""
    user = ""
    for command in commands:
        words = shlex.split(re.sub(r"\b(elector|checker)\b", rf"\g<1>{number}", command))
        if words[:3] == ["etcdctl", "user", "add"]:
            user = words[3]
            words[3] = f"{user}:{_PASSWORD}"  # It would ask for it.
        server.etcdctl(*words[1:])
    return {"ETCDCTL_USER": user, "ETCDCTL_PASSWORD": _PASSWORD}


def test_what_etcd_grants_besides_is_what_it_takes_to_say_what_one_does(
    etcd_server: Callable[..., EtcdServer], stack: ExitStack
) -> None:
    server = etcd_server(auth=True, extra_args=_QUICK_PASSWORDS)
    url = f"etcd://{server.endpoint}"
    less, reads = ETCD_INSTANCE, ETCD_ROSTER[0].replace("readwrite", "read")
    enough, watcher = [*less, *ETCD_ROSTER], [*ETCD_CHECK, reads.replace("elector", "checker")]
    store = _etcd(server, environ := etcd_login(server, enough, 0))
    ours = _stand(stack, store)
    ours.leads()

    _says_what_it_does(url, ours, environ)

    assert _shows(url, etcd_login(server, watcher, 1)) == json.loads(ours.record) | _SAID
    assert _shows(url, etcd_login(server, ETCD_CHECK, 2)) == json.loads(ours.record)
    with pytest.raises(RefusedError, match="permission denied"):
        _says_what_it_does(url, ours, etcd_login(server, less, 3))
    assert isinstance(ours.renews_and_looks(), Held)


# ── Consul ─────────────────────────────────────────────────────────────────────────────────────


def test_what_consul_grants_to_instances_is_enough_and_the_least(
    consul_server: Callable[..., ConsulServer], stack: ExitStack
) -> None:
    server = consul_server(acl=True)

    _a_whole_life(_consul(server, CONSUL_INSTANCE, 0))
    neighbour = _consul(server, CONSUL_INSTANCE, 9, NEIGHBOUR)
    with pytest.raises(RefusedError, match="key_prefix:read"):
        _stand(stack, neighbour).campaign()
    for number, less in enumerate(CONSUL_INSTANCE_LESS, start=1):
        server.consul("kv", "delete", "-recurse", "default/")
        with pytest.raises(RefusedError, match="the token needs"):
            _a_whole_life(_consul(server, less, number))


@pytest.mark.parametrize("lists_are_apart", [False, True])
def test_what_consul_grants_to_checks_is_enough_and_the_least(
    consul_server: Callable[..., ConsulServer], stack: ExitStack, lists_are_apart: bool
) -> None:
    server = consul_server(acl=True, key_list_policy=lists_are_apart)
    rules = CONSUL_CHECK
    if lists_are_apart:
        (listing,) = re.findall(r"that has to be `(.*?)`", PAGE)
        rules = [rule.replace('policy = "read"', listing) for rule in rules]
    lesser = [*CONSUL_CHECK_LESS, *([CONSUL_CHECK] if lists_are_apart else [])]
    root = adapter("consul.store")(
        f"consul://{server.endpoint}",
        election=ELECTION,
        environ={"CONSUL_HTTP_TOKEN": str(server.master_token)},
    )

    token = _stand(stack, root).leads()

    leader = _consul(server, rules, 0).leader(timeout_s=CALL_S)

    assert leader is not None
    assert leader.token == token
    for number, less in enumerate(lesser, start=1):
        with pytest.raises(RefusedError, match="key_prefix:read"):
            _consul(server, less, number).leader(timeout_s=CALL_S)


def test_what_consul_grants_besides_is_what_it_takes_to_say_what_one_does(
    consul_server: Callable[..., ConsulServer], stack: ExitStack
) -> None:
    server = consul_server(acl=True)
    url = f"consul://{server.endpoint}"
    reads = [CONSUL_ROSTER[0].replace("write", "read")]
    environ = _consul_token(server, [*CONSUL_INSTANCE, *CONSUL_ROSTER], 0)
    store = adapter("consul.store")(url, election=ELECTION, environ=environ)
    ours = _stand(stack, store)
    ours.leads()

    _says_what_it_does(url, ours, environ)

    assert (
        _shows(url, _consul_token(server, [*CONSUL_CHECK, *reads], 1))
        == json.loads(ours.record) | _SAID
    )
    assert _shows(url, _consul_token(server, CONSUL_CHECK, 2)) == json.loads(ours.record)
    for number, less in enumerate((CONSUL_INSTANCE, [*CONSUL_INSTANCE, *reads]), start=3):
        with pytest.raises(RefusedError, match="the token needs key_prefix:write"):
            _says_what_it_does(url, ours, _consul_token(server, less, number))
    assert isinstance(ours.renews_and_looks(), Held)


def _consul(
    server: ConsulServer, rules: list[str], number: int, election: Election = ELECTION
) -> Store:
    """A store that may do what these rules say."""
    environ = _consul_token(server, rules, number)
    url = f"consul://{server.endpoint}"
    return adapter("consul.store")(url, election=election, environ=environ)


def _consul_token(server: ConsulServer, rules: list[str], number: int) -> dict[str, str]:
    text = "\n".join(rules).replace("consul1", server.node_name)
    server.new_policy(f"rules-{number}", text)
    return {"CONSUL_HTTP_TOKEN": server.new_token(f"rules-{number}")}


# ── what an instance does ──────────────────────────────────────────────────────────────────────


def _a_whole_life(store: Store) -> None:
    """All that an instance ever asks of its store, as the one that leads and as the one behind."""
    with ExitStack() as stack:
        first, second = _stand(stack, store), _stand(stack, store)
        assert store.leader(timeout_s=CALL_S) is None
        held = first.wins(run="first")
        token = first.take_office(held.token, run="first")
        assert token == held.token
        behind = second.campaign(run="second")
        assert isinstance(behind, Behind)
        assert isinstance(first.renews_and_looks(), Held)
        assert isinstance(second.renews_and_looks(), Behind)
        first.watch(held, timeout_s=_QUIET_S)
        first.resign(token)
        assert second.watch(behind)
        held = second.wins(run="second")
        token = held.token if held.in_office else second.take_office(held.token, run="second")
        assert isinstance(second.renews_and_looks(), Held)
        second.resign(token)
        first.close()
        second.close()


_SAID = {"job": {"state": "running"}}


def _says_what_it_does(url: str, ours: Candidate, environ: dict[str, str]) -> None:
    told = registry.roster(url, election=ELECTION, node_id="a", environ=environ)
    assert told is not None
    told.tell(ours.session, json.dumps(_SAID), timeout_s=CALL_S)


def _shows(url: str, environ: dict[str, str]) -> dict[str, object]:
    """What one is shown of the leader who asks with these rights."""
    directory = registry.directory(url, namespace=ELECTION.namespace, environ=environ)
    leader = directory.board(ELECTION.name, in_full=True, timeout_s=CALL_S).leader
    assert leader is not None
    told: dict[str, object] = json.loads(leader.record)
    return told


def _stand(stack: ExitStack, store: Store) -> Candidate:
    candidate = stand_for(store, ttl_s=LONG_TTL_S, takeover_delay_s=1.0, call_s=CALL_S)
    stack.callback(candidate.end)
    return candidate
