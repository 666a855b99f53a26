"""etcd with users: passwords, permissions, and tokens that expire."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from coordsidecar.store.protocol import Election, Held, RefusedError
from tests.contract.candidate import CALL_S, Candidate
from tests.contract.etcd_dial import Dialer, on_both_transports
from tests.servers import EtcdServer

Servers = Callable[..., EtcdServer]
Stand = Callable[..., Candidate]

# How long a watch looks in vain.
_SHORT_S = 5.0  # In which a watch is opened, on a busy host too.


def login(user: str = "root", password: str = EtcdServer.password) -> dict[str, str]:
    return {"ETCDCTL_USER": user, "ETCDCTL_PASSWORD": password}


@on_both_transports
def test_a_wrong_password_is_refused_and_not_shown(
    dial: Dialer, etcd_server: Servers, election: Election
) -> None:
    server = etcd_server(auth=True)
    store = dial(server.endpoint, election, env=login(password="not-this-one"))

    with pytest.raises(RefusedError, match="wrong password for user 'root'") as refused:
        store.leader(timeout_s=CALL_S)

    assert "not-this-one" not in str(refused.value)


@on_both_transports
def test_a_server_with_users_refuses_who_has_no_name(
    dial: Dialer, etcd_server: Servers, election: Election
) -> None:
    server = etcd_server(auth=True)
    store = dial(server.endpoint, election)

    with pytest.raises(RefusedError, match="set ETCDCTL_USER"):
        store.leader(timeout_s=CALL_S)


@on_both_transports
def test_who_may_not_is_refused_with_the_permission_to_grant(
    dial: Dialer, etcd_server: Servers, election: Election
) -> None:
    server = etcd_server(auth=True)
    store = dial(server.endpoint, election, env=login(user=server.powerless_user))

    with pytest.raises(RefusedError, match=r"readwrite on the prefix"):
        store.leader(timeout_s=CALL_S)


@on_both_transports
def test_a_password_that_is_not_needed_yet_does_no_harm(
    dial: Dialer, etcd: EtcdServer, election: Election
) -> None:
    store = dial(etcd.endpoint, election, env=login())

    leader = store.leader(timeout_s=CALL_S)

    assert leader is None


@on_both_transports
def test_a_token_that_expired_is_renewed_unnoticed(
    dial: Dialer, etcd_server: Servers, election: Election, stand: Stand
) -> None:
    server = etcd_server(auth=True)
    candidate = stand(dial(server.endpoint, election, env=login()))
    held = candidate.wins()
    assert candidate.take_office(held.token)

    _forget_tokens(server)

    assert isinstance(candidate.standing(), Held)
    assert candidate.renew() > 0


@on_both_transports
def test_a_watch_whose_token_expired_is_opened_again(
    dial: Dialer, etcd_server: Servers, election: Election, stand: Stand
) -> None:
    server = etcd_server(auth=True)
    candidate = stand(dial(server.endpoint, election, env=login()))
    held = candidate.wins()
    _forget_tokens(server)

    quiet = candidate.watch(held, timeout_s=_SHORT_S)
    server.etcdctl("lease", "revoke", candidate.session.handle)
    woken = candidate.watch(held)

    assert (quiet, woken) == (False, True)


@on_both_transports
def test_new_roles_do_not_end_a_candidacy(
    dial: Dialer, etcd_server: Servers, election: Election, stand: Stand, tmp_path: Path
) -> None:
    """A signed token is then older than the users and roles; etcd asks for a new one."""
    server = etcd_server(auth=True, extra_args=[_signed_tokens(tmp_path)])
    candidate = stand(dial(server.endpoint, election, env=login()))
    held = candidate.wins()
    server.etcdctl("role", "add", "anything")

    standing = candidate.standing()
    server.etcdctl("role", "add", "something")
    quiet = candidate.watch(held, timeout_s=_SHORT_S)

    assert isinstance(standing, Held)
    assert not quiet


@on_both_transports
def test_a_watch_that_is_not_permitted_says_so(
    dial: Dialer, etcd_server: Servers, election: Election, stand: Stand
) -> None:
    server = etcd_server(auth=True)
    root = stand(dial(server.endpoint, election, env=login()))
    held = root.wins()
    store = dial(server.endpoint, election, env=login(user=server.powerless_user))

    with pytest.raises(RefusedError, match="permission denied"):
        store.watch(root.session, held, timeout_s=CALL_S)


def _forget_tokens(server: EtcdServer) -> None:
    """Make every token unknown to the server, as their expiry does."""
    server.etcdctl("auth", "disable")
    server.etcdctl("auth", "enable")


def _signed_tokens(folder: Path) -> str:
    """Have etcd sign its tokens, and with them the version of its users and roles."""
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = folder / "token.key", folder / "token.pub"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return f"--auth-token=jwt,pub-key={public},priv-key={private},sign-method=ES256,ttl=1h"
