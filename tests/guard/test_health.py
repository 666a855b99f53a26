"""--health-cmd, --health-http, --health-tcp: a job that is sick moves, or starts again."""

from __future__ import annotations

import http.server
import json
import shlex
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.cli.command import coordsidecar
from tests.e2e.arena import Arena
from tests.e2e.sidecars import Sidecar, Stamps, named, wait_for
from tests.guard.test_hooks import note, notes

QUICK = ("--health-interval", "100ms")
NEVER = ("--health-timeout", "1h")


def prober(sidecar: Sidecar) -> psutil.Process:
    (only,) = named(sidecar.children(), "health-prober")
    return only


def well_while(file: Path) -> tuple[str, ...]:
    file.touch()
    return ("--health-cmd", f"test -e {shlex.quote(str(file))}", *QUICK)


def said(sidecar: Sidecar, event: str) -> list[str]:
    return [line for line in sidecar.log().splitlines() if f" {event}: " in line]


def why(arena: Arena) -> list[str]:
    """Why each term has ended, as `coordsidecar history` has it."""
    store, url, namespace, name = arena.options()[:4]
    about = (store, url, namespace, name, arena.election.name)
    told = coordsidecar("history", *about, "--json")
    assert told.status == 0
    return [term["why"] for term in json.loads(told.out)["terms"] if term["state"] == "over"]


@pytest.mark.parametrize("stores", ["arena", "etcd_arena"])
def test_a_sick_job_moves_to_another_instance_and_the_history_says_why(
    stores: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """It must go with all that it started, though it takes no notice of being asked."""
    arena: Arena = request.getfixturevalue(stores)
    sick = tmp_path / "sick"
    mine = f"test ! -e {sick} || test $COORDSIDECAR_ID = two || {{ echo no disk; exit 1; }}"
    options = ("--health-cmd", mine, *QUICK, "--stop-timeout", "500ms")
    stubborn = arena.stamps.command("ignore-term", "daemon-child")
    first = arena.start("--id", "one", *options, command=stubborn)
    arena.stamps.wait_for_stints(1)
    second = arena.start("--id", "two", *options, command=stubborn)
    wait_for(lambda: "standing-by" in second.log(), "the second to stand by")
    wait_for(lambda: said(first, "healthy"), "the first to be well")

    sick.touch()

    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()
    wait_for(lambda: said(second, "healthy"), "the second to be well")
    assert why(arena) == ["the job is unhealthy: 3 checks failed, the last: no disk"]
    assert len(said(first, "unhealthy")) == 1
    assert first.process.poll() is None
    assert second.leads()


def test_who_had_a_sick_job_rests_first(arena: Arena, tmp_path: Path) -> None:
    """Else the same one would be elected again at once: alone it is, and nobody leads for now."""
    file = tmp_path / "well"
    first = arena.start(*well_while(file))
    wait_for(lambda: said(first, "healthy"), "it to be well")

    file.unlink()
    wait_for(lambda: said(first, "job-ended"), "the sick job to end")
    arena.start("--id", "two")

    (_, after) = arena.stamps.wait_for_stints(2)
    assert after.token == "2"
    assert not first.leads()
    arena.stamps.assert_never_two()


def test_with_restart_the_same_instance_goes_on_under_the_same_token(
    arena: Arena, tmp_path: Path
) -> None:
    ledger, file = tmp_path / "ledger", tmp_path / "well"
    job = f"{note(ledger, '$COORDSIDECAR_TOKEN')}; touch {file}; exec sleep 600"
    options = (*well_while(file), "--unhealthy", "restart")
    first = arena.start(*options, command=["sh", "-c", job])
    wait_for(lambda: said(first, "healthy"), "it to be well")

    file.unlink()
    wait_for(lambda: len(notes(ledger)) == 2, "the job to start again")

    wait_for(lambda: len(said(first, "healthy")) == 2, "the next job to be well")
    assert notes(ledger) == ["1", "1"]
    assert "starts again" in said(first, "unhealthy")[0]
    assert why(arena) == []


def test_after_too_many_restarts_another_instance_leads(arena: Arena) -> None:
    options = ("--health-cmd", "test $COORDSIDECAR_ID = two", *QUICK, "--unhealthy", "restart")
    first = arena.start("--id", "one", *options, "--max-restarts", "1/60s")
    arena.stamps.wait_for_stints(1)

    arena.start("--id", "two", *options)

    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()
    assert len(said(first, "unhealthy")) == 2


def test_fewer_failures_than_it_takes_change_nothing(arena: Arena, tmp_path: Path) -> None:
    """Two bad ones, a good one, and so on."""
    ledger = tmp_path / "ledger"
    check = f"{note(ledger, 'check')}; test $(( $(wc -l < {ledger}) % 3 )) = 0"
    sidecar = arena.start("--health-cmd", check, *QUICK)
    arena.stamps.wait_for_stints(1)
    pid = sidecar.job().pid

    wait_for(lambda: len(notes(ledger)) >= 9, "nine checks")

    assert sidecar.job().pid == pid
    assert len(arena.stamps.stints()) == 1
    assert said(sidecar, "unhealthy") == []


def test_failures_in_the_start_period_do_not_count_until_the_first_success(
    arena: Arena, tmp_path: Path
) -> None:
    ledger, file = tmp_path / "ledger", tmp_path / "well"
    check = f"{note(ledger, 'check')}; test -e {file}"
    options = ("--health-cmd", check, *QUICK, "--health-start-period", "1h")
    sidecar = arena.start(*options)
    wait_for(lambda: len(notes(ledger)) >= 6, "six checks to fail")
    assert sidecar.leads()
    assert said(sidecar, "unhealthy") == []

    file.touch()
    wait_for(lambda: said(sidecar, "healthy"), "it to be well")
    file.unlink()

    wait_for(lambda: said(sidecar, "unhealthy"), "it to be sick")


def test_no_check_runs_while_no_job_does(arena: Arena, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    arena.start("--id", "one")
    arena.stamps.wait_for_stints(1)
    standby = arena.start(
        "--id", "two", "--health-cmd", note(ledger, "$COORDSIDECAR_TOKEN"), *QUICK
    )
    wait_for(lambda: "standing-by" in standby.log(), "the second to stand by")
    assert notes(ledger) == []

    arena.revoke()

    wait_for(lambda: notes(ledger), "the second to lead and to be checked")
    assert set(notes(ledger)) == {"2"}


def test_a_check_that_hangs_is_killed_with_all_that_it_started_and_has_failed(
    arena: Arena, tmp_path: Path
) -> None:
    left = Stamps(tmp_path / "left")
    check = f"{shlex.join(left.command('daemon-child', 'ignore-term'))}"
    options = ("--health-cmd", check, *QUICK, "--health-timeout", "500ms", "--health-fall", "2")
    sidecar = arena.start(*options)

    wait_for(lambda: said(sidecar, "unhealthy"), "the check to be given up")

    assert "it did not end within 500ms" in said(sidecar, "unhealthy")[0]
    wait_for(
        lambda: not [p for p in sidecar.everyone() if str(left.path) in p.cmdline()],
        "nothing of the checks to be left",
    )


def test_a_check_that_floods_and_forks_on_harms_nobody(arena: Arena, tmp_path: Path) -> None:
    left = Stamps(tmp_path / "left")
    forks = shlex.join(left.command("fork-on", "setsid-on"))
    options = ("--health-cmd", f"yes flood & {forks}", *QUICK, "--health-timeout", "500ms")
    sidecar = arena.start(*options, "--health-fall", "1")

    wait_for(lambda: said(sidecar, "unhealthy"), "the check to be given up")

    assert "it did not end within 500ms: flood" in said(sidecar, "unhealthy")[0]
    assert len(sidecar.log()) < 10000
    wait_for(lambda: said(sidecar, "job-ended"), "the job to end")
    wait_for(
        lambda: not [p for p in sidecar.everyone() if str(left.path) in p.cmdline()],
        "nothing of the check to be left",
    )


def test_a_prober_that_is_killed_is_replaced_and_the_job_goes_on(
    arena: Arena, tmp_path: Path
) -> None:
    file = tmp_path / "well"
    sidecar = arena.start(*well_while(file))
    wait_for(lambda: said(sidecar, "healthy"), "it to be well")
    first, pid = prober(sidecar), sidecar.job().pid

    first.kill()

    wait_for(lambda: said(sidecar, "health-prober"), "its end to be said")
    wait_for(lambda: named(sidecar.children(), "health-prober"), "its successor")
    assert sidecar.job().pid == pid
    file.unlink()
    wait_for(lambda: said(sidecar, "unhealthy"), "the successor to look at the job")
    assert len(said(sidecar, "health-prober")) == 1


def test_a_prober_that_is_stopped_is_replaced_and_the_job_goes_on(
    arena: Arena, tmp_path: Path
) -> None:
    file = tmp_path / "well"
    sidecar = arena.start(*well_while(file), "--health-timeout", "500ms")
    wait_for(lambda: said(sidecar, "healthy"), "it to be well")
    first, pid = prober(sidecar), sidecar.job().pid

    first.suspend()
    file.unlink()

    wait_for(lambda: "says nothing; it is replaced" in sidecar.log(), "its silence to be noticed")
    assert sidecar.job().pid == pid
    wait_for(lambda: said(sidecar, "unhealthy"), "the successor to look at the job")


def test_a_prober_that_is_stopped_holds_up_no_stop(arena: Arena, tmp_path: Path) -> None:
    first, second = arena.pair(*well_while(tmp_path / "well"))
    prober(first).suspend()

    first.signal(signal.SIGTERM)

    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()
    assert first.wait() == 128 + signal.SIGTERM
    wait_for(lambda: first.everyone() == [], "all of it to be gone")
    assert second.leads()


@pytest.mark.parametrize("stopped", [False, True], ids=["awake", "stopped"])
def test_a_guard_that_is_killed_leaves_neither_prober_nor_check_behind(
    stopped: bool, arena: Arena, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    hanging = f"trap '' TERM INT HUP; {note(ledger, 'check')}; sleep 600; sleep 600"
    sidecar = arena.start("--health-cmd", hanging, *QUICK, *NEVER)
    wait_for(lambda: notes(ledger), "a check to hang")
    if stopped:
        prober(sidecar).suspend()

    sidecar.signal(signal.SIGKILL)

    wait_for(lambda: sidecar.everyone() == [], "all of it to be gone")


def test_a_prober_holds_nothing_of_ours(arena: Arena, tmp_path: Path) -> None:
    sidecar = arena.start(*well_while(tmp_path / "well"))
    wait_for(lambda: said(sidecar, "healthy"), "it to be well")
    pid = prober(sidecar).pid

    held = [str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir() if int(fd.name) > 2]

    kinds = sorted(name.partition(":")[0] for name in held)
    assert [kind for kind in kinds if kind == "socket"] == ["socket"]
    assert not [name for name in held if "lock" in name]


def test_without_a_check_there_is_no_prober(arena: Arena) -> None:
    sidecar = arena.start()
    arena.stamps.wait_for_stints(1)

    assert named(sidecar.children(), "health-prober") == []


# ── over the network ───────────────────────────────────────────────────────────────────────────


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers with the status that the path names."""

    def do_GET(self) -> None:
        status = int(self.path.strip("/?").split("/")[0])
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", "/500")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web() -> Iterator[str]:
    """HOST:PORT of a server that answers with the status in the path."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def listener() -> Iterator[Callable[[Callable[[socket.socket], None]], str]]:
    """Have connections served by a function; returns HOST:PORT."""
    listening = socket.create_server(("127.0.0.1", 0))
    connections: list[socket.socket] = []

    def serve(how: Callable[[socket.socket], None]) -> str:
        def accept() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                connections.append(connection)
                threading.Thread(target=how, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        return f"127.0.0.1:{listening.getsockname()[1]}"

    yield serve
    listening.close()
    for connection in connections:
        connection.close()


@pytest.mark.parametrize("status", [200, 204, 302])
def test_an_answer_from_200_to_399_is_well_and_no_redirect_is_followed(
    status: int, web: str, arena: Arena
) -> None:
    sidecar = arena.start("--health-http", f"http://{web}/{status}", *QUICK)

    wait_for(lambda: said(sidecar, "healthy"), "it to be well")


@pytest.mark.parametrize("status", [404, 503])
def test_any_other_answer_is_sick(status: int, web: str, arena: Arena) -> None:
    sidecar = arena.start("--health-http", f"http://{web}/{status}", *QUICK)

    wait_for(lambda: said(sidecar, "unhealthy"), "it to be sick")

    assert f"HTTP/1.0 {status}" in said(sidecar, "unhealthy")[0]


def _drip(connection: socket.socket) -> None:
    try:
        while True:
            connection.sendall(b"H")
            threading.Event().wait(0.05)
    except OSError:
        pass


def _say_nothing(connection: socket.socket) -> None:
    connection.recv(4096)


@pytest.mark.parametrize("how", [_drip, _say_nothing], ids=["drips", "silent"])
def test_a_server_that_drips_or_says_nothing_takes_no_longer_than_it_may(
    how: Callable[[socket.socket], None],
    listener: Callable[[Callable[[socket.socket], None]], str],
    arena: Arena,
) -> None:
    url = f"http://{listener(how)}/healthz"
    options = ("--health-http", url, *QUICK, "--health-timeout", "500ms", "--health-fall", "2")
    sidecar = arena.start(*options)

    wait_for(lambda: said(sidecar, "unhealthy"), "it to be sick")

    assert "did not end within 500ms" in said(sidecar, "unhealthy")[0]


def test_what_is_not_http_is_sick(
    listener: Callable[[Callable[[socket.socket], None]], str], arena: Arena
) -> None:
    def babble(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"\x1b[2J" + b"x" * 100_000)

    sidecar = arena.start("--health-http", f"http://{listener(babble)}", *QUICK)

    wait_for(lambda: said(sidecar, "unhealthy"), "it to be sick")

    assert "the answer is not HTTP" in said(sidecar, "unhealthy")[0]


def test_a_connection_is_well_and_a_refused_one_is_sick(
    listener: Callable[[Callable[[socket.socket], None]], str], arena: Arena
) -> None:
    address = listener(_say_nothing)
    sidecar = arena.start("--health-tcp", address, *QUICK)
    wait_for(lambda: said(sidecar, "healthy"), "it to be well")
    with socket.create_server(("127.0.0.1", 0)) as free:
        closed = f"127.0.0.1:{free.getsockname()[1]}"
    sidecar.signal(signal.SIGTERM)
    sidecar.wait()

    other = arena.start("--health-tcp", closed, *QUICK)

    wait_for(lambda: said(other, "unhealthy"), "it to be sick")
    assert "Connection refused" in said(other, "unhealthy")[0]
