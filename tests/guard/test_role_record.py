"""The role file is whole whenever it is read, and says how long the lead lasts at least."""

from __future__ import annotations

import json
import math
import os
import stat
import time
from pathlib import Path

import pytest

from coordsidecar.guard.role_file import Role, read_role, write_role
from coordsidecar.store.protocol import Election

ELECTION = Election(namespace="ns", name="nightly")


def write(path: Path, *, token: int | None = 7, until_s: float | None = None) -> None:
    write_role(
        str(path),
        role="leader" if token else "standby",
        token=token,
        leader="host a",
        election=ELECTION,
        node_id="a",
        run_until_boottime_s=until_s,
    )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "role"
    until_s = time.clock_gettime(time.CLOCK_BOOTTIME) + 10
    before_s = time.time()

    write(path, until_s=until_s)

    role = read_role(str(path))
    assert (role.role, role.token, role.leader) == ("leader", 7, "host a")
    assert (role.namespace, role.name, role.id) == ("ns", "nightly", "a")
    assert role.pid == os.getpid()
    assert role.run_until_boottime_s == until_s
    assert role.written_unix_s is not None
    assert role.written_unix_s >= before_s
    assert role.run_until_unix_s is not None
    # Between the readings of the two clocks a little time passes; a minute is more than enough.
    assert abs(role.run_until_unix_s - (role.written_unix_s + 10)) < 60


@pytest.mark.parametrize("until_s", [None, math.inf])
def test_no_limit_is_null(tmp_path: Path, until_s: float | None) -> None:
    write(tmp_path / "role", until_s=until_s)

    fields = json.loads((tmp_path / "role").read_text())
    assert fields["run_until_unix_s"] is None
    assert fields["run_until_boottime_s"] is None


def test_everybody_may_read_it_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write(tmp_path / "role")
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "role").stat().st_mode) == 0o644


def test_a_reader_that_holds_the_old_file_still_reads_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "role"
    write(path, token=7)
    with open(path) as old:
        write(path, token=8)

        assert json.load(old)["token"] == 7
    assert read_role(str(path)).token == 8


def test_the_draft_of_an_earlier_process_with_our_pid_is_no_obstacle(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / f".role.{os.getpid()}.new").symlink_to(victim)

    write(tmp_path / "role")

    assert victim.read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["role", "victim"]


def test_a_file_that_cannot_be_replaced_leaves_no_draft(tmp_path: Path) -> None:
    (tmp_path / "role").mkdir()

    with pytest.raises(OSError, match="directory"):
        write(tmp_path / "role")

    assert [path.name for path in tmp_path.iterdir()] == ["role"]


@pytest.mark.parametrize(
    "text", ["", "not json", "[]", "{}", '{"role": "king"}', '{"role": []}', "[" * 100_000]
)
def test_a_file_that_is_no_role_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "role"
    path.write_text(text)

    with pytest.raises(ValueError, match=f"role file {path}"):
        read_role(str(path))


def test_a_missing_file_is_refused_too(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="No such file"):
        read_role(str(tmp_path / "role"))


def test_what_others_add_leave_out_or_get_wrong_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "role"
    path.write_text('{"role": "standby", "token": true, "pid": "x", "new": 1}')

    assert read_role(str(path)) == Role(role="standby")
