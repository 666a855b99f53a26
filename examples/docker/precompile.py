"""Compiles what a start imports of the standard library, for an image whose user may not write.

    python precompile.py OUT COMMAND

The official images of Python come without compiled modules, and whoever is not root compiles some
hundred of them again at each start: at each takeover. This runs COMMAND, our own program, in the
ways in which it is started, sees which modules Python compiled for that, and puts each beneath OUT,
where the folder of its source has it. They are never compared with their sources again
("unchecked"), whose times a copy of the image may change.
"""

from __future__ import annotations

import os
import py_compile
import subprocess
import sys
import tempfile
from importlib.util import cache_from_source
from pathlib import Path

_NOBODY = "127.0.0.1:9"  # Where no store answers: its client is imported all the same.


def starts(folder: Path) -> list[list[str]]:
    """Command lines that import, between them, all that an ordinary run does."""
    config = folder / "config.toml"
    config.write_text('ttl = "2s"\n')
    role_file = ["--role-file", f"{folder}/role", "--standby", "true"]
    http = ["--http", "0", "--http-token-file", f"{folder}/token"]
    schemes = ("etcd", "consul", "etcd+grpc", "etcds", "consuls")
    stores = [f"{scheme}://{_NOBODY}" for scheme in schemes]
    return [
        ["--help"],
        ["--no-such-option"],
        ["check", "1", "--name", "image", "--store", f"local:{folder}"],
        ["health", "--http", _NOBODY],
        ["--store", f"local:{folder}", "--config", str(config), *role_file, *http, "--", "true"],
        *(["--store", store, "--ttl", "2s", "--", "true"] for store in stores[:3]),
        *(["check", "1", "--name", "image", "--store", store] for store in stores),
    ]


def imported_by(command: str, folder: Path) -> set[Path]:
    """The sources of all modules that Python compiles for these starts, if it finds none done."""
    cache = folder / "cache"
    environ = os.environ | {"PYTHONPYCACHEPREFIX": str(cache)}
    for variable in ("SOURCE_DATE_EPOCH", "PYTHONDONTWRITEBYTECODE"):
        environ.pop(variable, None)
    for words in starts(folder):
        subprocess.run([command, *words], env=environ, capture_output=True, check=False)
    compiled = {Path("/", path.relative_to(cache)) for path in cache.rglob("*.pyc")}
    return {path.with_name(path.name.partition(".")[0] + ".py") for path in compiled}


def main(out: Path, command: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        sources = imported_by(command, Path(name))
    if not sources:
        sys.exit(f"precompile: {command} did not start, or Python keeps nothing that it compiles")
    library = Path(os.__file__).parent
    for source in sorted(path for path in sources if path.is_relative_to(library)):
        target = out / Path(cache_from_source(str(source))).relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        py_compile.compile(
            str(source),
            cfile=str(target),
            doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )


main(Path(sys.argv[1]), sys.argv[2])
