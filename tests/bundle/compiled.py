"""The tests' job, compiled for one libc or another, and what it needs to run."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.bundle.compiler import compiler
from tests.bundle.debian import fetched

__all__ = ["compile_job", "compile_musl_job", "compile_old_job"]

_JOB = Path(__file__).parent / "jobs" / "job.c"


def compile_job(job: Path, *options: str) -> None:
    """For the libc of this machine, or as the options say."""
    subprocess.run(
        [compiler(), "-Wall", "-Wextra", "-Werror", "-o", job, _JOB, *options], check=True
    )


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
