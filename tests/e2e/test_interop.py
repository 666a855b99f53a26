"""Side by side with the locks people already use: they exclude us, and we exclude them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.arena import Arena
from tests.e2e.sidecars import wait_for
from tests.servers import ConsulServer, EtcdServer, KubernetesServer

_SAYS_IT_LEADS = {
    "etcd": "their-proposal",
    "etcd+grpc": "their-proposal",
    "kubernetes": "successfully acquired lease",
}


def their_lock(arena: Arena, *command: str) -> list[str]:
    """The command line of etcdctl, consul, client-go's example or flock(1), for the same election.

    etcdctl and the example run no command, but print that they lead: see `_SAYS_IT_LEADS`.
    """
    prefix = arena.election.prefix
    if isinstance(arena.server, EtcdServer):
        return arena.server.etcdctl_argv("elect", prefix, "their-proposal")
    if isinstance(arena.server, ConsulServer):
        consul = arena.server.process.argv[0]
        return [consul, "lock", f"-http-addr={arena.server.url}", "-shell=false", prefix, *command]
    if isinstance(arena.server, KubernetesServer):
        lease, namespace = arena.election.name, arena.election.namespace
        return arena.server.leader_election_argv(lease, namespace=namespace, identity="theirs")
    lock = arena.folder / "locks" / f"{prefix}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    return ["flock", str(lock), *command]


@contextlib.contextmanager
def running(argv: list[str], out: Path) -> Iterator[subprocess.Popen[bytes]]:
    with out.open("wb") as file:
        process = subprocess.Popen(argv, stdout=file, stderr=file, start_new_session=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # Whatever its job still is.


def test_their_lock_makes_us_wait(arena: Arena, tmp_path: Path) -> None:
    out, started = tmp_path / "theirs", tmp_path / "started"
    theirs = their_lock(arena, "sh", "-c", f"echo on > {started}; exec sleep 600")
    with running(theirs, out) as process:
        says = _SAYS_IT_LEADS.get(arena.scheme)
        wait_for(lambda: says in out.read_text() if says else started.exists(), "their lock")
        ours = arena.start()
        wait_for(lambda: "standing-by" in ours.log(), "us to stand by")
        assert not ours.leads()

        if says or arena.scheme == "consul":
            process.send_signal(signal.SIGINT)
        else:
            psutil.Process(process.pid).children()[0].terminate()

        arena.stamps.wait_for_stints(1)


def test_our_lock_makes_them_wait(arena: Arena, tmp_path: Path) -> None:
    out = tmp_path / "theirs"
    ours = arena.start()
    arena.stamps.wait_for_stints(1)
    stamp = [*arena.stamps.command("as-token", "99999999999")]
    with running(their_lock(arena, *stamp), out) as process:
        if arena.scheme == "local":
            wait_for(lambda: waits_for_flock(process.pid), "flock(1) to wait")
        elif arena.scheme == "kubernetes":  # They are not in any queue; but they say what they see.
            wait_for(lambda: "new leader elected" in out.read_text(), "them to see our lead")
        else:
            wait_for(lambda: candidates(arena) >= 2, "their candidacy")
        assert process.poll() is None
        assert ours.leads()

        ours.signal(signal.SIGTERM)

        assert ours.wait() == 128 + signal.SIGTERM
        if says := _SAYS_IT_LEADS.get(arena.scheme):
            wait_for(lambda: says in out.read_text(), "them to be elected")
        else:
            arena.stamps.wait_for_stints(2)
            arena.stamps.assert_never_two()


def test_our_record_tells_them_who_leads(etcd_arena: Arena) -> None:
    arena = etcd_arena
    assert isinstance(arena.server, EtcdServer)
    arena.start("--id", "blue-7")
    arena.stamps.wait_for_stints(1)

    argv = arena.server.etcdctl_argv("elect", "--listen", arena.election.prefix)
    with running(argv, arena.folder / "listen"):
        wait_for(lambda: "blue-7" in (arena.folder / "listen").read_text(), "our record")


@pytest.fixture
def etcd_arena(arena_of: Callable[[str], Arena]) -> Arena:
    return arena_of("etcd")


def waits_for_flock(pid: int) -> bool:
    """A waiter's line in /proc/locks begins with an arrow."""
    lines = Path("/proc/locks").read_text().splitlines()
    return any("->" in line and f" {pid} " in line for line in lines)


def candidates(arena: Arena) -> int:
    """How many candidates or sessions there are for the election."""
    prefix = arena.election.prefix
    if isinstance(arena.server, EtcdServer):
        keys = arena.server.etcdctl("get", "--prefix", f"{prefix}/", "--keys-only")
        return len(keys.split())
    assert isinstance(arena.server, ConsulServer)
    sessions = arena.server.http("GET", "/v1/session/list").json()
    return sum(
        prefix in session["Name"] or session["Name"] == "Consul Lock" for session in sessions
    )
