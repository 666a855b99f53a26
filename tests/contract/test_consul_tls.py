"""Consul over TLS, and connections that it closes: what is wrong is said, with the remedy."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from coordsidecar.store.protocol import Election, RefusedError, Store, StoreError, UnreachableError
from coordsidecar_adapters.consul.store import connect
from tests.contract.candidate import CALL_S
from tests.servers import ConsulServer, Pki

_NAME = "server.dc1.consul"


def test_what_keeps_tls_from_working_is_refused_with_its_remedy(
    consul_server: Callable[..., ConsulServer],
    election: Election,
    pki: Pki,
    tmp_path: Path,
) -> None:
    server, plain = consul_server(client_cert_auth=True), consul_server()
    ca = {"CONSUL_CACERT": str(pki.ca_cert)}
    stranger = {"CONSUL_CACERT": str(Pki(tmp_path / "stranger").ca_cert)}
    tries = {
        "a strange CA": ("consuls", server, stranger, "CONSUL_CACERT"),
        "no client certificate": ("consuls", server, ca, "CONSUL_CLIENT_CERT"),
        "no TLS with a TLS server": ("consul", server, ca, "use consuls://"),
        "TLS with a plain server": ("consuls", plain, ca, "TLS"),
    }

    said = {
        why: _refusal(f"{scheme}://{there.endpoint}", election, environ)
        for why, (scheme, there, environ, _) in tries.items()
    }

    for why, (_, _, _, remedy) in tries.items():
        assert remedy in said[why], (why, said[why])


def test_certificates_that_are_not_there_are_refused_before_anything_is_dialled(
    election: Election, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="it is empty"):
        connect("consuls://h", election=election, environ={"CONSUL_CAPATH": str(tmp_path)})
    for name in ("CONSUL_CACERT", "CONSUL_CAPATH", "CONSUL_CLIENT_CERT"):
        with pytest.raises(ValueError, match="/no/such/file"):
            connect("consuls://h", election=election, environ={name: "/no/such/file"})


def test_the_authority_may_be_one_of_many_in_a_folder(
    consul_server: Callable[..., ConsulServer], election: Election, pki: Pki, tmp_path: Path
) -> None:
    server = consul_server(tls=True)
    folder = tmp_path / "authorities"
    folder.mkdir()
    for name, authority in (("a.pem", Pki(tmp_path / "stranger")), ("b.pem", pki)):
        (folder / name).write_bytes(authority.ca_cert.read_bytes())
    environ = {"CONSUL_CAPATH": str(folder)}

    store = connect(f"consuls://{server.endpoint}", election=election, environ=environ)

    assert store.leader(timeout_s=CALL_S) is None


def test_verification_can_be_switched_off_as_for_consul_itself(
    consul_server: Callable[..., ConsulServer], election: Election
) -> None:
    server = consul_server(tls=True)
    environ = {"CONSUL_HTTP_SSL": "true", "CONSUL_HTTP_SSL_VERIFY": "false"}

    store = connect(f"consul://{server.endpoint}", election=election, environ=environ)

    assert store.leader(timeout_s=CALL_S) is None


def test_the_certificate_may_be_for_a_name_that_is_not_the_hosts(
    consul_server: Callable[..., ConsulServer], election: Election, tmp_path: Path
) -> None:
    """As Consul's own servers' certificates are, which name the role and the datacenter."""
    pki = Pki(tmp_path / "pki", server_name=_NAME)
    url = f"consuls://{consul_server(tls=True, pki=pki).endpoint}"
    environ = {"CONSUL_CACERT": str(pki.ca_cert)}

    store = connect(url, election=election, environ=environ | {"CONSUL_TLS_SERVER_NAME": _NAME})

    assert store.leader(timeout_s=CALL_S) is None
    assert "CONSUL_TLS_SERVER_NAME" in _refusal(url, election, environ)
    wrong = environ | {"CONSUL_TLS_SERVER_NAME": "server.dc2.consul"}
    assert "does not verify" in _refusal(url, election, wrong)


def test_the_server_is_told_which_name_is_asked_for(election: Election, pki: Pki) -> None:
    told: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.server_cert, pki.server_key)
    context.sni_callback = lambda connection, name, context: told.append(name)

    def shake_hands_once() -> None:
        connection, _ = listener.accept()
        connection.settimeout(CALL_S)
        with pytest.raises(OSError), connection:  # noqa: PT011  # Whatever it is refused by.
            context.wrap_socket(connection, server_side=True).unwrap()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(CALL_S)
        server = threading.Thread(target=shake_hands_once)
        server.start()
        url = f"consuls://127.0.0.1:{listener.getsockname()[1]}"
        environ = {"CONSUL_CACERT": str(pki.ca_cert), "CONSUL_TLS_SERVER_NAME": _NAME}

        assert "does not verify" in _refusal(url, election, environ)
        server.join()

    assert told == [_NAME]


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_connection_too_many_is_told_from_a_wrong_scheme(
    consul_server: Callable[..., ConsulServer], election: Election, pki: Pki, tls: bool
) -> None:
    """Consul closes it before it says a word."""
    server = consul_server(tls=tls, connections_max=1)
    scheme = "consuls" if tls else "consul"
    environ = {"CONSUL_CACERT": str(pki.ca_cert)}
    first, second = (
        connect(f"{scheme}://{server.endpoint}", election=election, environ=environ)
        for _ in range(2)
    )
    _take_the_only_place(first)

    with pytest.raises(UnreachableError, match="http_max_conns_per_client") as closed:
        second.leader(timeout_s=CALL_S)

    assert "serves" not in str(closed.value)


def _take_the_only_place(store: Store) -> None:
    """The call that found the server ready holds it until Consul has seen that it hung up."""
    while True:
        try:
            assert store.leader(timeout_s=CALL_S) is None
        except UnreachableError:
            time.sleep(0.05)  # Another process's bookkeeping gives no event to wait for.
        else:
            return


def _refusal(url: str, election: Election, environ: dict[str, str]) -> str:
    with pytest.raises(StoreError) as error:
        connect(url, election=election, environ=environ).leader(timeout_s=CALL_S)
    assert isinstance(error.value, RefusedError), error.value
    return str(error.value)
