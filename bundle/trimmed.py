"""The standard library less what a sidecar has no use for: tests, windows, databases, tools."""

from __future__ import annotations

import shutil
from fnmatch import fnmatch
from pathlib import Path

from bundle.interpreter import Interpreter

__all__ = ["copy_standard_library"]

_NOT_WANTED = (
    *("__pycache__", "site-packages", "dist-packages", "config-*", "EXTERNALLY-MANAGED"),
    "sitecustomize.*",
    *("test", "tests", "_test*", "_ctypes_test*", "xx*", "_xxtest*"),
    *("idlelib", "tkinter", "_tkinter*", "turtle*", "curses", "_curses*", "readline.*"),
    *("dbm", "_dbm*", "_gdbm*", "sqlite3", "_sqlite3*", "ossaudiodev.*", "nis.*"),
    *("ensurepip", "venv", "distutils", "lib2to3", "pydoc*", "_pyrepl", "__phello__*"),
    *("unittest", "doctest.*", "pdb.*", "xmlrpc", "wsgiref", "_codecs_*", "_pydecimal.*"),
)


def copy_standard_library(python: Interpreter, target: Path) -> None:
    """Make the folder ``target``, with the extension modules in it."""
    for source, place in ((python.library, target), (python.extensions, target / "lib-dynload")):
        shutil.copytree(source, place, ignore=_not_wanted, dirs_exist_ok=True)
    for file in target.rglob("*"):
        file.chmod(0o755 if file.is_dir() else 0o644)


def _not_wanted(_: str, names: list[str]) -> list[str]:
    return [name for name in names if any(fnmatch(name, wanted) for wanted in _NOT_WANTED)]
