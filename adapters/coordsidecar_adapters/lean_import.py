"""Modules of a package without all that the package itself imports."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import PathFinder
from threading import RLock
from types import ModuleType

__all__ = ["bare_package"]

# Reentrant: such a module may import another in this way.
_lock = RLock()


@contextmanager
def bare_package(name: str) -> Iterator[None]:
    """Within, ``import name.module`` runs that module, but not the package's ``__init__``.

    For the rest of the process the package is then as if nothing had happened. `ImportError` if
    there is no such package. One thread at a time.
    """
    with _lock:
        yield from _bare(name)


def _bare(name: str) -> Iterator[None]:
    if name in sys.modules:
        yield
        return
    spec = PathFinder.find_spec(name)
    if spec is None or spec.submodule_search_locations is None:
        origin = spec.origin if spec else None
        raise ModuleNotFoundError(f"No package named {name!r}", name=name, path=origin)
    bare = ModuleType(name)
    bare.__path__ = list(spec.submodule_search_locations)
    sys.modules[name] = bare
    try:
        yield
    finally:
        del sys.modules[name]
