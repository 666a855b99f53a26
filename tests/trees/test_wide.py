"""A job that forks widely, each process ending at once, is gone before the next one starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_NAMESPACE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
_INSIDE = Path(__file__).with_name("namespace.py")


@pytest.mark.parametrize("busy", [0, 2])
def test_a_wide_forker_is_gone_before_the_next_job_starts(tmp_path: Path, busy: int) -> None:
    if tuple(int(part) for part in os.uname().release.split(".")[:2]) < (6, 14):
        pytest.skip("a PID namespace has no limit of its own before Linux 6.14")
    command = (*_NAMESPACE, sys.executable, str(_INSIDE), str(tmp_path), str(busy))
    if subprocess.run([*_NAMESPACE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no PID namespace is permitted here")

    done = subprocess.run(
        ["timeout", "-s", "KILL", "60", *command], capture_output=True, text=True, check=False
    )

    assert done.stdout.split() == ["gone", "next"], done.stderr
