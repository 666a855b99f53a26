"""The wall clock that the matrix steps: programs see it, and no other clock moves with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.clock import WallClock, can_be_stepped

_READ = """
import time
input()
print(time.time() - time.clock_gettime(time.CLOCK_BOOTTIME), time.monotonic(), flush=True)
input()
print(time.time() - time.clock_gettime(time.CLOCK_BOOTTIME), time.monotonic(), flush=True)
"""


@pytest.mark.skipif(not can_be_stepped(), reason="no C compiler here to make the clock with")
def test_a_program_that_runs_sees_the_wall_clock_step_and_no_other(tmp_path: Path) -> None:
    clock = WallClock(tmp_path)
    argv, environ = [sys.executable, "-c", _READ], {**os.environ, **clock.environ}
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ
    ) as program:
        wall_before_s, before_s = _ask(program)
        clock.step(-3600)
        wall_s, now_s = _ask(program)

    assert round(wall_s - wall_before_s) == -3600
    assert 0 <= now_s - before_s < 1800


def _ask(program: subprocess.Popen[str]) -> tuple[float, float]:
    assert program.stdin is not None
    assert program.stdout is not None
    print(file=program.stdin, flush=True)
    wall_s, monotonic_s = program.stdout.readline().split()
    return float(wall_s), float(monotonic_s)
