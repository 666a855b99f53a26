"""The example jobs do what they say: each runs under a real sidecar, and refuses when it must."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.sidecars import Sidecar, sidecars, wait_for

EXAMPLES = Path(__file__).parents[2] / "examples"
NODE = shutil.which("node")
JAVA = shutil.which("java")
needs_java = pytest.mark.skipif(JAVA is None, reason="there is no java on PATH")
needs_node = pytest.mark.skipif(NODE is None, reason="there is no node on PATH")

# A job finds `coordsidecar` on its PATH, as it would where the package is installed.
PATH = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Sidecar]]:
    """Start an instance of the election ``ledger`` on a lock file of the test's own."""
    with sidecars(tmp_path) as start:
        election = ["--store", f"local:{tmp_path / 'locks'}", "--name", "ledger"]
        yield lambda *words: start(*election, *words, env=PATH)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def test_the_ticker_ticks_under_its_token(start: Callable[..., Sidecar], tmp_path: Path) -> None:
    out = tmp_path / "out"
    job = f"exec {sys.executable} {EXAMPLES / 'ticker.py'} >{out}"

    start("--", "sh", "-c", job)

    wait_for(lambda: lines(out), "a tick")
    assert lines(out)[0].endswith("token 1")


def test_the_shell_job_writes_while_it_leads(start: Callable[..., Sidecar], tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"

    start("--", str(EXAMPLES / "token_check.sh"), str(ledger))

    wait_for(lambda: len(lines(ledger)) >= 2, "two entries")
    assert lines(ledger)[0].startswith("token 1, ")


def test_the_shell_job_writes_nothing_with_a_token_that_is_too_old(
    start: Callable[..., Sidecar], tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    leader = start("--", "sleep", "600")
    leader.job()
    election = {"COORDSIDECAR_STORE": f"local:{tmp_path / 'locks'}", "COORDSIDECAR_NAME": "ledger"}

    overtaken = subprocess.run(
        [EXAMPLES / "token_check.sh", ledger],
        env={**os.environ, **PATH, **election, "COORDSIDECAR_TOKEN": "0"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert overtaken.returncode == 1
    assert "is led with token 1" in overtaken.stderr
    assert lines(ledger) == []


def entries(path: Path) -> list[int]:
    """The tokens under which the ledger was written."""
    if not path.exists():
        return []
    with closing(sqlite3.connect(path, timeout=10)) as ledger:
        try:
            return [token for (token,) in ledger.execute("SELECT token FROM entries")]
        except sqlite3.OperationalError:
            return []  # Its tables are not there yet.


def test_the_python_job_is_refused_once_a_newer_leader_has_written(
    start: Callable[..., Sidecar], tmp_path: Path
) -> None:
    database, role_file = tmp_path / "ledger.db", tmp_path / "role"
    job = [sys.executable, str(EXAMPLES / "fenced_write.py"), str(database)]
    overtaken = start("--role-file", str(role_file), "--", *job)
    wait_for(lambda: entries(database), "an entry")

    with closing(sqlite3.connect(database, timeout=10)) as ledger, ledger:
        ledger.execute("UPDATE fence SET token = 7")

    assert overtaken.wait() == 1
    assert set(entries(database)) == {1}


def test_a_database_takes_equal_and_newer_tokens_and_no_older_one(tmp_path: Path) -> None:
    """Two terms after each other in one database: the second goes on where the first was."""
    database = tmp_path / "ledger.db"
    for _ in range(2):
        with sidecars(tmp_path) as start:
            store = f"local:{tmp_path / 'locks'}"
            job = [sys.executable, str(EXAMPLES / "fenced_write.py"), str(database)]
            known = len(entries(database))
            election = ("--store", store, "--name", "ledger", "--role-file", str(tmp_path / "role"))
            start(*election, "--", *job)
            wait_for(lambda known=known: len(entries(database)) > known, "an entry")  # type: ignore[misc]

    assert set(entries(database)) == {1, 2}
    assert entries(database) == sorted(entries(database))


@needs_node
def test_the_node_job_writes_while_it_leads(start: Callable[..., Sidecar], tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    job = [str(NODE), str(EXAMPLES / "role_file.mjs"), str(ledger)]

    start("--role-file", str(tmp_path / "role"), "--", *job)

    wait_for(lambda: len(lines(ledger)) >= 2, "two entries")
    assert lines(ledger)[0].startswith("token 1, ")


@needs_java
def test_the_java_job_writes_while_it_leads(start: Callable[..., Sidecar], tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    job = [str(JAVA), str(EXAMPLES / "RoleFile.java"), str(ledger)]

    start("--role-file", str(tmp_path / "role"), "--", *job)

    wait_for(lambda: len(lines(ledger)) >= 2, "two entries")
    assert lines(ledger)[0].startswith("token 1, ")


@pytest.mark.parametrize(
    ("role", "until_s"), [("leader", 1.0), ("standby", None), ("stopping", 1e12)]
)
@pytest.mark.parametrize(
    "job",
    [
        pytest.param(["node", str(EXAMPLES / "role_file.mjs")], marks=needs_node, id="node"),
        pytest.param(["java", str(EXAMPLES / "RoleFile.java")], marks=needs_java, id="java"),
        pytest.param([sys.executable, str(EXAMPLES / "fenced_write.py")], id="python"),
    ],
)
def test_jobs_begin_nothing_when_they_do_not_lead_or_have_no_time_left(
    tmp_path: Path, job: list[str], role: str, until_s: float | None
) -> None:
    role_file, ledger = tmp_path / "role", tmp_path / "ledger"
    role_file.write_text(json.dumps({"role": role, "token": 7, "run_until_boottime_s": until_s}))

    with subprocess.Popen(
        [*job, ledger],
        env={**os.environ, "COORDSIDECAR_ROLE_FILE": str(role_file)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            said = [process.stdout.readline() for _ in range(3)]
        finally:
            process.kill()

    assert said == [f"not now: {role}\n"] * 3
    assert (lines(ledger) if job[0] in ("node", "java") else entries(ledger)) == []
