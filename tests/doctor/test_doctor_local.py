"""The folder of lock files, examined."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from coordsidecar.store.protocol import Election
from coordsidecar_adapters.local.doctor import network_mount
from tests.contract.candidate import stand_for
from tests.contract.harness import LocalHarness
from tests.doctor.examined import REFUSED, doctor, doctor_by, namespaces


def test_a_folder_that_is_still_to_be_made_is_well_and_is_not_made(tmp_path: Path) -> None:
    report = doctor("--store", f"local:{tmp_path}/locks", "--name", "x")

    assert report.not_ok() == set()
    assert f"to be made, in {tmp_path}" in report.of("rights", "folder").subject
    assert list(tmp_path.iterdir()) == []


def test_who_leads_is_not_disturbed_and_the_folder_stays_as_it_was(tmp_path: Path) -> None:
    election = Election(namespace="default", name="x")
    leader = stand_for(
        LocalHarness(tmp_path).connect(election), ttl_s=15.0, takeover_delay_s=1.0, call_s=5.0
    )
    token = leader.leads()
    folder = next(path.parent for path in tmp_path.rglob("x.lock"))
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}

    report = doctor("--store", f"local:{folder.parent}", "--name", "x")

    assert report.not_ok() == set()
    assert report.of("election").said == f"is led with token {token}"
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    leader.end()


def test_a_folder_that_cannot_be_written_to_is_a_failure() -> None:
    report = doctor("--store", "local:/proc/sys", "--name", "x")

    assert (report.status, report.of("rights", "folder").state) == (1, "fail")
    assert "cannot be written to" in report.of("rights", "folder").said
    assert "--store local:/folder" in report.of("rights", "folder").remedy


def test_a_lock_that_is_no_file_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "default/x.lock").mkdir(parents=True)

    report = doctor("--store", f"local:{tmp_path}", "--name", "x")

    assert report.status == 1
    assert "no regular file" in report.of("rights", "files").said
    assert report.of("rights", "files").remedy == "remove it"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_a_lock_file_that_somebody_else_keeps_is_a_failure(tmp_path: Path) -> None:
    folder = Path("/tmp") / f"doctor-{os.getpid()}"
    (folder / "default").mkdir(parents=True)
    (folder / "default").chmod(0o777)
    (folder / "default/x.lock").write_text("")
    (folder / "default/x.lock").chmod(0o600)
    environ = {"COORDSIDECAR_STORE": f"local:{folder}"}
    try:
        report = doctor_by("setpriv", "--reuid=61234", environ=environ)
    finally:
        subprocess.run(["rm", "-r", str(folder)], check=True)

    assert (report.status, report.of("rights", "files").state) == (1, "fail")
    assert "belongs to somebody else" in report.of("rights", "files").said


def test_a_limit_of_the_size_of_files_that_is_too_small_is_a_failure() -> None:
    report = doctor_by("bash", "-c", 'ulimit -f 8; exec "$@"', "bash")

    assert (report.status, report.of("rights", "files").state) == (1, "fail")
    assert "ulimit -f" in report.of("rights", "files").remedy


@pytest.mark.parametrize(
    ("options", "locks"),
    [("rw,vers=4.2", True), ("rw,nolock", False), ("rw,local_lock=all", False)],
)
def test_a_network_file_system_is_known_by_its_mount(options: str, locks: bool) -> None:
    mounts = (
        "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
        f"30 20 0:40 / /srv/my\\040locks rw,relatime shared:9 - nfs4 host:/x {options}\n"
        "31 30 8:2 / /srv/my\\040locks/disk rw - ext4 /dev/sdb1 rw\n"
    )

    assert network_mount(mounts, "/srv/my locks/a") == ("nfs4", locks)
    assert network_mount(mounts, "/srv/my locks") == ("nfs4", locks)
    assert network_mount(mounts, "/srv/my locks/disk/a") == ("", True)
    assert network_mount(mounts, "/srv/mylocks") == ("", True)
    hidden = mounts + "32 20 8:3 / /srv rw - ext4 /dev/sdc1 rw\n"
    assert network_mount(hidden, "/srv/my locks/a") == ("", True)


@pytest.mark.parametrize(
    ("error", "said"),
    [(errno.ENOLCK, "the kernel refuses to lock there"), (0, "two can hold the same lock there")],
)
def test_a_folder_without_locks_is_a_failure(error: int, said: str) -> None:
    report = doctor_by(sys.executable, str(REFUSED), "flock", str(error))

    assert (report.status, report.of("rights", "flock").state) == (1, "fail")
    assert said in report.of("rights", "flock").said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
@pytest.mark.parametrize(("options", "state"), [("rw,vers=4.2", "warn"), ("rw,nolock", "fail")])
def test_a_network_file_system_is_a_warning_and_a_failure_without_locks(
    options: str, state: str, tmp_path: Path
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
        "21 20 0:19 / /proc rw - proc proc rw\n"
        f"30 20 0:40 / /tmp rw - nfs4 host:/x {options}\n"
    )
    over = f'mount --bind {mounts} /proc/$$/mountinfo && exec "$@"'

    report = doctor_by(*namespaces("--mount"), "sh", "-c", over, "sh")

    disk = report.of("rights", "disk")
    assert (disk.state, report.status) == (state, state == "fail")
    assert "it is on nfs4" in disk.said
    assert "etcd" in disk.remedy
