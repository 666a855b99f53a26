"""An elector that buries its guard is refused what it looks with: it looks again until it sees."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import uuid
from pathlib import Path

import psutil
import pytest

from tests.e2e.sidecars import HELPERS, MARK, marked, named, wait_for, words_of
from tests.errors.launcher import LAUNCHER
from tests.errors.supervisor import CALLS, Refusal, Supervisor

# Its main process dies with its guard, by PDEATHSIG; the one behind has to be looked for.
_JOB = 'setsid sleep 1000 & echo start > "$1"; wait'
_REFUSED = [
    (call, error)
    for call, errors in {
        "openat": ("EMFILE", "ENFILE", "ENOMEM"),
        "getdents64": ("ENOMEM",),
        "read": ("ENOMEM",),
        "poll": ("ENOMEM",),
        "pidfd_send_signal": ("EPERM",),
        "timerfd_settime": ("ENOMEM",),
    }.items()
    if call in CALLS
    for error in errors
]
_OFTEN = 20


def elector_of(guard: int) -> psutil.Process:
    def ours() -> list[psutil.Process]:
        children = psutil.Process(guard).children()
        return [child for child in children if LAUNCHER in words_of(child)]

    wait_for(lambda: named(ours(), "job-fuse"), "the job to have its fuse")
    (elector,) = (child for child in ours() if child.name() not in HELPERS)
    return elector


@pytest.mark.parametrize(("call", "error"), _REFUSED)
def test_a_burial_that_is_refused_something_goes_on_once_it_is_not(
    tmp_path: Path, call: str, error: str
) -> None:
    mark, noted, log = uuid.uuid4().hex, tmp_path / "noted", tmp_path / "log"
    ours, theirs = socket.socketpair()
    options = ["--store", f"local:{tmp_path}/lock", "--name", mark, "--ttl", "5s"]
    command = [sys.executable, LAUNCHER, str(theirs.fileno()), str(CALLS[call]), *options]
    with log.open("wb") as file:
        guard = subprocess.Popen(
            [*command, "--", "sh", "-c", _JOB, "sh", str(noted)],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env=dict(os.environ) | {MARK: mark},
            start_new_session=True,
            pass_fds=[theirs.fileno()],
        )
    theirs.close()
    supervisor = Supervisor(guard.pid, ours, None)
    try:
        wait_for(noted.exists, "the job to run")
        elector = elector_of(guard.pid)
        elector.suspend()  # While its guard lives, it may end of a refusal, and be replaced.
        asked = supervisor.asked["elector", call]
        supervisor.refusal = Refusal("elector", call, error, for_ever=True)
        guard.kill()
        guard.wait()

        elector.resume()

        wait_for(
            lambda: supervisor.asked["elector", call] > asked + _OFTEN or not marked(mark),
            "the elector to be refused a look",
        )
        supervisor.refusal = None
        wait_for(lambda: not marked(mark), "the last of the job to end")
        text = log.read_text()
        assert "released: the job is confirmed dead" in text
        assert "Traceback" not in text
    finally:
        for one in marked(mark):
            with contextlib.suppress(psutil.Error):
                one.kill()
        guard.wait()
        supervisor.close()
