"""Packages of Debian's, unpacked and not installed, and the job compiled for what is in them."""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["CACHE", "compile_job", "compile_musl_job", "compile_old_job", "fetched", "only_once"]

_ROOT = Path(__file__).parents[2]
CACHE = _ROOT / ".cache" / "bundle"
_JOB = Path(__file__).parent / "jobs" / "job.c"
_FETCH = """
set -eu
root=$1; shift
quietly() { "$@" >"$root/.cache/bundle/fetch.log" 2>&1; }
. "$root/.ci/debian.sh"
fetch "$@"
"""


@contextmanager
def only_once(what: str) -> Iterator[None]:
    """Held by one of pytest's processes at a time."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{what}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def fetched(suite: str, *packages: str) -> Path:
    """The folder into which these packages are unpacked; fetched unless they are there."""
    digest = hashlib.sha256(" ".join(packages).encode()).hexdigest()[:8]
    folder = CACHE / f"{suite}-{digest}"
    with only_once("fetch"):
        if not (folder / "complete").exists():
            words = [str(_ROOT), str(folder), suite, *packages]
            done = subprocess.run(["bash", "-c", _FETCH, "fetch", *words], check=False)
            log = CACHE / "fetch.log"
            assert done.returncode == 0, f"no mirror has {suite}'s {packages}:\n{log.read_text()}"
            (folder / "complete").touch()
    return folder / "unpacked"


def compile_job(job: Path, *options: str) -> None:
    """For the libc of this machine, or as the options say."""
    subprocess.run(["gcc", "-Wall", "-Wextra", "-Werror", "-o", job, _JOB, *options], check=True)


def compile_musl_job(job: Path) -> dict[str, Path]:
    """Linked to musl, and not statically; return its loader, which is its libc, by its path."""
    unpacked = fetched("bookworm", "musl", "musl-dev", "musl-tools")
    (specs,) = unpacked.glob("usr/lib/*-linux-musl/musl-gcc.specs")
    moved = specs.read_text().replace("/usr/", f"{unpacked}/usr/")
    (job.parent / "specs").write_text(moved)
    compile_job(job, "-specs", str(job.parent / "specs"))
    (loader,) = unpacked.glob("lib/ld-musl-*.so.1")
    return {f"/lib/{loader.name}": loader}


def compile_old_job(job: Path) -> dict[str, Path]:
    """Linked to the glibc of Debian 11; return its loader and its libc by the paths they need."""
    unpacked = fetched("bullseye", "libc6", "libc6-dev", "linux-libc-dev")
    (library,) = unpacked.glob("usr/lib/*-linux-gnu")
    (libc,) = unpacked.glob("lib/*-linux-gnu/libc.so.6")
    # By itself a native compiler takes this machine's libc; and libc.so, a script, names its parts
    # by links that are meant for a root.
    parts = ["-nodefaultlibs", str(libc), str(library / "libc_nonshared.a"), "-lgcc"]
    compile_job(job, f"--sysroot={unpacked}", f"-B{library}", *parts, "-Wl,--allow-shlib-undefined")
    (loader,) = unpacked.glob("lib*/ld-linux*.so.*")  # A link, meant for a root.
    return {
        f"/lib/{libc.name}": libc,
        f"/{loader.parent.name}/{loader.name}": unpacked / str(loader.readlink()).lstrip("/"),
    }
