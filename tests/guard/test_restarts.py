"""--restart: the job runs again under the same lead, but not for ever."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.e2e.arena import Arena
from tests.e2e.sidecars import wait_for

_TURN = """
import os, sys, time
path, codes = sys.argv[1], sys.argv[2:]
turn = len(open(path).readlines()) if os.path.exists(path) else 0
with open(path, "a") as file:
    file.write(os.environ["COORDSIDECAR_TOKEN"] + "\\n")
if turn < len(codes):
    sys.exit(int(codes[turn]))
time.sleep(600)
"""


def turns(path: Path, *codes: int) -> list[str]:
    """A job that notes its token and ends with the next of ``codes``; then it stays."""
    return [sys.executable, "-I", "-S", "-c", _TURN, str(path), *map(str, codes)]


def tokens(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def test_a_job_that_fails_is_started_again_under_the_same_lead(
    arena: Arena, tmp_path: Path
) -> None:
    path = tmp_path / "turns"

    sidecar = arena.start("--restart", "on-failure", command=turns(path, 1, 2, 0))

    assert sidecar.wait() == 0
    assert tokens(path) == ["1", "1", "1"]


def test_a_job_that_is_always_to_run_is_started_again_after_success(
    arena: Arena, tmp_path: Path
) -> None:
    path = tmp_path / "turns"

    arena.start("--restart", "always", command=turns(path, 0, 3))

    wait_for(lambda: tokens(path) == ["1", "1", "1"], "the third turn")


def test_after_too_many_restarts_another_instance_leads(arena: Arena, tmp_path: Path) -> None:
    """The first sits out, rather than take the lead again at once."""
    path = tmp_path / "turns"
    options = ("--restart", "on-failure", "--max-restarts", "2/600s")
    first = arena.start(*options, command=turns(path, *[7] * 9))
    wait_for(lambda: "started the job" in first.log(), "the first to lead")

    arena.start()

    arena.stamps.wait_for_stints(1)
    assert tokens(path) == ["1", "1", "1"]
    assert first.process.poll() is None


def test_a_job_that_cannot_be_started_again_does_not_start_at_once(
    arena: Arena, tmp_path: Path
) -> None:
    """A stop while the next start is waited for ends all."""
    path = tmp_path / "turns"
    sidecar = arena.start("--restart", "always", command=turns(path, *[1] * 99))
    wait_for(lambda: "the job starts again" in sidecar.log(), "the pause before the restart")

    sidecar.signal(15)

    assert sidecar.wait() in (128 + 15, 1)
    assert sidecar.everyone() == []
