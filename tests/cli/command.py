"""Runs ``python -m coordsidecar`` as a user would, in a process and an environment of its own."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Result:
    status: int
    out: str
    err: str


def coordsidecar(*words: str, environ: Mapping[str, str] | None = None) -> Result:
    ours = ("COORDSIDECAR_", "ETCDCTL_", "CONSUL_")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    process = subprocess.run(
        [sys.executable, "-m", "coordsidecar", *words],
        # Where the tests run may be a container, in which there is no default.
        env={**clean, "COORDSIDECAR_STORE": "local:", **(environ or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return Result(process.returncode, process.stdout.decode(), process.stderr.decode())


def refusal(*words: str, environ: Mapping[str, str] | None = None, status: int = 2) -> str:
    """Run what must be refused in one line on standard error; return the sentence in it."""
    result = coordsidecar(*words, environ=environ)
    assert result.out == ""
    assert result.err.startswith("coordsidecar: ")
    assert result.err.endswith("\n")
    assert result.err.count("\n") == 1, result.err
    assert "Traceback" not in result.err
    assert result.status == status, result.err
    return result.err.removeprefix("coordsidecar: ").rstrip("\n")


STORE_FOR_TESTS = '''
import json
from coordsidecar.store.protocol import Leader, UnreachableError

class FileStore:
    """Its leader is what a file says: {"token": 7}, or {} for nobody; no file: no answer."""

    def __init__(self, url, *, election, environ):
        self.path = url.partition(":")[2]
        self.election = election
        if not self.path:
            raise ValueError("leaderfile: needs a path")

    def leader(self, *, timeout_s):
        try:
            with open(self.path) as file:
                leaders = json.load(file)
        except OSError as error:
            raise UnreachableError(f"cannot read {self.path}") from error
        token = leaders.get(self.election.prefix)
        return None if token is None else Leader(token=token, record="{}")
'''


def install_store(folder: Path) -> dict[str, str]:
    """Lay out a package that adds the store ``leaderfile:``; return what puts it on the path."""
    (folder / "leaderfile_store.py").write_text(STORE_FOR_TESTS)
    info = folder / "leaderfile_store-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: leaderfile-store\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[coordsidecar.stores]\nleaderfile = leaderfile_store:FileStore\n"
    )
    return {"PYTHONPATH": str(folder)}


def at_terminal(*words: str, environ: Mapping[str, str]) -> str:
    """Run it where standard output is a terminal; return what that shows."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "coordsidecar", *words],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        env={**os.environ, "TERM": "xterm", **environ},
    )
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:
        pass  # So a terminal says that nobody writes any more.
    finally:
        os.close(ours)
        process.wait()
    return shown.decode().replace("\r\n", "\n")
