"""How a sidecar ends, and what its exit code says of it."""

from __future__ import annotations

import json
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.cli.command import coordsidecar
from tests.e2e.arena import Arena
from tests.e2e.sidecars import Sidecar, has_ended, wait_for
from tests.guard.test_pid_one import elector_of
from tests.servers import EtcdServer
from tests.servers.process import free_ports


def test_losing_leadership_ends_us_if_asked_to(arena: Arena) -> None:
    leader = arena.start("--on-lost", "exit")
    arena.stamps.wait_for_stints(1)

    arena.revoke()

    assert leader.wait() == 123


def test_waiting_ends_when_its_time_is_up(arena: Arena) -> None:
    arena.start()
    arena.stamps.wait_for_stints(1)

    late, at_once = arena.start("--wait", "1s"), arena.start("--wait", "0")

    assert at_once.wait() == 124
    assert late.wait() == 124
    assert len(arena.stamps.stints()) == 1


def test_a_leader_is_no_late_comer(arena: Arena) -> None:
    """`--wait` is about becoming the leader: once we lead, the job runs for as long as it likes."""
    leader = arena.start("--wait", "4s", command=["sleep", "5"])

    assert leader.wait() == 0


def test_a_store_that_cannot_be_reached_at_the_start_ends_us(network_arena: Arena) -> None:
    wire = network_arena.proxy()
    wire.cut()

    sidecar = network_arena.start(by=wire)

    assert sidecar.wait() == 125
    assert_explained(sidecar, wire.endpoint)
    assert not network_arena.stamps.path.exists()


@pytest.mark.parametrize(
    "url",
    ["etcd://root:hunter2@:nonsense", "consul://root:hunter2@host:99999", "etcds://u:hunter2@h:x"],
)
def test_a_bad_store_address_is_one_sentence_without_the_password(
    arena_of_local: Arena, url: str
) -> None:
    sidecar = arena_of_local.start("--store", url)

    assert sidecar.wait() == 2
    assert sidecar.log().count("\n") == 1
    assert_explained(sidecar, "")


def test_a_wrong_password_is_explained_and_not_shown(etcd_with_users: Arena) -> None:
    server = etcd_with_users.server
    assert server is not None
    url = f"etcd://root:hunter2@{server.endpoint}"

    sidecar = etcd_with_users.start("--store", url)

    assert sidecar.wait() == 125
    assert_explained(sidecar, "")
    assert not etcd_with_users.stamps.path.exists()


def test_a_waiting_sidecar_can_be_stopped_and_leaves_the_queue(arena: Arena) -> None:
    leader, standby = arena.pair()
    third = arena.start()
    wait_for(lambda: "standing-by" in third.log(), "the third instance to stand by")

    standby.signal(signal.SIGTERM)

    assert standby.wait() == 128 + signal.SIGTERM
    leader.signal(signal.SIGTERM)
    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()
    assert third.leads()


def test_the_status_page_says_who_leads(arena: Arena) -> None:
    ports = free_ports(2)
    leader = arena.start("--http", str(ports[0]), "--id", "first")
    arena.stamps.wait_for_stints(1)
    standby = arena.start("--http", str(ports[1]), "--id", "second")
    wait_for(lambda: "standing-by" in standby.log(), "the second instance to stand by")

    status = [page(port, "/") for port in ports]

    token = int(arena.stamps.stints()[0].token)
    assert [code for code, _ in status] == [200, 200]
    leads, stands_by = (json.loads(body) for _, body in status)
    assert (leads["role"], leads["token"], leads["leader"]) == ("leader", token, "first")
    assert (stands_by["role"], stands_by["leader"]) == ("standby", "first")
    assert [page(port, "/leader")[0] for port in ports] == [200, 503]
    assert leader.process.poll() is None


def test_a_probe_hears_that_the_guard_is_stopped_and_that_it_is_back(
    arena_of_local: Arena,
) -> None:
    arena = arena_of_local
    arena.ttl = "60s"  # The guard is given up much later.
    (port,) = free_ports(1)
    leader = arena.start("--http", str(port))
    arena.stamps.wait_for_stints(1)
    wait_for(lambda: page(port, "/healthz")[0] == 200, "guard and elector to be healthy")

    leader.signal(signal.SIGSTOP)

    wait_for(lambda: page(port, "/healthz")[0] == 503, "the probe to fail")
    asked = coordsidecar("health", "--http", str(port))
    assert (asked.status, asked.out) == (1, "")
    assert "not healthy: the guard is stopped" in asked.err
    told = json.loads(page(port, "/healthz")[1])
    assert told["guard_is_stopped"]
    assert told["most_age_s"] > told["elector_age_s"]
    leader.signal(signal.SIGCONT)
    wait_for(lambda: page(port, "/healthz")[0] == 200, "the probe to succeed")
    assert coordsidecar("health", "--http", str(port)).status == 0
    assert len(arena.stamps.stints()) == 1


def test_a_status_port_that_is_taken_is_explained(arena_of_local: Arena) -> None:
    (port,) = free_ports(1)
    arena_of_local.start("--http", str(port))
    arena_of_local.stamps.wait_for_stints(1)

    second = arena_of_local.start("--http", str(port))

    assert second.wait() == 125
    assert_explained(second, str(port))


@pytest.fixture
def arena_of_local(arena_of: Callable[[str], Arena]) -> Arena:
    return arena_of("local")


@pytest.fixture
def etcd_with_users(
    etcd_server: Callable[..., EtcdServer], arena_of: Callable[[str], Arena]
) -> Arena:
    arena = arena_of("etcd")
    arena.server = etcd_server(auth=True)
    return arena


def assert_explained(sidecar: Sidecar, what: str) -> None:
    """The last line is the reason; there is no traceback, and no secret."""
    assert what in sidecar.log().splitlines()[-1]
    assert "Traceback" not in sidecar.log()
    assert "hunter2" not in sidecar.log()


def page(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


# What it needs is refused to the elector once, long after it has started.
_IS_REFUSED = """
import errno, os, sys
from coordsidecar.cli import main
from coordsidecar.elector import loop

next_wake_s = loop.core.next_wake_s

def refused(*arguments):
    if os.path.exists(flag):
        os.unlink(flag)
        raise OSError(errno.ENOMEM, "Cannot allocate memory")
    return next_wake_s(*arguments)

flag = sys.argv.pop(1)
loop.core.next_wake_s = refused
main.main()
"""


def test_the_first_elector_that_is_refused_something_one_day_is_followed_by_another(
    arena: Arena, tmp_path: Path
) -> None:
    flag = tmp_path / "flag"
    program = (sys.executable, "-c", _IS_REFUSED, str(flag))
    leader = arena.start()
    arena.stamps.wait_for_stints(1)
    standby = arena.start(program=program)
    wait_for(lambda: "standing-by" in standby.log(), "the second instance to stand by")
    elector = elector_of(psutil.Process(standby.pid))

    flag.touch()

    wait_for(lambda: has_ended(elector), "the elector to end")
    leader.signal(signal.SIGTERM)
    arena.stamps.wait_for_stints(2)
    assert "elector-failed: " in standby.log()
