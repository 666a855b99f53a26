"""The licences of all that a bundle passes on: each asks that its text goes with the copy."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from bundle.interpreter import Interpreter

__all__ = ["copy_licences"]

_COPYRIGHTS = Path("/usr/share/doc")  # Where Debian and what is made of it keep each package's.
_TEXTS = ("LICENSE*", "LICENCE*", "COPYING*", "NOTICE*")
_LAUNCHER_PACKAGES = {"musl-gcc": "musl"}  # What is linked into the launcher; else libc.


def copy_licences(
    python: Interpreter, folder: Path, *, libraries: Iterable[Path], compiler: str
) -> list[str]:
    """Into ``licences/``, before any package is taken out again.

    ``libraries`` are the shared ones, where they come from. Returns the names of those whose text
    is not to be found on this machine.
    """
    kept = folder / "licences"
    kept.mkdir()
    library = folder / "lib" / python.library_name
    _copy(library.glob("LICENSE.txt"), kept / "python")
    for package in sorted(library.glob("*.dist-info")):
        texts = [text for name in _TEXTS for text in sorted(package.rglob(name))]
        _copy(texts, kept / package.name.removesuffix(".dist-info"))
    missing = []
    for path in libraries:
        if path.name.startswith("libpython"):
            continue  # Python's licence is there.
        package_name = _package(path)
        text = _COPYRIGHTS / package_name / "copyright"
        if package_name and text.exists():
            _copy([text], kept / package_name)
        else:
            missing.append(path.name)
    linked_in = _LAUNCHER_PACKAGES.get(Path(compiler).name)
    if linked_in:
        _copy([_COPYRIGHTS / linked_in / "copyright"], kept / linked_in)
    return missing


def _package(library: Path) -> str:
    """Debian's package that brought it, or nothing. Its directory may be known by another name."""
    if not shutil.which("dpkg-query"):
        return ""
    asked = subprocess.run(
        ["dpkg-query", "--search", f"*/{library.resolve().name}"],
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.partition(":")[0] if asked.returncode == 0 else ""


def _copy(texts: Iterable[Path], target: Path) -> None:
    for text in texts:
        if text.is_file():
            target.mkdir(exist_ok=True)
            shutil.copyfile(text, target / text.name)
