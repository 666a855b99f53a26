"""`typing`, as far as we use it, for next to nothing.

Type checkers see `typing` itself. At run time it would cost 0.5 MB (on a host where nothing else
runs Python) and 4 ms of each start, and hardly anything of it has a meaning then: annotations are
not looked at. So there are stand-ins, which only hold their place.
"""

from __future__ import annotations

__all__ = [
    "IO",
    "TYPE_CHECKING",
    "Any",
    "ClassVar",
    "Generic",
    "Literal",
    "Protocol",
    "TypeVar",
    "assert_never",
    "cast",
    "dataclass_transform",
]

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import (
        IO,
        Any,
        ClassVar,
        Generic,
        Literal,
        Protocol,
        TypeVar,
        assert_never,
        cast,
        dataclass_transform,
    )
else:

    class _Hint:
        def __getitem__(self, item):
            return self

    IO = Any = ClassVar = Literal = _Hint()

    class Protocol:
        """For classes that only describe others."""

    class Generic:
        def __class_getitem__(cls, item):
            return cls

    def TypeVar(name):  # noqa: N802  So it is called.
        return _Hint()

    def assert_never(value):
        raise AssertionError(f"nobody thought of {value!r}")

    def cast(kind, value):
        return value

    def dataclass_transform(**_):
        return lambda cls: cls
