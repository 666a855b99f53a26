"""Packages of Debian's, unpacked into .cache/ and not installed."""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["CACHE", "fetched", "only_once"]

_ROOT = Path(__file__).parents[2]
CACHE = _ROOT / ".cache" / "bundle"
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
            assert done.returncode == 0, (
                f"{suite}'s {' '.join(packages)} could not be fetched from this machine's Debian "
                f"mirrors; see {CACHE / 'fetch.log'}"
            )
            (folder / "complete").touch()
    return folder / "unpacked"
