"""The first that a bundle's Python runs: the environment becomes what the launcher was given.

Then it is coordsidecar as anywhere else, but for ``--copy-to FOLDER``, by which an init container
puts the bundle where the job's container finds it: an image that has nothing else has no `cp`.
"""

from __future__ import annotations

import contextlib
import os
import sys

# What launcher.c puts before the names of variables that its loader must not see.
_KEPT = "COORDSIDECAR_KEPT_"
_USAGE = 2
_OWN_FAILURE = 125


def main() -> None:
    """Always ends in `SystemExit`."""
    for name in [name for name in os.environ if name.startswith(_KEPT)]:
        os.environ[name.removeprefix(_KEPT)] = os.environ.pop(name)
    if sys.argv[1:2] == ["--copy-to"]:
        _copy_to(sys.argv[2:])
    else:
        from coordsidecar.cli.main import main

        main()


def _copy_to(words: list[str]) -> None:
    if len(words) != 1 or not words[0]:
        _fail(_USAGE, "--copy-to takes one folder, and nothing may follow it")
    target = os.path.realpath(words[0])
    if os.path.commonpath([target, sys.prefix]) == sys.prefix:
        _fail(_USAGE, f"the bundle cannot be copied into itself: {target}")
    try:
        for folder, _, files in os.walk(sys.prefix, onerror=_raise):
            _copy(folder, files, os.path.join(target, os.path.relpath(folder, sys.prefix)))
    except OSError as error:
        why = f"{error.strerror}: {error.filename}"
        _fail(_OWN_FAILURE, f"the bundle cannot be copied to {target}: {why}")


def _copy(folder: str, files: list[str], target: str) -> None:
    import shutil

    os.makedirs(target, exist_ok=True)
    for name in files:
        # Renamed into its place: an init container may run again while somebody uses the file, and
        # must leave no half of one behind if it is stopped.
        path = os.path.join(target, name)
        shutil.copy2(os.path.join(folder, name), path + ".new")
        os.replace(path + ".new", path)


def _raise(error: OSError) -> None:
    raise error


def _fail(code: int, sentence: str) -> None:
    with contextlib.suppress(OSError):  # It may be closed.
        os.write(2, f"coordsidecar: {sentence}\n".encode("utf-8", "backslashreplace"))
    sys.exit(code)


main()
