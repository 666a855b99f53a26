"""The folder in which lock files are kept: the one that a URL names, or else this user's."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping

from coordsidecar.linux import RLIMIT_FSIZE, soft_limit
from coordsidecar.store.protocol import RefusedError

__all__ = ["assert_fit", "lock_folder"]

_LARGEST_FILE = 64 * 1024


def lock_folder(url: str, environ: Mapping[str, str]) -> str:
    """The folder of ``local:`` or ``local:/folder``. `ValueError` if ``url`` is neither."""
    folder = url.removeprefix("local:")
    if folder.startswith("//"):
        folder = folder.removeprefix("//")
    if not folder:
        folder = _default_folder(environ)
    if not folder.startswith("/") or "\0" in folder:
        raise ValueError(f"local store needs an absolute folder, such as local:/srv/locks: {url!r}")
    return folder


def assert_fit(*paths: str) -> None:
    """Nobody waits for a lock that could never be kept. Raises `RefusedError`."""
    for path in paths:
        if os.path.exists(path) and not os.path.isfile(path):
            raise RefusedError(f"local store: {path} is no regular file; remove it")
    limit = soft_limit(RLIMIT_FSIZE)
    if limit is not None and limit < _LARGEST_FILE:
        raise RefusedError(
            f"local store: the limit of a file's size, {limit} bytes, leaves no room for "
            f"{paths[-1]}; raise it (ulimit -f)"
        )


def _default_folder(environ: Mapping[str, str]) -> str:
    """A folder that outlives a reboot, for the token counter has to."""
    if os.geteuid() == 0:
        return "/var/lib/coordsidecar"
    state = environ.get("XDG_STATE_HOME", "")
    if state.startswith("/"):  # The XDG specification says to ignore a relative one.
        return os.path.join(state, "coordsidecar")
    home = environ.get("HOME", "")
    if not home:
        try:
            home = pwd.getpwuid(os.geteuid()).pw_dir
        except KeyError:
            raise ValueError("no home folder to keep locks in; use --store local:/folder") from None
    return os.path.join(home, ".local/state/coordsidecar")
