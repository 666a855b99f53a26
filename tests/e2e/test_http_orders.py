"""Orders by HTTP to real sidecars, and the unix socket at which they are given."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from coordsidecar.settings.serving import UnixSocket
from tests.cli.command import coordsidecar
from tests.e2e.arena import PATIENT_TTL, Arena
from tests.e2e.at_once import kill_at_once
from tests.e2e.scraped import Scraped
from tests.e2e.sidecars import Sidecar, wait_for
from tests.elector.shown import ask, post

STEP_DOWN = "/v1/step-down"
LEADER = b"GET /leader HTTP/1.0\r\n\r\n"


@pytest.fixture(params=["local", "etcd", "consul"])
def either(request: pytest.FixtureRequest, arena_of: Callable[[str], Arena]) -> Arena:
    return arena_of(request.param)


@pytest.fixture
def local(arena_of: Callable[[str], Arena]) -> Arena:
    return arena_of("local")


def socket_at(folder: Path, name: str = "x.sock") -> tuple[UnixSocket, list[str]]:
    """A place, and the option for it."""
    where = UnixSocket(str(folder / name))
    return where, ["--http", f"unix:{where.path}"]


def is_served(where: UnixSocket) -> bool:
    try:
        return ask(where, LEADER)[0] in (200, 503)
    except (OSError, IndexError):
        return False


def renewals(arena: Arena, sidecar: Sidecar) -> None:
    """Wait for as long as it takes an order that was heeded to show."""
    at_ns = arena.stamps.stints()[-1].last_ns + 3 * 10**9
    wait_for(lambda: arena.stamps.stints()[-1].last_ns > at_ns, "the same job to go on")
    assert "stepping-down" not in sidecar.log()


def test_the_leader_hands_over_and_the_log_says_who_asked_and_why(
    either: Arena, tmp_path: Path
) -> None:
    where, option = socket_at(tmp_path)
    first = either.start(*option)
    (stint,) = either.stamps.wait_for_stints(1)
    second = either.start()
    wait_for(lambda: "standing-by" in second.log(), "the second instance to stand by")
    wait_for(lambda: ask(where, LEADER)[0] == 200, "the page to say so")

    status, told = post(
        where, STEP_DOWN, {"reason": "a reboot", "sit_out_s": 1, "token": int(stint.token)}
    )

    assert status == 202
    assert (told["before"]["role"], told["before"]["token"]) == ("leader", int(stint.token))
    either.stamps.wait_for_stints(2)
    wait_for(second.leads, "the second to lead")
    wait_for(
        lambda: "standing-by" in first.log().partition("stepping-down")[2],
        "the first to stand by again",
    )
    who = rf"HTTP client of uid {os.getuid()} \(pid {os.getpid()}\)"
    assert re.search(rf"stepping-down: {who} ordered to step down: a reboot; SIGKILL", first.log())
    wait_for(lambda: post(where, STEP_DOWN)[0] == 409, "it to say that it does not lead")
    either.stamps.assert_never_two()


def test_an_order_to_a_term_that_is_over_changes_nothing(either: Arena, tmp_path: Path) -> None:
    where, option = socket_at(tmp_path)
    leader = either.start(*option)
    (stint,) = either.stamps.wait_for_stints(1)
    wait_for(lambda: ask(where, LEADER)[0] == 200, "the page to say so")

    stale = [post(where, STEP_DOWN, {"token": int(stint.token) + by})[0] for by in (-1, 1)]

    assert stale == [412, 412]
    renewals(either, leader)
    assert len(either.stamps.stints()) == 1


def test_who_stands_by_is_ordered_nothing(local: Arena, tmp_path: Path) -> None:
    where, option = socket_at(tmp_path)
    leader = local.start()
    local.stamps.wait_for_stints(1)
    standby = local.start(*option)
    wait_for(lambda: "standing-by" in standby.log(), "the second instance to stand by")

    status, told = post(where, STEP_DOWN)

    assert (status, told["before"]["role"]) == (409, "standby")
    renewals(local, leader)


def test_at_a_port_it_takes_the_token_in_the_file_as_it_is_now(
    local: Arena, tmp_path: Path
) -> None:
    page, file = Scraped(), tmp_path / "token"
    leader = local.start(*page.option, "--http-token-file", str(file))
    local.stamps.wait_for_stints(1)
    wait_for(lambda: page.value("leader") == 1, "the page to say so")

    def order(token: str, **headers: str) -> int:
        given = {"Authorization": f"Bearer {token}"} if token else {}
        return post(page.port, STEP_DOWN, {}, headers=given | headers)[0]

    missing = order("old")
    file.write_text("old\n")
    file.chmod(0o600)
    refused = [order(""), order("new"), order("old", Host="evil.example")]
    refused.append(order("old", Origin="http://evil.example"))
    file.write_text("new\n")
    rotated = order("old")
    renewals(local, leader)
    given = order("new")

    assert (missing, refused, rotated, given) == (403, [401, 401, 421, 403], 401, 202)
    wait_for(lambda: "stepping-down: HTTP client 127.0.0.1:" in leader.log(), "it to step down")
    assert leader.log().count("nobody may order by HTTP") == 1


def test_a_port_without_a_token_takes_no_orders(local: Arena) -> None:
    page = Scraped()
    leader = local.start(*page.option)
    local.stamps.wait_for_stints(1)
    wait_for(lambda: page.value("leader") == 1, "the page to say so")

    status, told = post(page.port, STEP_DOWN)

    assert status == 403
    assert "--http-token-file" in told["refused"]
    renewals(local, leader)


def test_a_unix_socket_is_its_owners_and_goes_with_the_sidecar(
    local: Arena, tmp_path: Path
) -> None:
    where, option = socket_at(tmp_path)
    sidecar = local.start(*option)
    local.stamps.wait_for_stints(1)
    wait_for(lambda: is_served(where), "the page")
    mode = stat.S_IMODE(os.stat(where.path).st_mode)

    sidecar.signal(signal.SIGTERM)
    sidecar.wait()

    assert mode == 0o600
    assert not os.path.exists(where.path)


def test_another_elector_serves_at_the_same_socket(local: Arena, tmp_path: Path) -> None:
    local.ttl = PATIENT_TTL
    where, option = socket_at(tmp_path)
    leader = local.start(*option)
    local.stamps.wait_for_stints(1)
    wait_for(lambda: ask(where, LEADER)[0] == 200, "the page to say so")

    leader.elector().kill()

    wait_for(lambda: is_served(where) and ask(where, LEADER)[0] == 200, "another elector's page")
    assert len(local.stamps.stints()) == 1


def test_a_socket_is_taken_over_from_the_dead_and_from_nobody_else(
    local: Arena, tmp_path: Path
) -> None:
    where, option = socket_at(tmp_path)
    first = local.start(*option)
    local.stamps.wait_for_stints(1)
    wait_for(lambda: is_served(where), "the page")

    second = local.start(*option)
    code = second.wait()
    kill_at_once(first.everyone)  # Or one of them finds another dead, and tidies up.
    first.process.wait()
    left_behind = os.path.exists(where.path)
    local.start(*option)

    assert code == 125
    assert f"--http unix:{where.path}: another process listens there" in second.log()
    assert left_behind
    wait_for(lambda: is_served(where), "the third to serve there")


def test_its_health_can_be_asked_at_the_socket(local: Arena, tmp_path: Path) -> None:
    where, option = socket_at(tmp_path)
    local.start(*option)
    wait_for(lambda: is_served(where), "the page")

    assert coordsidecar("health", *option).status == 0


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_what_the_page_on_operations_says_of_curl_works(local: Arena, tmp_path: Path) -> None:
    where, option = socket_at(tmp_path)
    local.start(*option)
    local.stamps.wait_for_stints(1)
    wait_for(lambda: ask(where, LEADER)[0] == 200, "the page to say so")
    curl = ["curl", "-sS", "--max-time", "30", "--unix-socket", where.path]
    json_of = ["-H", "Content-Type: application/json", "-d", '{"reason": "a reboot"}']

    done = subprocess.run(
        [*curl, *json_of, f"http://localhost{STEP_DOWN}"], capture_output=True, check=True
    )

    assert json.loads(done.stdout)["ordered"] == "step-down"


def test_a_pause_and_a_cordon_are_ordered_of_any_instance(either: Arena, tmp_path: Path) -> None:
    where, option = socket_at(tmp_path)
    either.start("--id", "one")
    either.stamps.wait_for_stints(1)
    standby = either.start("--id", "two", *option)
    wait_for(lambda: "standing-by" in standby.log() and is_served(where), "the second to stand by")
    asked = [*either.options()[:4], either.election.name, "--rpc-timeout", "30s", "--json"]

    paused = post(where, "/v1/pause", {"reason": "a migration"})
    cordoned = post(where, "/v1/cordon", {"id": "one"})
    status = coordsidecar("status", *asked)
    lifted = [post(where, path, {"id": "one"} if "c" in path else {}) for path in
              ("/v1/uncordon", "/v1/resume")]  # fmt: skip

    assert [answer for answer, _ in (paused, cordoned, *lifted)] == [200] * 4
    assert status.status == 4
    assert json.loads(status.out)["paused"]["reason"] == "a migration"
    assert [one["id"] for one in json.loads(status.out)["cordoned"]] == ["one"]
    by = f"by HTTP: uid {os.getuid()}"
    for order in ("pause", "cordon one", "uncordon one", "resume"):
        assert f" ordered: {order}, by HTTP: " in standby.log(), by
    assert coordsidecar("status", *asked).status == 0
