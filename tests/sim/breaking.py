"""How a core is broken for a while, and made whole again. Nothing in the product knows of it."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

__all__ = ["Mutant", "both", "patched"]

Mutant = Callable[[], AbstractContextManager[None]]
"""Changes the product while its ``with`` block lasts."""


@contextmanager
def patched(where: Any, name: str, make: Callable[[Any], Any]) -> Iterator[None]:
    """``where.name`` becomes what ``make`` makes of it."""
    # A built-in is shadowed for a while. Anything else that is not there has been renamed.
    shadows = hasattr(builtins, name) and not hasattr(where, name)
    original = getattr(builtins if shadows else where, name)
    setattr(where, name, make(original))
    try:
        yield
    finally:
        if shadows:
            delattr(where, name)
        else:
            setattr(where, name, original)


@contextmanager
def both(one: AbstractContextManager[None], other: AbstractContextManager[None]) -> Iterator[None]:
    """Two rules that each cover for the other."""
    with one, other:
        yield
