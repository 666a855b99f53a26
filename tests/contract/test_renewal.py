"""A renewal with a look is a proof of ownership: half a proof is none."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from coordsidecar.store.protocol import (
    Absent,
    Behind,
    Election,
    Held,
    RefusedError,
    Session,
    SessionLostError,
    UnreachableError,
)
from tests.contract.candidate import CALL_S, Candidate
from tests.contract.conftest import CandidateFactory
from tests.contract.etcd_dial import Dialer, on_both_transports
from tests.contract.harness import Harness, adapter
from tests.servers import ConsulServer, EtcdServer

NewCandidate = Callable[[], Candidate]

_SHORT_S = 0.5


def test_who_renews_with_a_look_is_told_how_it_stands(candidate: NewCandidate) -> None:
    first, second = candidate(), candidate()
    token = first.leads()
    second.campaign()

    held, behind = first.renews_and_looks(), second.renews_and_looks()

    assert isinstance(held, Held)
    assert (held.token, held.clean) == (token, True)
    assert isinstance(behind, Behind)
    assert behind.leader_token == token


@pytest.mark.stores("etcd", "consul")
def test_a_session_may_be_renewed_while_its_key_is_gone(
    harness: Harness, election: Election, candidate: NewCandidate
) -> None:
    first = candidate()
    first.leads()

    harness.delete_key(election, first.session)

    assert first.renew() > 0
    assert first.renews_and_looks() == Absent()


@pytest.mark.stores("etcd", "consul", "local")
def test_a_look_does_not_hide_that_the_session_is_lost(
    harness: Harness, candidate: NewCandidate
) -> None:
    first = candidate()
    first.leads()

    harness.end_session(first.session)

    with pytest.raises(SessionLostError):
        first.renews_and_looks()


@on_both_transports
def test_a_role_that_was_revoked_fails_the_renewal_though_etcd_may_keep_the_lease(
    dial: Dialer,
    etcd_server: Callable[..., EtcdServer],
    election: Election,
    stand: CandidateFactory,
) -> None:
    server = etcd_server(auth=True)
    server.etcdctl("role", "add", "elector")
    server.etcdctl("role", "grant-permission", "elector", "--prefix", "readwrite", election.prefix)
    server.etcdctl("user", "grant-role", server.powerless_user, "elector")
    login = {"ETCDCTL_USER": server.powerless_user, "ETCDCTL_PASSWORD": server.password}
    leader = stand(dial(server.endpoint, election, env=login))
    leader.leads()

    server.etcdctl("user", "revoke-role", server.powerless_user, "elector")

    with suppress(RefusedError):  # Since 3.5.28 etcd asks for the right to the keys of a lease.
        assert leader.renew() > 0
    with pytest.raises(RefusedError, match="permission denied"):
        leader.renews_and_looks()


def test_a_policy_without_keys_fails_the_renewal_though_consul_keeps_the_session(
    consul_server: Callable[..., ConsulServer], election: Election, stand: CandidateFactory
) -> None:
    server = consul_server(acl=True)
    sessions = 'session_prefix "" { policy = "write" }'
    keys = f'key_prefix "{election.prefix}/" {{ policy = "write" }}'
    policy = server.new_policy("leader", f"{sessions} {keys}")
    environ = {"CONSUL_HTTP_TOKEN": server.new_token("leader")}
    connect = adapter("consul.store")
    leader = stand(connect(f"consul://{server.endpoint}", election=election, environ=environ))
    leader.leads()

    server.change_policy(policy, "leader", sessions)

    assert leader.renew() > 0
    with pytest.raises(RefusedError, match="key_prefix"):
        leader.renews_and_looks()


class _Half(http.server.BaseHTTPRequestHandler):
    """Renews any session, and says nothing else for as long as anybody waits."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/v3/lease/keepalive":
            self._say({"result": {"ID": "12", "TTL": "15"}})
        elif self.path.startswith("/v1/session/renew/"):
            self._say([{"TTL": "15s"}])
        else:
            self.rfile.read(1)

    do_PUT = do_GET = do_POST  # noqa: N815  # The names that http.server looks for.

    def _say(self, answer: object) -> None:
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def half() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Half) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("scheme", "module"), [("etcd", "etcd.gateway"), ("consul", "consul.store")]
)
def test_a_look_that_is_not_answered_fails_the_renewal(
    half: str, election: Election, scheme: str, module: str
) -> None:
    store = adapter(module)(f"{scheme}://{half}", election=election, environ={})
    session = Session(handle="c", ttl_s=15.0)

    renewal = store.renew(session, look=False, timeout_s=CALL_S)

    assert (renewal.ttl_s, renewal.standing) == (15.0, None)
    with pytest.raises(UnreachableError):
        store.renew(session, look=True, timeout_s=_SHORT_S)
