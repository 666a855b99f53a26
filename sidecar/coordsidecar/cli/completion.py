"""``coordsidecar completion``: scripts that have bash, zsh and fish complete our command line.

In each the job's command line is completed as that command itself would have it.
"""

from __future__ import annotations

from coordsidecar.cli import complete_bash, complete_fish, complete_zsh
from coordsidecar.cli.vocabulary import SHELLS

__all__ = ["SHELLS", "script"]

_SCRIPTS = {
    "bash": complete_bash.script,
    "zsh": complete_zsh.script,
    "fish": complete_fish.script,
}
assert tuple(_SCRIPTS) == SHELLS


def script(shell: str) -> str:
    """What such a shell is to read; of `SHELLS`."""
    return _SCRIPTS[shell]()
