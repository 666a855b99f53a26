"""What the file system refuses, in the words of a store."""

from __future__ import annotations

import errno
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


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Raise `RefusedError` or `UnreachableError` in the place of `OSError`. ``path``: where, if the
    error does not tell."""
    try:
        yield
    except OSError as e:
        what = f"local store: {e.filename or path}: {e.strerror}"
        if e.errno in _REFUSALS:
            raise RefusedError(
                f"{what}; name a folder that this user can write to: --store local:/folder"
            ) from e
        raise UnreachableError(what) from e
