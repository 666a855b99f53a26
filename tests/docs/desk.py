"""Where an operator types what docs/operations.md tells: a shell in a folder of its own."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from tests.docs.test_pages import blocks
from tests.e2e.sidecars import Sidecar, wait_for
from tests.servers import EtcdServer

__all__ = ["ANSWERED", "Desk", "answers", "lines", "needs_curl", "questions"]

PROGRAMS = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


PAGE = (Path(__file__).parents[2] / "docs/operations.md").read_text()
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")

_Test = TypeVar("_Test", bound=Callable[..., None])
ANSWERED: set[str] = set()
"""The headings below which some test types what stands there."""


def answers(question: str) -> Callable[[_Test], _Test]:
    """The test types what stands below this heading."""
    ANSWERED.add(question)
    return lambda test: test


def questions() -> dict[str, list[str]]:
    """Each heading, and the lines to type below it."""
    _, *parts = re.split(r"^##+ (.*)$", PAGE, flags=re.MULTILINE)
    told = zip(parts[::2], parts[1::2], strict=True)
    found = {heading: "".join(blocks(text, "sh")).splitlines() for heading, text in told}
    return {heading: [line for line in lines if line] for heading, lines in found.items() if lines}


def lines(question: str) -> list[str]:
    return questions()[question]


class Desk:
    """Its addresses are those of this etcd."""

    def __init__(self, etcd: EtcdServer, folder: Path, start: Callable[..., Sidecar]) -> None:
        self.etcd, self.folder, self._start = etcd, folder, start
        self.programs = folder / "bin"
        self.programs.mkdir()
        self.env = {"PATH": f"{self.programs}{os.pathsep}{PROGRAMS}"}
        for name in ("job", "db"):
            self.script(folder / name, "exec sleep 600")

    def script(self, path: Path, does: str) -> None:
        path.write_text(f"#!/bin/sh\n{does}\n")
        path.chmod(0o755)

    def here(self, line: str, **others: str) -> str:
        """The line, with the addresses that there are."""
        for old, new in others.items():
            assert old in line
            line = line.replace(old, new)
        return re.sub(r"etcd://[\w:,]+", f"etcd://{self.etcd.endpoint}", line)

    def types(self, line: str, *, status: int = 0) -> str:
        """Type it, and read what comes of it."""
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env={**os.environ, **self.env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == status, (line, done.stdout, done.stderr)
        return done.stdout

    def runs(self, line: str, *first: str) -> Sidecar:
        """Type it, and leave it running. ``first``: options before those that stand there."""
        program, *words = shlex.split(line, comments=True)
        assert program == "coordsidecar"
        through = ("env", "-C", str(self.folder))
        return self._start(*first, *words, env=self.env, through=through)

    def stands(self, node_id: str, *options: str, name: str = "nightly") -> Sidecar:
        """An instance of an election, once it leads or stands by."""
        words = f"coordsidecar --store {self.here('etcd://x')} --name {name} -- ./job"
        one = self.runs(words, "--id", node_id, *options)
        wait_for(lambda: one.leads() or "standing-by" in one.log(), f"{node_id} to stand")
        return one

    def leader(self) -> str | None:
        told = self.types(f"coordsidecar status --json {self.here('--store etcd://x')} nightly; :")
        leader = json.loads(told)["leader"]
        return None if leader is None else str(leader["id"])

    def notes(self) -> list[str]:
        ledger = self.folder / "ledger"
        return ledger.read_text().splitlines() if ledger.exists() else []
