"""A bundle runs where there is nothing, or another libc, and the job does not notice."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable

import pytest

from coordsidecar.store.protocol import Election
from tests.bundle.roots import JOB, Root
from tests.e2e.sidecars import MARK, Stamps, has_ended, named, wait_for
from tests.servers import EtcdServer

KINDS = ("empty", "musl", "old")
# All that could mislead our Python or its loader, and is none of our business.
GIVEN = (
    "PATH=/nowhere",
    "LD_PRELOAD=/nowhere/libjemalloc.so",
    "LD_LIBRARY_PATH=/nowhere:/lib",
    "LD_BIND_NOW=1",
    "GLIBC_TUNABLES=glibc.malloc.check=1",
    "PYTHONHOME=/nowhere",
    "PYTHONPATH=/nowhere",
    "PYTHONWARNINGS=error",
    "SSL_CERT_FILE=/nowhere/cert.pem",
    "LC_CTYPE=POSIX",
    "EMPTY=",
    "WORDS=two words",
)


def report(text: str) -> list[str]:
    """What a job has said of what it was given, less what a sidecar means it to have."""
    ours = (f"variable {MARK}=", "variable COORDSIDECAR_")
    lines = [line for line in text.splitlines() if not line.startswith(ours)]
    # The kernel's lock is held by the job, too.
    return sorted(line for line in lines if not line.endswith(".lock"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_job_is_given_what_it_would_be_given_without_us(
    root_of: Callable[[str], Root], kind: str
) -> None:
    root = root_of(kind)
    job = (JOB, "report", "two words", "")
    without = subprocess.run(
        root.command(JOB, "with", *GIVEN, "--", *job), capture_output=True, text=True, check=True
    )

    sidecar = root.start(
        *("--store", "local:/writable", "--name", "x", "--", *job),
        given=(*GIVEN, "COORDSIDECAR_TTL=9s"),
        stdout=subprocess.PIPE,
    )
    told, _ = sidecar.process.communicate(timeout=60)

    assert sidecar.wait() == 0, sidecar.log()
    assert report(told.decode()) == report(without.stdout)
    assert {f"variable {variable}" for variable in GIVEN} <= set(told.decode().splitlines())
    assert "COORDSIDECAR_TOKEN=" in told.decode()
    assert "KEPT" not in told.decode()
    others = [line for line in sidecar.log().splitlines() if not line.startswith("coordsidecar ")]
    # Of what was preloaded the job's own loader may complain; ours must not have seen it.
    assert others == [] or kind != "empty"


@pytest.mark.parametrize("kind", KINDS)
def test_one_hands_over_to_the_other(
    root_of: Callable[[str], Root], kind: str, etcd: EtcdServer, election: Election
) -> None:
    root = root_of(kind)
    stamps = Stamps(root.folder / "writable" / "stamps")
    options = ["--store", f"etcd://{etcd.endpoint}", "--name", election.name, "--ttl", "4s"]
    command = ["--", JOB, "stamp", "/writable/stamps"]
    leader = root.start(*options, *command)
    stamps.wait_for_stints(1)
    standby = root.start(*options, *command)
    wait_for(lambda: "standing-by" in standby.log(), "the second instance to stand by")
    elector = leader.elector()
    fuses = named(leader.children(), "job-fuse")
    assert elector.name() == "coordsidecar", "so that ps and pkill find it"
    assert len(fuses) == 1
    everyone = [*leader.children(), leader.job()]

    leader.signal(signal.SIGTERM)

    assert leader.wait() == 128 + signal.SIGTERM, leader.log()
    stamps.wait_for_stints(2)
    stamps.assert_never_two()
    assert all(map(has_ended, everyone))
    standby.signal(signal.SIGTERM)
    assert standby.wait() == 128 + signal.SIGTERM, standby.log()


@pytest.mark.parametrize("struck", ["guard", "elector"])
def test_guard_and_elector_watch_each_other(
    root: Root, etcd: EtcdServer, election: Election, struck: str
) -> None:
    stamps = Stamps(root.folder / "writable" / "stamps")
    store = ("--store", f"etcd://{etcd.endpoint}", "--name", election.name, "--ttl", "4s")
    sidecar = root.start(*store, "--", JOB, "stamp", "/writable/stamps")
    stamps.wait_for_stints(1)
    job, elector = sidecar.job(), sidecar.elector()

    (elector if struck == "elector" else sidecar.process).kill()

    if struck == "elector":
        wait_for(lambda: sidecar.elector().pid != elector.pid, "another elector")
        assert not has_ended(job)
    else:
        wait_for(lambda: has_ended(job) and has_ended(elector), "nobody to be left")
