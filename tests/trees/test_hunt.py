"""The hunt for what a dead guard left is over only when nobody is left."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from coordsidecar.trees.hunt import Hunt
from coordsidecar.trees.mark import RUN_VARIABLE
from coordsidecar.trees.process import Process
from tests.e2e.sidecars import wait_for

_CHURN = Path(__file__).parent / "jobs" / "churn.py"
_HEADLESS = Path(__file__).parent / "jobs" / "headless.py"


def hunt_down(run: str) -> None:
    hunt = Hunt(run)
    while not hunt.over:
        hunt.kill_pass()


@pytest.mark.parametrize("_", range(5))
def test_nobody_who_forks_on_gets_away(tmp_path: Path, _: int) -> None:
    run, path = secrets.token_hex(8), tmp_path / "trace"
    env = dict(os.environ) | {RUN_VARIABLE: f"outer:{run}"}
    subprocess.run([sys.executable, "-I", "-S", str(_CHURN), str(path)], env=env, check=True)
    wait_for(lambda: path.exists() and path.stat().st_size > 10, "the churning to begin")

    hunt_down(run)

    size = path.stat().st_size
    subprocess.run(["sleep", "0.1"], check=True)  # Some hundred forks of somebody who got away.
    assert path.stat().st_size == size


def test_a_process_whose_first_thread_has_ended_does_not_get_away(tmp_path: Path) -> None:
    run, path = secrets.token_hex(8), tmp_path / "trace"
    env = dict(os.environ) | {RUN_VARIABLE: run}
    process = subprocess.Popen([sys.executable, "-S", str(_HEADLESS), str(path)], env=env)
    try:
        wait_for(path.exists, "the second thread to work")
        wait_for(lambda: first_thread(process.pid) == "Z", "the first thread to end")

        hunt_down(run)

        wait_for(lambda: process.poll() is not None, "the second thread to end")
    finally:
        process.kill()
        process.wait()


def first_thread(pid: int) -> str:
    """The letter of its state."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_who_has_another_mark_or_none_is_spared() -> None:
    run = secrets.token_hex(8)
    marks = [{RUN_VARIABLE: run[:-1]}, {RUN_VARIABLE: f"x{run}"}, {"OTHER": run}, {}]
    spared = [subprocess.Popen(["sleep", "600"], env=mark) for mark in marks]

    hunt_down(run)

    assert [process.poll() for process in spared] == [None] * len(marks)
    for process in spared:
        process.kill()
        process.wait()


def test_a_program_that_wiped_its_environment_does_not_keep_the_hunt_going() -> None:
    process = subprocess.Popen(["env", "-i", "sleep", "600"])
    wait_for(lambda: not Path(f"/proc/{process.pid}/environ").read_bytes(), "env to execute sleep")

    hunt_down(secrets.token_hex(8))

    assert process.poll() is None
    process.kill()
    process.wait()


def test_who_executes_a_program_just_as_its_environment_is_read_does_not_get_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was opened is that of the program before, and so it is empty by then."""
    run = secrets.token_hex(8)
    marked = dict(os.environ) | {RUN_VARIABLE: run}
    words = ["sh", "-c", "read _; exec sleep 600"]
    read = Process.environ
    seen: list[bytes] = []

    def executes_meanwhile(self: Process, thread: str = ".") -> bytes:
        if self.pid != process.pid or seen:
            return read(self, thread)
        with open(f"/proc/{process.pid}/environ", "rb", buffering=0) as environ:
            assert process.stdin is not None
            process.stdin.write(b"\n")
            process.stdin.close()
            wait_for(lambda: b"read _" not in self.command_line(), "it to execute sleep")
            seen.append(environ.read())
        return seen[0]

    with subprocess.Popen(words, env=marked, stdin=subprocess.PIPE) as process:
        monkeypatch.setattr(Process, "environ", executes_meanwhile)

        hunt_down(run)

        try:
            assert seen == [b""]
            wait_for(lambda: process.poll() is not None, "it to end")
        finally:
            process.kill()
