"""The interpreter, its loader, and every shared library that it or one of its modules needs."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from bundle.interpreter import Interpreter, UnsuitableError

__all__ = ["copy_linked"]

_LINE = re.compile(r"^\s+(\S+) => (.+?)(?: \(0x[0-9a-f]+\))?$", re.MULTILINE)
# Found by no list of needs: libc loads it when a thread is cancelled.
_LOADED_BY_LIBC = ("libgcc_s.so.1",)


def copy_linked(python: Interpreter, folder: Path) -> list[Path]:
    """Into ``folder``, which has the modules already; returns where the libraries come from.

    Raises `UnsuitableError`.
    """
    (folder / "bin").mkdir()
    library = folder / "lib"
    shutil.copy(python.program, folder / "bin" / "python")
    shutil.copy(python.loader, library / "coordsidecar")
    found = _needs(python, python.program, [])
    places = sorted({str(path.parent) for path in found.values()})
    for module in sorted(library.rglob("*.so*")):
        found |= _needs(python, module, places)
    late = [Path(place, name) for place in places for name in _LOADED_BY_LIBC]
    found |= {path.name: path for path in late if path.exists()}
    for name, path in found.items():
        # The loader is there, under another name, and knows itself by the one that is asked for.
        if not path.samefile(python.loader):
            shutil.copy(path, library / name)
            (library / name).chmod(0o644)
    return [found[name] for name in sorted(found)]


def _needs(python: Interpreter, file: Path, places: list[str]) -> dict[str, Path]:
    """By the names that are asked for. ``places`` are looked through first."""
    first = ["--library-path", ":".join(places)] if places else []
    asked = subprocess.run(
        [python.loader, *first, "--list", file], capture_output=True, text=True, check=False
    )
    if asked.returncode != 0:
        raise UnsuitableError(f"{python.loader} cannot load {file}: {asked.stderr.strip()}")
    found = dict(_LINE.findall(asked.stdout))
    missing = sorted(name for name, path in found.items() if not path.startswith("/"))
    if missing:
        raise UnsuitableError(f"{file} needs {', '.join(missing)}, which this machine lacks")
    return {name: Path(path) for name, path in found.items()}
