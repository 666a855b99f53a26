"""The bundle that the tests put into root file systems; made again when a source changes."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bundle.compiled import compile_job, compile_musl_job, compile_old_job
from tests.bundle.compiler import compiler
from tests.bundle.debian import CACHE, only_once
from tests.bundle.roots import JOB, Root
from tests.e2e.conftest import quick_consul, start
from tests.e2e.sidecars import Sidecar

__all__ = ["quick_consul", "start"]

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def run_make() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run ``python -m bundle`` with these words."""

    def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
        make = [sys.executable, "-m", "bundle", *words]
        return subprocess.run(
            make, cwd=PROJECT, capture_output=True, text=True, timeout=600, check=False
        )

    return run


@pytest.fixture(scope="session")
def bundle(run_make: Callable[..., subprocess.CompletedProcess[str]]) -> Path:
    """A bundle of the Python that runs the tests."""
    folder = CACHE / f"made-{_sources()}"
    with only_once("make"):
        if not folder.exists():
            for older in CACHE.glob("made-*"):
                shutil.rmtree(older)
            made = run_make("--cc", compiler(), folder)
            assert made.returncode == 0, made.stderr
    return folder


def _sources() -> str:
    files = [PROJECT / "pyproject.toml"]
    for folder in ("bundle", "sidecar", "adapters"):
        files += sorted((PROJECT / folder).rglob("*.py")) + sorted((PROJECT / folder).rglob("*.c"))
    digest = hashlib.sha256(sys.version.encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


@pytest.fixture
def root_of(bundle: Path, tmp_path: Path, start: Callable[..., Sidecar]) -> Callable[[str], Root]:
    """A root file system of this kind, with the bundle and a job."""

    def make(kind: str) -> Root:
        root = Root(tmp_path / "root", bundle, start=start)
        job = tmp_path / "job"
        needs: dict[str, Path] = {}
        if kind == "empty":
            compile_job(job, "-static")
        else:
            needs = compile_musl_job(job) if kind == "musl" else compile_old_job(job)
        for path, source in needs.items():
            root.has(source, path)
        root.has(job, JOB)
        return root

    return make


@pytest.fixture
def root(root_of: Callable[[str], Root]) -> Root:
    """A root file system with nothing but the bundle and a job."""
    return root_of("empty")
