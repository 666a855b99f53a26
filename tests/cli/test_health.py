"""`coordsidecar health`: its answer is its exit code, and a sentence if it is not a yes."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from coordsidecar.settings.serving import UnixSocket
from tests.cli.command import coordsidecar, refusal
from tests.elector.shown import serve_at, serve_shown
from tests.servers.process import free_ports

WORKS = {"healthy": True, "guard_age_s": 0.1, "elector_age_s": 0.2, "most_age_s": 2.0}


def page(health: dict[str, Any], *, address: str = "127.0.0.1") -> int:
    return serve_shown(lambda: {"role": "standby"}, lambda: health, address=address)


def test_health_of_one_that_works_is_a_silent_yes() -> None:
    result = coordsidecar("health", "--http", str(page(WORKS)))

    assert (result.status, result.out, result.err) == (0, "", "")


def test_the_address_is_found_where_every_option_is(tmp_path: Path) -> None:
    config = tmp_path / "job.toml"
    config.write_text(f'http = "{page(WORKS)}"\nttl = "5s"\n')
    (nobody,) = free_ports(1)

    by_variable = coordsidecar("health", environ={"COORDSIDECAR_HTTP": str(page(WORKS))})
    by_file = coordsidecar("health", "--config", str(config))
    flag_wins = coordsidecar(
        "health", f"--http={page(WORKS)}", environ={"COORDSIDECAR_HTTP": str(nobody)}
    )

    assert [by_variable.status, by_file.status, flag_wins.status] == [0, 0, 0]


@pytest.mark.parametrize(("listens", "asked"), [("0.0.0.0", "0.0.0.0"), ("::", "[::]")])
def test_who_serves_at_every_address_is_asked_at_loopback(listens: str, asked: str) -> None:
    port = page(WORKS, address=listens)

    assert coordsidecar("health", "--http", f"{asked}:{port}").status == 0


def test_who_serves_at_a_unix_socket_is_asked_there(tmp_path: Path) -> None:
    where = UnixSocket(str(tmp_path / "x.sock"))
    serve_at(where, lambda: {"role": "standby"}, lambda: WORKS)

    assert coordsidecar("health", "--http", f"unix:{where.path}").status == 0


def test_nobody_at_a_unix_socket_is_no_answer(tmp_path: Path) -> None:
    sentence = refusal("health", "--http", f"unix:{tmp_path}/x.sock", status=125)

    assert f"cannot ask unix:{tmp_path}/x.sock: No such file" in sentence


@pytest.mark.parametrize(
    ("late", "sentence"),
    [
        ({"guard_age_s": 3.25}, "not healthy: the guard has not stepped for 3.2 s"),
        ({"elector_age_s": 9.0}, "not healthy: the elector has not stepped for 9.0 s"),
        ({"guard_is_stopped": True}, "not healthy: the guard is stopped"),
        ({"most_age_s": None}, "not healthy: /healthz answers 503"),
    ],
)
def test_what_does_not_work_is_named(late: dict[str, Any], sentence: str) -> None:
    port = page({**WORKS, "healthy": False, **late})

    assert refusal("health", "--http", str(port), status=1).startswith(sentence)


def test_nobody_there_is_no_answer_and_no_no() -> None:
    (nobody,) = free_ports(1)

    sentence = refusal("health", "--http", str(nobody), status=125)

    assert f"127.0.0.1:{nobody}" in sentence
    assert "Connection refused" in sentence


@pytest.mark.parametrize("said", [b"SSH-2.0-OpenSSH_9.2\r\n", b"", b"HTTP/1.1 abc\r\n\r\n"])
def test_a_stranger_there_is_no_answer_either(said: bytes) -> None:
    def answer_once() -> None:
        with listener, listener.accept()[0] as client:
            client.recv(4096)
            client.sendall(said)

    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    thread = threading.Thread(target=answer_once)
    thread.start()

    sentence = refusal("health", "--http", str(port), status=125)

    thread.join()
    assert f"127.0.0.1:{port}" in sentence


def test_who_says_nothing_is_not_waited_for_for_ever() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sentence = refusal("health", "--http", str(listener.getsockname()[1]), status=125)

    assert "no answer" in sentence


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        pytest.param([], ["--http", "COORDSIDECAR_HTTP"], id="no-address"),
        pytest.param(["--http", "0"], ["port 0"], id="any-port"),
        pytest.param(["--http", "web"], ["--http", "'web' has no port"], id="no-port"),
        pytest.param(["8080"], ["no argument", "--http 8080"], id="an-argument"),
        pytest.param(["--ttl", "5s"], ["--ttl"], id="another-option"),
        pytest.param(["--config", "/nowhere.toml"], ["/nowhere.toml"], id="no-file"),
    ],
)
def test_bad_usage_is_refused_in_a_sentence(words: list[str], parts: list[str]) -> None:
    sentence = refusal("health", *words)

    for part in parts:
        assert part in sentence


def test_health_imports_no_store_and_no_core() -> None:
    program = (
        "import sys\n"
        "from coordsidecar.cli.main import main\n"
        "try: main(['health', '--http', sys.argv[1]])\n"
        "except SystemExit as end: print(end.code, *sys.modules)"
    )

    process = subprocess.run(
        [sys.executable, "-I", "-c", program, str(page(WORKS))],
        capture_output=True,
        text=True,
        check=True,
    )

    status, *modules = process.stdout.split()
    assert status == "0"
    loaded = set(modules)
    assert not loaded & {"click", "psutil", "coordsidecar_adapters", "tomllib", "asyncio"}
    assert not [m for m in modules if m.startswith(("coordsidecar.guard", "coordsidecar.elector"))]


def test_who_answers_in_drops_is_not_waited_for_for_ever() -> None:
    over = threading.Event()

    def drip() -> None:
        with listener, listener.accept()[0] as client, suppress(OSError):
            client.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while not over.wait(0.2):
                client.sendall(b"x")

    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    thread = threading.Thread(target=drip)
    thread.start()

    sentence = refusal("health", "--http", str(port), status=125)

    over.set()
    thread.join()
    assert "no answer" in sentence
