"""Sidecars without one of their rules, to show that somebody would notice."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import coordsidecar
import coordsidecar_adapters

__all__ = ["without"]


def without(rule: str, becomes: str, *, file: str, folder: Path) -> dict[str, str]:
    """Copy the program to ``folder`` with a line of ``file`` changed; return the environment that
    has Python find it there."""
    broken = folder / "broken" / "coordsidecar"
    shutil.copytree(Path(coordsidecar.__file__).parent, broken)
    changed = broken / file
    text = changed.read_text()
    assert text.count(rule) == 1, f"{rule!r} is not once in {file}"
    changed.write_text(text.replace(rule, becomes))
    # The adapters beside it are ours, not those that are installed, should these be others.
    adapters = Path(str(coordsidecar_adapters.__file__)).parents[1]
    return {"PYTHONPATH": os.pathsep.join([str(broken.parent), str(adapters)])}
