"""A host of its own for each sidecar, as far as its processes are concerned: a PID namespace.

On one host the next leader finds and kills what is left of the one before. Between two hosts it
cannot, and that is where the deadlines have to hold. This file is also what is process 1 there: it
starts a command, and reaps until nobody is left.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys

__all__ = ["own_host", "own_namespace"]

_UNSHARE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
_AS_NOBODY = ("--user", "--map-root-user")


def own_host() -> tuple[str, ...]:
    """The command that executes the rest of its arguments in a PID namespace; empty if none may."""
    unshare = own_namespace()
    return (*unshare, sys.executable, "-S", __file__) if unshare else ()


@functools.cache
def own_namespace() -> tuple[str, ...]:
    """The same, with what it executes as process 1, as in a container."""
    for unshare in (_UNSHARE, (*_UNSHARE, *_AS_NOBODY)):
        tried = subprocess.run([*unshare, "true"], capture_output=True, check=False)
        if tried.returncode == 0:
            return unshare
    return ()


def _main() -> None:
    os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


if __name__ == "__main__":
    _main()
