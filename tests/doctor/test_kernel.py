"""What the kernel refuses, or only seems to do, is found before a sidecar needs it."""

from __future__ import annotations

import errno
import os
import sys

import pytest

from coordsidecar.doctor.kernel import hides_processes
from tests.doctor.examined import REFUSED, doctor, doctor_by, namespaces

_CALLS = ("pdeathsig", "subreaper", "pidfd", "eventfd", "timerfd", "signalfd")


def test_where_all_is_allowed_nothing_fails() -> None:
    report = doctor("--name", "x", "--store", "local:/tmp")

    assert {report.of(call).state for call in _CALLS} == {"ok"}
    assert report.of("proc").state == "ok"
    assert report.status == 0


@pytest.mark.parametrize("call", _CALLS)
def test_a_call_that_is_refused_is_named(call: str) -> None:
    report = doctor_by(sys.executable, str(REFUSED), call, str(errno.EPERM))

    assert report.status == 1
    assert {c.check for c in report.checks if c.state == "fail"} == {call}
    assert "Operation not permitted" in report.of(call).said
    assert "seccomp" in report.of(call).remedy


@pytest.mark.parametrize(
    ("call", "said"),
    [("pdeathsig", "outlived its parent"), ("subreaper", "orphan of ours went to another")],
)
def test_what_only_seems_to_work_is_found_out(call: str, said: str) -> None:
    report = doctor_by(sys.executable, str(REFUSED), call, "0")

    assert (report.status, report.of(call).state) == (1, "fail")
    assert said in report.of(call).said


@pytest.mark.parametrize("call", ["setpriority", "sched_setscheduler"])
def test_a_fuse_that_may_not_run_first_is_a_warning(call: str) -> None:
    report = doctor_by(sys.executable, str(REFUSED), call, str(errno.EPERM))

    fuse = report.of("fuse")
    assert (report.status, fuse.state) == (0, "warn")
    assert {"setpriority": "nice -20", "sched_setscheduler": "SCHED_RR"}[call] in fuse.said
    assert "CAP_SYS_NICE" in fuse.remedy


def test_a_proc_of_another_namespace_is_a_failure() -> None:
    report = doctor_by(*namespaces("--pid"))

    assert (report.status, report.of("proc").state) == (1, "fail")
    assert "another PID namespace" in report.of("proc").said


def test_process_1_is_told_so() -> None:
    report = doctor_by(*namespaces("--pid", "--mount-proc"))

    assert report.of("process-1").subject == "process 1"
    assert report.of("process-1").said.startswith("process 1 of its namespace")
    assert report.of("proc").state == "ok"
    assert "not process 1" in doctor("--store", "local:/tmp").of("process-1").said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a /proc")
def test_a_proc_that_hides_others_is_a_warning() -> None:
    hiding = 'mount -t proc -o hidepid=2 proc /proc && exec setpriv --reuid=65534 "$@"'

    report = doctor_by(*namespaces("--pid", "--mount"), "sh", "-c", hiding, "sh")

    assert report.of("proc").state == "warn"
    assert "hidepid" in report.of("proc").said


@pytest.mark.parametrize(
    ("options", "hides"),
    [
        ("rw", False),
        ("rw,hidepid=0", False),
        ("rw,hidepid=off", False),
        ("rw,gid=4,hidepid=invisible", True),
    ],
)
def test_the_proc_that_is_mounted_last_counts(options: str, hides: bool) -> None:
    mounts = (
        "21 20 0:19 / /proc rw,nosuid - proc proc rw,hidepid=2\n"
        f"36 21 0:33 / /proc rw,nosuid shared:3 - proc proc {options}\n"
        "37 20 0:34 / /srv/proc rw - proc proc rw,hidepid=2\n"
    )

    assert hides_processes(mounts) is hides
