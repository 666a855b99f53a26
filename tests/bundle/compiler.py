"""A C compiler: this machine's, or else Debian's, unpacked and not installed."""

from __future__ import annotations

import platform
import shutil
from pathlib import Path

from tests.bundle.debian import fetched, only_once

__all__ = ["compiler"]

_PACKAGES = (
    *("gcc-12", "cpp-12", "libgcc-12-dev", "libc6-dev", "linux-libc-dev"),
    *("libbinutils", "libisl23", "libmpc3", "libmpfr6", "libgmp10", "libjansson4"),
    *("libctf0", "libctf-nobfd0"),
)
_GCC = """#!/bin/sh
LD_LIBRARY_PATH={unpacked}/usr/lib/{triplet} \\
    exec {unpacked}/usr/bin/{triplet}-gcc-12 -B{tools}/ --sysroot={unpacked} "$@"
"""


def compiler() -> str:
    """The path of a program that takes gcc's options."""
    return shutil.which("gcc") or str(_debians())


def _debians() -> Path:
    machine = platform.machine()
    triplet = f"{machine}-linux-gnu"
    binutils = f"binutils-{machine.replace('_', '-')}-linux-gnu"
    unpacked = fetched("bookworm", *_PACKAGES, binutils)
    tools = unpacked / "tools"
    with only_once("compiler"):
        if not (tools / "gcc").exists():
            tools.mkdir(exist_ok=True)
            for name in ("as", "ld"):  # By these names they are looked for.
                (tools / name).unlink(missing_ok=True)
                (tools / name).symlink_to(f"../usr/bin/{triplet}-{name}")
            gcc = tools / "gcc"
            gcc.write_text(_GCC.format(unpacked=unpacked, triplet=triplet, tools=tools))
            gcc.chmod(0o755)
    return tools / "gcc"
