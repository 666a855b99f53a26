"""Descriptors that are closed, scarce, or meant for somebody: never taken for something else."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.arena import Arena

_CLOSED = {"<&-": [0], ">&-": [1], "2>&-": [2], "<&- >&- 2>&-": [0, 1, 2]}
_LIST = """
import os, sys
closed = []
for fd in 0, 1, 2:
    try: os.fstat(fd)
    except OSError: closed.append(fd)
with open(sys.argv[1], "w") as file: file.write(str(closed))
"""


def run(tmp_path: Path, *command: str, first: str) -> subprocess.CompletedProcess[str]:
    """Run the job ``command`` beneath a sidecar, in a shell in which ``first`` is done before."""
    words = [sys.executable, "-m", "coordsidecar", "--store", f"local:{tmp_path}", "--name", "fds"]
    return subprocess.run(
        ["bash", "-c", f'{first} exec "$@"', "bash", *words, "--", *command],
        capture_output=True,
        close_fds=False,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("closed", _CLOSED)
def test_what_was_closed_at_the_start_is_closed_in_the_job(arena: Arena, closed: str) -> None:
    found = arena.folder / "found"
    through = ["sh", "-c", f'exec "$@" {closed}', "sh"]
    command = [sys.executable, "-I", "-S", "-c", _LIST, str(found)]

    sidecar = arena.start(command=command, through=through)

    assert sidecar.wait() == 0
    assert found.read_text() == str(_CLOSED[closed])


@pytest.mark.parametrize("closed", _CLOSED)
def test_a_job_that_writes_where_nothing_is_open_writes_into_no_lock(
    arena: Arena, closed: str
) -> None:
    write = "import os\nfor fd in 0, 1, 2:\n try: os.write(fd, b'overwritten')\n except OSError: 0"
    through = ["sh", "-c", f'exec "$@" {closed}', "sh"]

    sidecar = arena.start(command=[sys.executable, "-I", "-S", "-c", write], through=through)

    assert sidecar.wait() == 0
    for path in arena.folder.rglob("*"):
        if path.is_file() and "sidecar-" not in path.name:
            assert b"overwritten" not in path.read_bytes(), path


def test_sockets_that_systemd_opened_reach_the_job_under_its_own_pid(
    arena: Arena, tmp_path: Path
) -> None:
    program = tmp_path / "activated.py"
    program.write_text(
        "import os, socket\n"
        "assert os.environ['LISTEN_PID'] == str(os.getpid()), os.environ['LISTEN_PID']\n"
        "print(socket.socket(fileno=3).getsockname()[1], os.environ['LISTEN_FDS'])\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as given:
        activate = f"exec 3<&{given.fileno()}; export LISTEN_PID=$$ LISTEN_FDS=1;"
        os.set_inheritable(given.fileno(), True)
        ours = str(given.getsockname()[1])

        process = run(tmp_path, sys.executable, "-I", "-S", str(program), first=activate)

    assert process.stdout.split() == [ours, "1"], process.stderr


def test_too_low_a_limit_of_open_files_is_refused_with_the_number(tmp_path: Path) -> None:
    process = run(tmp_path, "true", first="ulimit -n 20;")

    assert process.returncode == 125
    assert process.stderr == (
        "coordsidecar: this process may have 20 files open, and needs 32: ulimit -n\n"
    )


@pytest.mark.parametrize("most", range(4, 48, 3))
def test_any_limit_of_open_files_is_enough_or_ends_in_a_sentence(tmp_path: Path, most: int) -> None:
    process = run(tmp_path, "true", first=f"ulimit -n {most};")

    assert "please report" not in process.stderr
    if process.returncode != 0 and "coordsidecar: " in process.stderr:  # Not the interpreter's.
        assert process.returncode == 125, process.stderr
        assert "Traceback" not in process.stderr
