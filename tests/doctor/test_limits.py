"""Limits are read where the kernel keeps them, and named if they are too small."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from coordsidecar.doctor.finding import Finding
from coordsidecar.doctor.limits import control_group
from coordsidecar.linux import LEAST_OPEN_FILES
from tests.doctor.examined import doctor_by


def group(folder: Path, lines: str, files: dict[str, str]) -> dict[str, Finding]:
    """What is found in a control group of these files, for a process that is in ``lines``."""
    (folder / "proc/self").mkdir(parents=True)
    (folder / "proc/self/cgroup").write_text(lines)
    for name, text in files.items():
        (folder / "cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "cgroup" / name).write_text(text + "\n")
    return {found.check: found for found in control_group(f"{folder}/proc", f"{folder}/cgroup")}


@pytest.mark.parametrize(("files", "state"), [(LEAST_OPEN_FILES - 1, "fail"), (64, "ok")])
def test_too_few_open_files_are_a_failure(files: int, state: str) -> None:
    report = doctor_by("sh", "-c", f'ulimit -n {files}; exec "$@"', "sh")

    assert report.of("open-files").state == state
    assert report.of("open-files").said == f"{files} may be open; {LEAST_OPEN_FILES} are needed"
    assert report.status == (state == "fail")


def test_too_few_processes_are_a_warning() -> None:
    whoever = "setpriv --reuid=61234" if os.geteuid() == 0 else ""
    few, enough = (
        doctor_by("bash", "-c", f'ulimit -u {limit}; exec {whoever} "$@"', "bash")
        for limit in (20, 10_000)
    )

    assert few.of("processes").state == "warn"
    assert few.of("processes").said.startswith("20 for this user, of which ")
    assert enough.of("processes").state == "ok"


def test_who_has_no_group_has_no_limit(tmp_path: Path) -> None:
    found = group(tmp_path, "0::/\n", {})

    assert {finding.state for finding in found.values()} == {"ok"}
    assert all("no limit" in finding.said for finding in found.values())


def test_the_tightest_limit_around_us_counts(tmp_path: Path) -> None:
    files = {"a/pids.max": "40", "a/pids.current": "30", "a/b/pids.max": "1000"}
    files |= {"a/b/memory.max": "104857600", "a/memory.max": "209715200"}
    files |= {"a/cpu.max": "5000 100000", "a/b/cpu.max": "max 100000"}

    found = group(tmp_path, "0::/a/b\n", files)

    assert found["cgroup-pids"].state == "warn"
    assert "40, of which 10 are left" in found["cgroup-pids"].said
    assert found["cgroup-memory"].said == "100 MiB of memory"
    assert (found["cgroup-cpu"].state, found["cgroup-cpu"].said) == (
        "warn",
        "only 5% of one processor",
    )


def test_limits_that_are_wide_are_no_warning(tmp_path: Path) -> None:
    files = {"pids.max": "100", "pids.current": "7", "cpu.max": "10000 100000"}

    found = group(tmp_path, "0::/\n", files)

    assert {finding.state for finding in found.values()} == {"ok"}
    assert found["cgroup-cpu"].said == "10% of one processor"


def test_groups_of_the_first_version_are_read_as_well(tmp_path: Path) -> None:
    lines = "4:pids:/x\n3:cpu,cpuacct:/x\n2:memory:/x\n1:name=systemd:/x\n"
    files = {"pids/x/pids.max": "9", "pids/x/pids.current": "8"}
    files |= {"cpu/x/cpu.cfs_quota_us": "9000", "cpu/x/cpu.cfs_period_us": "100000"}
    files |= {"memory/x/memory.limit_in_bytes": "33554432"}
    files |= {"memory/memory.limit_in_bytes": "9223372036854771712"}

    found = group(tmp_path, lines, files)

    assert {name: finding.state for name, finding in found.items()} == {
        "cgroup-pids": "warn",
        "cgroup-memory": "ok",
        "cgroup-cpu": "warn",
    }
    assert found["cgroup-memory"].said == "32 MiB of memory"
