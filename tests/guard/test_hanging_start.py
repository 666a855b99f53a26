"""A start that hangs between order and exec, as on a file system that does not answer."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.arena import Arena
from tests.e2e.sidecars import Sidecar, named, wait_for

# Who opens a file on which somebody has a lease for writing waits until that is given up: up to
# /proc/sys/fs/lease-break-time, 45 s. The holder is asked by a signal, and says so on its output.
_HOLDER = r"""
import fcntl, os, signal, sys
fd = os.open(sys.argv[1], os.O_RDWR)
signal.signal(signal.SIGIO, lambda *_: os.write(1, b"asked\n"))
fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
os.write(1, b"held\n")
sys.stdin.read()
"""


@contextmanager
def hanging_to_execute(program: Path) -> Iterator[subprocess.Popen[bytes]]:
    holder = [sys.executable, "-c", _HOLDER, str(program)]
    pipe = subprocess.PIPE
    with subprocess.Popen(holder, stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"held\n"
        try:
            yield process
        finally:
            process.stdin.close()


def script(folder: Path) -> Path:
    path = folder / "script"
    path.write_text("#!/bin/sh\nexec sleep 600\n")
    path.chmod(0o755)
    return path


@contextmanager
def hanging_at_its_start(
    arena: Arena, folder: Path
) -> Iterator[tuple[Sidecar, subprocess.Popen[bytes]]]:
    """A sidecar that leads, whose job's exec hangs until the end; and who makes it hang."""
    program = script(folder)
    with hanging_to_execute(program) as holder:
        sidecar = arena.start(command=[str(program)])
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"asked\n"
        yield sidecar, holder


def test_a_guard_whose_job_hangs_at_its_start_is_awake_and_can_be_stopped(
    etcd_arena: Arena, tmp_path: Path
) -> None:
    """Else it keeps no deadline, and its elector must bury it."""
    with hanging_at_its_start(etcd_arena, tmp_path) as (sidecar, holder):
        sidecar.signal(signal.SIGTERM)

        assert sidecar.wait() == 128 + signal.SIGTERM
        assert holder.poll() is None
    assert "killing" not in sidecar.log()


def test_a_job_that_hangs_at_its_start_keeps_the_lead_and_starts_late(
    etcd_arena: Arena, tmp_path: Path
) -> None:
    with hanging_at_its_start(etcd_arena, tmp_path) as (sidecar, _):
        hanging = named(sidecar.children(), "job-to-be")
        assert len(hanging) == 1

    wait_for(lambda: "started the job" in sidecar.log(), "the job to be started after all")
    assert sidecar.log().count("started the job") == 1
    assert sidecar.job() == hanging[0]
    assert "replac" not in sidecar.log()
