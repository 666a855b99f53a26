"""The benchmark runs and shows numbers; what they are is nothing for a test."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_one_round_on_lock_files_prints_every_figure_as_a_number() -> None:
    done = run("bench", "--rounds", "1", "--only", "local")

    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^  coordsidecar local((?: +[0-9.]+){4})$", done.stdout, re.MULTILINE)
    by_script = "console script" in done.stdout
    assert len(rows) == 12 + by_script, done.stdout


def test_one_death_of_a_host_prints_how_long_nobody_worked(
    need_server: Callable[[str], None],
) -> None:
    need_server("etcd")

    done = run("bench.host_death", "--rounds", "1", "--only", "etcd", "--ttl", "5s")

    assert done.returncode == 0, done.stderr
    row = r"^  coordsidecar etcd, TTL 5 s(?: +[0-9.]+){3} +1$"
    assert re.search(row, done.stdout, re.MULTILINE), done.stdout


def test_a_short_chaos_run_prints_its_table_and_that_all_was_well() -> None:
    briefly = ("--minutes", "0.02", "--seed", "1")
    done = run("bench.chaos", *briefly, "--stores", "local", "--faults", "kill guard,kill job")

    assert done.returncode == 0, done.stderr
    assert re.search(
        r"^kill \w+ +local +\d+ +0 +\d+ +\d+ +\d+ +0 +0 +0$", done.stdout, re.MULTILINE
    )
    assert " 0 violations" in done.stdout


def test_one_order_of_each_kind_in_a_fleet_prints_what_it_took() -> None:
    done = run("bench.operated", "--stores", "local", "--rounds", "1", "--clients", "0")

    assert done.returncode == 0, done.stderr
    told = re.findall(
        r"^coordsidecar local, 5 instances, (\S+): 1 times, 2 jobs; .*; overlap 0 ms$",
        done.stdout,
        re.MULTILINE,
    )
    assert told == ["SIGTERM", "step-down", "transfer"], done.stdout
