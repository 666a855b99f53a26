"""What the file system refuses, in the words of a store."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from coordsidecar.store.protocol import RefusedError, UnreachableError

__all__ = ["translated"]

_REFUSALS = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOLCK,
    errno.EOPNOTSUPP,
}
_ANOTHER = "name a folder that this user can write to: --store local:/folder"


@contextmanager
def translated(path: str, *, remedy: str = _ANOTHER) -> Iterator[None]:
    """Raise `RefusedError` or `UnreachableError` in the place of `OSError`. ``path``: where, if the
    error does not tell."""
    try:
        yield
    except OSError as e:
        # What is opened below a descriptor is named without its folder.
        tells = isinstance(e.filename, str) and os.path.isabs(e.filename)
        what = f"local store: {e.filename if tells else path}: {e.strerror}"
        if e.errno in _REFUSALS:
            raise RefusedError(f"{what}; {remedy}") from e
        raise UnreachableError(what) from e
