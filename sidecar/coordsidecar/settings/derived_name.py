"""The name of an election that nobody named: by the command that it is about."""

from __future__ import annotations

import os
import re

from coordsidecar.settings.sources import UsageError

__all__ = ["derived_name"]


def derived_name(command: tuple[str, ...]) -> str:
    """Name an election after a command, so that every host arrives at the same name.

    The program's base name; for an interpreter that of its script, module or, with ``-c``, a slug
    of the program text. Neither the interpreter nor the arguments count: hosts may differ in
    both, and two names would be two leaders.
    """
    program = os.path.basename(command[0])
    if _SHELL.fullmatch(program):
        program = _script(command[1:], program_flag=r"-[a-z]*c") or program
    elif _INTERPRETER.fullmatch(program):
        program = _script(command[1:], program_flag=r"-[a-z]*[ce]|-m|-r") or program
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", program).strip("-.")
    if len(slug) > 60:
        import zlib

        slug = f"{slug[:51]}-{zlib.crc32(program.encode('utf-8', 'surrogateescape')):08x}"
    if not slug:
        raise UsageError("no name can be made from the command; give --name")
    return slug


_SHELL = re.compile(r"(?:ba|da|k|z)?sh")
_INTERPRETER = re.compile(r"(?:python|pypy|node|deno|bun|ruby|perl|php|lua|Rscript|java)[0-9.]*")
_FLAGS_WITH_A_VALUE = {"-W", "-X", "-cp", "-classpath", "--class-path"}


def _script(arguments: tuple[str, ...], *, program_flag: str) -> str | None:
    """Find what an interpreter is to run: a file's base name, a module, or the program itself."""
    rest = iter(arguments)
    for word in rest:
        if word in _FLAGS_WITH_A_VALUE:
            next(rest, None)
        elif re.fullmatch(program_flag, word):
            return next(rest, None)
        elif not word.startswith("-"):
            return os.path.basename(word)
    return None
