"""The Python that is put into a bundle: where its parts are, and whether it will do."""

from __future__ import annotations

import json
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Interpreter", "UnsuitableError", "find_interpreter"]

_LEAST_PYTHON = (3, 11)
# From here on C.UTF-8 and the look-up of names by files and DNS are part of libc.so itself.
_LEAST_GLIBC = (2, 35)
_PT_INTERP = 3

_ASK = """
import json, os, sys, sysconfig
name = "CS_GNU_LIBC_VERSION"
print(json.dumps({
    "version": sys.version_info[:3],
    "program": os.path.realpath(sys._base_executable),
    "pure": sysconfig.get_path("stdlib"),
    "platform": sysconfig.get_path("platstdlib", vars={"platbase": sys.base_exec_prefix}),
    "libc": os.confstr(name) if name in os.confstr_names else None,
}))
"""


class UnsuitableError(Exception):
    """This Python cannot be put into a bundle."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """``loader`` is what the kernel starts in the place of ``program``, to load it."""

    program: Path
    loader: Path
    version: str
    library: Path
    extensions: Path

    @property
    def library_name(self) -> str:
        """The folder of the standard library beneath lib/, where the interpreter looks for it."""
        major, minor, _ = self.version.split(".")
        return f"python{major}.{minor}"


def find_interpreter(named: Path) -> Interpreter:
    """Ask the Python ``named``, which may be that of a venv. Raises `UnsuitableError`."""
    try:
        asked = subprocess.run(
            [named, "-I", "-S", "-c", _ASK], capture_output=True, text=True, check=True
        )
        told = json.loads(asked.stdout)
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        raise UnsuitableError(f"{named} is no Python that can be run: {error}") from error
    version = ".".join(map(str, told["version"]))
    if tuple(told["version"][:2]) < _LEAST_PYTHON:
        raise UnsuitableError(f"{named} is Python {version}; name one of 3.11 or newer: --python")
    libc = told["libc"] or "not glibc"
    numbers = libc.removeprefix("glibc ").split(".")
    if not libc.startswith("glibc ") or tuple(map(int, numbers[:2])) < _LEAST_GLIBC:
        raise UnsuitableError(
            f"{named} is linked to {libc}; name one that is linked to glibc 2.35 or newer: --python"
        )
    program = Path(told["program"])
    return Interpreter(
        program=program,
        loader=_loader_of(program),
        version=version,
        library=Path(told["pure"]),
        extensions=Path(told["platform"]) / "lib-dynload",
    )


def _loader_of(program: Path) -> Path:
    """What stands in the program's PT_INTERP: see elf(5)."""
    content = program.read_bytes()
    if content[:5] != b"\x7fELF\x02":
        raise UnsuitableError(f"{program} is no 64-bit ELF program; name the interpreter: --python")
    order = "<" if content[5] == 1 else ">"
    (table,) = struct.unpack_from(f"{order}Q", content, 0x20)
    size, count = struct.unpack_from(f"{order}HH", content, 0x36)
    for at in range(table, table + size * count, size):
        (kind,) = struct.unpack_from(f"{order}I", content, at)
        if kind == _PT_INTERP:
            offset, _, _, length = struct.unpack_from(f"{order}QQQQ", content, at + 8)
            return Path(content[offset : offset + length].rstrip(b"\0").decode())
    raise UnsuitableError(f"{program} is linked statically and could load no modules: --python")
