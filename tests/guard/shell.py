"""An interactive shell with job control on a terminal, which runs sidecars."""

from __future__ import annotations

import contextlib
import shlex
import sys
from pathlib import Path

import psutil

from tests.e2e.arena import Arena
from tests.e2e.sidecars import status_of, wait_for
from tests.guard.terminal import Terminal

__all__ = ["CTRL_BACKSLASH", "CTRL_C", "CTRL_D", "CTRL_Z", "TICK", "Shell"]

TICK = f"exec {sys.executable} -I -S {Path(__file__).parent / 'jobs' / 'tick.py'}"
CTRL_C, CTRL_Z, CTRL_D, CTRL_BACKSLASH = "\x03", "\x1a", "\x04", "\x1c"


class Shell:
    """An interactive bash with job control, and how to start a sidecar in it."""

    def __init__(self, screen: Terminal, arena: Arena) -> None:
        self.screen = screen
        self._arena = arena

    def line(self, job: str, *options: str) -> str:
        """The command line that has a sidecar run the shell program ``job``."""
        path = self._arena.folder / "job.sh"
        path.write_text(job)
        words = ["coordsidecar", *self._arena.options(), *options, "--", "sh", str(path)]
        return shlex.join([sys.executable, "-m", *words])

    def run(self, line: str) -> None:
        self.screen.type(line + "\n")

    def prompts(self) -> None:
        """Wait until the shell answers: the terminal is its own again."""
        self.run("echo prompt-$((6 * 7))")
        self.screen.wait_for("prompt-42")
        self.screen.clear()

    def last_code(self, code: int) -> None:
        self.run("echo code-$(($?))")
        self.screen.wait_for(f"code-{code}\r\n")

    def owners(self, state: str) -> list[psutil.Process]:
        """Guard and job, as soon as they are in ``state``."""
        wait_for(lambda: self._in(state), f"guard and job to be {state}")
        return self._in(state)

    def guards(self) -> list[psutil.Process]:
        """The guard, and what else the shell has started."""
        return psutil.Process(self.screen.process.pid).children()

    def _in(self, state: str) -> list[psutil.Process]:
        both = self.guards()
        for child in [child for guard in self.guards() for child in _children(guard)]:
            # An elector that has resigned hides nobody; it may be at its end until we go on.
            with contextlib.suppress(psutil.NoSuchProcess):
                command = child.cmdline()
                both += [child] if command and "coordsidecar" not in command else []
        return both if len(both) > 1 and {status_of(one) for one in both} == {state} else []


def _children(process: psutil.Process) -> list[psutil.Process]:
    """Its children; none if it goes while we look."""
    try:
        return process.children()
    except psutil.NoSuchProcess:
        return []
