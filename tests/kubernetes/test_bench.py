"""The benchmark of a host's death, on an API server that it starts itself."""

from __future__ import annotations

import re

from tests.bench.test_bench import run


def test_one_death_of_a_host_prints_how_long_nobody_worked(need_kubernetes: None) -> None:
    done = run("bench.host_death", "--rounds", "1", "--only", "kubernetes", "--ttl", "5s")

    assert done.returncode == 0, done.stderr
    row = r"^  coordsidecar kubernetes, TTL 5 s(?: +[0-9.]+){3} +1$"
    assert re.search(row, done.stdout, re.MULTILINE), done.stdout
