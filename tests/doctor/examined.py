"""Runs ``coordsidecar doctor`` as a user would, and reads what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.command import coordsidecar

__all__ = ["REFUSED", "Check", "Report", "doctor", "doctor_by", "namespaces"]

REFUSED = Path(__file__).with_name("refused.py")


@dataclass(frozen=True)
class Check:
    check: str
    subject: str
    state: str
    said: str
    remedy: str


@dataclass(frozen=True)
class Report:
    status: int
    checks: list[Check]
    worst: str

    def of(self, check: str, subject: str = "") -> Check:
        """The one check of that name whose subject begins with ``subject``."""
        (found,) = (c for c in self.checks if c.check == check and c.subject.startswith(subject))
        return found

    def not_ok(self) -> set[tuple[str, str]]:
        """The state and name of all that is not well, but for what the machine of a test may be."""
        of_host = {"fuse", "cgroup-pids", "cgroup-cpu", "processes"}
        return {
            (c.state, c.check) for c in self.checks if c.state != "ok" and c.check not in of_host
        }


def doctor(*words: str, environ: Mapping[str, str] | None = None) -> Report:
    result = coordsidecar("doctor", "--json", *words, environ=environ)
    assert result.err == ""
    return _read(result.status, result.out)


def doctor_by(*argv: str, environ: Mapping[str, str] | None = None) -> Report:
    """The same by another command line: what stands before ``coordsidecar doctor --json``."""
    words = ("-m", "coordsidecar") if str(REFUSED) not in argv else ()
    process = subprocess.run(
        [*argv, *([sys.executable, *words] if words else []), "doctor", "--json", "--name=x"],
        env={**os.environ, "COORDSIDECAR_STORE": "local:/tmp", **(environ or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert process.stderr == ""
    return _read(process.returncode, process.stdout)


def namespaces(*flags: str) -> list[str]:
    """What makes namespaces for a command; the test is skipped where that is not permitted."""
    argv = ["unshare", "--fork", *flags]
    if subprocess.run([*argv, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("namespaces cannot be made here")
    return argv


def _read(status: int, out: str) -> Report:
    told = json.loads(out)
    assert told["version"] == 1
    checks = [Check(**check) for check in told["checks"]]
    for check in checks:
        assert bool(check.remedy) == (check.state != "ok"), check
    return Report(status, checks, told["worst"])
