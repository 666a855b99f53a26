"""Many sidecars quickly: the program is imported once and forked for each of them.

Run as ``python -m tests.guard.forked FOLDER`` with a JSON list of commands on standard input, each
with the milliseconds after which its sidecar is sent TERM, or null. Prints the list of exit codes
as a shell would show them. Each sidecar holds an election of its own.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

# Whatever a sidecar imports while it starts.
import psutil  # noqa: F401

import coordsidecar.cli.launch
import coordsidecar.elector.loop
import coordsidecar.guard.loop  # noqa: F401
import coordsidecar_adapters.local.store  # noqa: F401
from coordsidecar.cli import main as cli

__all__ = ["exit_codes"]

_AT_ONCE = 8


def exit_codes(
    runs: Sequence[tuple[list[str], float | None]], *, folder: Path, env: dict[str, str]
) -> list[int]:
    """Run each command under a sidecar, which gets TERM after so many milliseconds, if any."""
    driver = subprocess.run(
        [sys.executable, "-m", "tests.guard.forked", str(folder)],
        input=json.dumps(runs),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=env,
        timeout=120,
        check=True,
        start_new_session=True,
    )
    codes: list[int] = json.loads(driver.stdout)
    return codes


def _main() -> None:
    folder, runs = sys.argv[1], json.load(sys.stdin)
    codes: list[int | None] = [None] * len(runs)
    numbers: dict[int, int] = {}
    for number, (command, term_after_ms) in enumerate(runs):
        if len(numbers) == _AT_ONCE:
            _collect(numbers, codes)
        pid = os.fork()
        if pid == 0:
            os.setpgid(0, 0)
            _be_sidecar(folder, number, command)
        os.setpgid(pid, pid)
        numbers[pid] = number
        if term_after_ms is not None:
            time.sleep(term_after_ms / 1000)  # The moment of the signal is the point of the test.
            # Every other time to its whole group, as a terminal or a supervisor does.
            os.kill(pid if number % 2 else -pid, signal.SIGTERM)
    while numbers:
        _collect(numbers, codes)
    print(json.dumps(codes))


def _be_sidecar(folder: str, number: int, command: list[str]) -> None:
    status = 125
    try:
        cli.main(["--store", f"local:{folder}", "--name", f"n{number}", "--", *command])
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 125
    finally:
        os._exit(status)


def _collect(numbers: dict[int, int], codes: list[int | None]) -> None:
    pid, status = os.wait()
    code = os.waitstatus_to_exitcode(status)
    codes[numbers.pop(pid)] = code if code >= 0 else 128 - code


if __name__ == "__main__":
    _main()
