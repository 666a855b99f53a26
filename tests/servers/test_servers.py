"""The servers that other tests build on do what they say."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers import ConsulServer, EtcdServer, Pki, Proxy


def _connect(endpoint: str) -> socket.socket:
    host, _, port = endpoint.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=1.0)


def test_etcd_keeps_its_data_and_port_when_killed_and_restarted(
    etcd_server: Callable[..., EtcdServer],
) -> None:
    server = etcd_server()
    endpoint = server.endpoint
    server.etcdctl("put", "key", "value")

    server.kill()
    server.restart()

    assert server.endpoint == endpoint
    assert server.etcdctl("get", "key", "--print-value-only").strip() == "value"


def test_etcd_serves_users_over_tls_with_client_certificates(
    etcd_server: Callable[..., EtcdServer],
) -> None:
    server = etcd_server(client_cert_auth=True, auth=True)

    users = server.etcdctl("user", "list").split()

    assert users == ["nobody", "root"]


def test_consul_keeps_its_data_and_port_when_killed_and_restarted(
    consul_server: Callable[..., ConsulServer],
) -> None:
    server = consul_server()
    server.consul("kv", "put", "key", "value")

    server.kill()
    server.restart()

    assert server.consul("kv", "get", "key").strip() == "value"


def test_consul_honours_a_lowered_least_session_ttl(
    consul_server: Callable[..., ConsulServer],
) -> None:
    server = consul_server(session_ttl_min="1s")

    answer = server.http("PUT", "/v1/session/create", {"TTL": "2s", "Checks": []})

    assert answer.status == 200, answer.body


def test_consul_denies_what_carries_no_token(
    consul_server: Callable[..., ConsulServer], pki: Pki
) -> None:
    server = consul_server(acl=True, tls=True)

    denied = server.http("PUT", "/v1/kv/key", b"value", token="")
    allowed = server.http("PUT", "/v1/kv/key", b"value")

    assert (denied.status, allowed.status) == (403, 200)


def test_a_paused_server_accepts_connections_and_answers_none(
    consul_server: Callable[..., ConsulServer],
) -> None:
    server = consul_server()

    server.pause()

    with _connect(server.endpoint) as client:
        client.sendall(b"GET /v1/status/leader HTTP/1.0\r\n\r\n")
        with pytest.raises(TimeoutError):
            client.recv(1)
        server.resume()
        assert client.recv(4) == b"HTTP"


@pytest.fixture
def echo(proxy: Callable[[str], Proxy]) -> tuple[Proxy, socket.socket]:
    """A proxy and the listener behind it."""
    listener = socket.create_server(("127.0.0.1", 0))
    return proxy(f"127.0.0.1:{listener.getsockname()[1]}"), listener


def test_a_black_hole_holds_back_both_ways_until_healed(
    echo: tuple[Proxy, socket.socket],
) -> None:
    way, listener = echo
    with listener, _connect(way.endpoint) as client, listener.accept()[0] as server:
        server.settimeout(0.2)
        client.settimeout(0.2)

        way.black_hole()

        client.sendall(b"ask")
        server.sendall(b"answer")
        with pytest.raises(TimeoutError):
            server.recv(16)
        with pytest.raises(TimeoutError):
            client.recv(16)
        way.heal()
        server.settimeout(10)
        client.settimeout(10)
        assert (server.recv(16), client.recv(16)) == (b"ask", b"answer")


def test_one_way_faults_leave_the_other_way_alone(echo: tuple[Proxy, socket.socket]) -> None:
    way, listener = echo
    with listener, _connect(way.endpoint) as client, listener.accept()[0] as server:
        server.settimeout(10)
        client.settimeout(0.2)

        way.cut_inbound()

        client.sendall(b"ask")
        assert server.recv(16) == b"ask"
        server.sendall(b"answer")
        with pytest.raises(TimeoutError):
            client.recv(16)
        way.cut_outbound()
        client.settimeout(10)
        assert client.recv(16) == b"answer"


def test_a_connection_given_up_in_the_black_hole_never_arrives(
    echo: tuple[Proxy, socket.socket],
) -> None:
    way, listener = echo
    with listener:
        way.black_hole()
        with _connect(way.endpoint) as lost:
            lost.sendall(b"never")

        way.heal()

        with _connect(way.endpoint) as client:
            client.sendall(b"hello")
            with listener.accept()[0] as server:
                assert server.recv(16) == b"hello"


def test_a_cut_resets_what_is_open_and_refuses_what_is_new(
    echo: tuple[Proxy, socket.socket],
) -> None:
    way, listener = echo
    with listener, _connect(way.endpoint) as client, listener.accept()[0] as server:
        way.cut()

        with pytest.raises(ConnectionResetError):
            client.recv(1)
        with pytest.raises(ConnectionResetError):
            server.recv(1)
        with pytest.raises(ConnectionRefusedError):
            _connect(way.endpoint)
        way.heal()
        _connect(way.endpoint).close()


def test_a_server_does_not_outlive_a_test_run_that_is_killed(
    need_server: Callable[[str], None], tmp_path: Path
) -> None:
    need_server("etcd")
    code = (
        "import sys, pathlib\n"
        "from tests.servers import EtcdServer\n"
        "server = EtcdServer(pathlib.Path(sys.argv[1]))\n"
        "server.start()\n"
        "print(server.process.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as run:
        assert run.stdout is not None
        server_pid = int(run.stdout.readline())
        pidfd = os.pidfd_open(server_pid)

        run.kill()

        gone, _, _ = select.select([pidfd], [], [], 30)
        os.close(pidfd)
        assert gone
