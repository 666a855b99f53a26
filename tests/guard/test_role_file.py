"""The role file tells, at every moment of a leader's life, what the job may think of itself."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path

from coordsidecar.guard.role_file import Role, read_role
from tests.e2e.arena import Arena
from tests.e2e.sidecars import Sidecar, wait_for


def role_in(path: Path) -> Role | None:
    """What the file says now; None while there is none."""
    try:
        return read_role(str(path))
    except ValueError:
        return None


def wait_for_role(path: Path, role: str) -> Role:
    def there() -> bool:
        found = role_in(path)
        return found is not None and found.role == role

    wait_for(there, f"role {role} in the file")
    found = role_in(path)
    assert found is not None
    return found


def test_the_role_file_follows_a_leaders_life(arena: Arena, tmp_path: Path) -> None:
    first = arena.start("--id", "first")
    arena.stamps.wait_for_stints(1)
    path = tmp_path / "role"
    second = arena.start(
        "--id", "second", "--role-file", str(path), "--stop-timeout", "600s",
        command=arena.stamps.command("ignore-term"),
    )  # fmt: skip
    wait_for(lambda: (found := role_in(path)) and found.leader, "the leader to be known")

    standing_by = wait_for_role(path, "standby")
    first.signal(signal.SIGTERM)
    leading = wait_for_role(path, "leader")
    arena.stamps.wait_for_stints(2)
    second.signal(signal.SIGTERM)
    stopping = wait_for_role(path, "stopping")

    assert (standing_by.leader, standing_by.token, standing_by.id) == ("first", None, "second")
    assert (leading.leader, leading.token, leading.pid) == ("second", 2, second.pid)
    assert (stopping.token, stopping.pid) == (2, second.pid)
    assert {seen.name for seen in (standing_by, leading, stopping)} == {arena.election.name}


def test_the_role_file_says_until_when_the_lease_lasts(etcd_arena: Arena, tmp_path: Path) -> None:
    path = tmp_path / "role"
    etcd_arena.start("--role-file", str(path))

    first = wait_for_role(path, "leader")

    assert first.run_until_boottime_s is not None

    def renewed() -> bool:
        found = role_in(path)
        assert found is not None
        assert found.run_until_boottime_s is not None
        return found.run_until_boottime_s > first.run_until_boottime_s  # type: ignore[operator]

    wait_for(renewed, "a renewal to move the deadline")


def test_the_job_is_told_who_it_is(arena: Arena, tmp_path: Path) -> None:
    path = tmp_path / "role"
    sidecar = arena.start("--id", "me", "--role-file", str(path))
    arena.stamps.wait_for_stints(1)

    environ = sidecar.job().environ()

    ours = {name: value for name, value in environ.items() if name.startswith("COORDSIDECAR_")}
    assert ours.pop("COORDSIDECAR_RUN")
    assert ours == {
        "COORDSIDECAR_ROLE": "leader",
        "COORDSIDECAR_TOKEN": "1",
        "COORDSIDECAR_NAME": arena.election.name,
        "COORDSIDECAR_NAMESPACE": arena.election.namespace,
        "COORDSIDECAR_ID": "me",
        "COORDSIDECAR_STORE": f"local:{tmp_path / 'locks'}",
        "COORDSIDECAR_ROLE_FILE": str(path),
    }


def test_each_start_has_a_mark_of_its_own_though_the_name_be_the_same(arena: Arena) -> None:
    """Two runs with one mark would be taken for one another when it comes to sweeping up."""
    first = arena.start("--id", "me")
    arena.stamps.wait_for_stints(1)
    second = arena.start("--id", "me", "--standby", "sleep 600")

    for sidecar in (first, second):
        wait_for(partial(mark, sidecar), "the job to have been executed")
    assert mark(first) != mark(second)


def mark(sidecar: Sidecar) -> str:
    """Empty while its process has not been executed yet."""
    environ: dict[str, str] = sidecar.job().environ()
    return environ.get("COORDSIDECAR_RUN", "")


_SECRETS = {
    "CONSUL_HTTP_TOKEN": "s3cret",
    "ETCDCTL_PASSWORD": "s3cret",
    "ETCDCTL_USER": "root:s3cret",
    "NOTIFY_SOCKET": "/nowhere",
}


def test_our_secrets_are_not_in_the_jobs_environment(arena: Arena) -> None:
    options = {"COORDSIDECAR_STOP_TIMEOUT": "1s", "MINE": "kept"}
    sidecar = arena.start(env=_SECRETS | options)
    arena.stamps.wait_for_stints(1)

    environ = sidecar.job().environ()

    assert not set(environ) & {*_SECRETS, "COORDSIDECAR_STOP_TIMEOUT"}
    assert "s3cret" not in " ".join(environ.values()) + sidecar.log()
    assert environ["MINE"] == "kept"


def test_secrets_that_are_asked_for_are_passed(arena: Arena) -> None:
    sidecar = arena.start("--pass-env", "CONSUL_HTTP_TOKEN,NOTIFY_SOCKET", env=_SECRETS)
    arena.stamps.wait_for_stints(1)

    environ = sidecar.job().environ()

    assert environ["CONSUL_HTTP_TOKEN"] == "s3cret"
    assert environ["NOTIFY_SOCKET"] == "/nowhere"
    assert "ETCDCTL_PASSWORD" not in environ


def test_credentials_in_the_stores_address_do_not_reach_the_job(etcd_arena: Arena) -> None:
    arena = etcd_arena
    assert arena.server is not None
    endpoint = arena.server.endpoint
    sidecar = arena.start("--store", f"etcd://{endpoint},{endpoint}")
    arena.stamps.wait_for_stints(1)

    environ = sidecar.job().environ()

    assert environ["COORDSIDECAR_STORE"] == f"etcd://{endpoint},{endpoint}"
