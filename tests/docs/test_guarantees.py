"""The contract is kept: every guarantee names the tests that show it, and all of them exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from coordsidecar.core.timing import Timing
from coordsidecar.settings.health_options import HealthCheck
from coordsidecar.settings.settings import build_settings
from tests.sim.mutants import MUTANTS
from tests.sim.mutants_of_succession import OF_SUCCESSION

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/guarantees.md").read_text()
SETTINGS = build_settings(flags={"store": "local:"}, command=("job",), environ={})
TEST = re.compile(r"`(tests/[\w/]+\.py::\w+(?:\[[^\]`]+\])?)`")


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its head."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


@pytest.fixture(scope="module")
def collected() -> set[str]:
    """All tests of the files that are named, as pytest finds them; with and without parameters."""
    files = sorted({name.partition("::")[0] for name in TEST.findall(PAGE)})
    quietly = ["--collect-only", "-q", "-p", "no:cacheprovider", "--containers", "--kubernetes"]
    found = subprocess.run(
        [sys.executable, "-m", "pytest", *quietly, *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert found.returncode == 0, found.stdout[-2000:] + found.stderr[-2000:]
    names = {line for line in found.stdout.splitlines() if "::" in line}
    return names | {name.partition("[")[0] for name in names}


@pytest.mark.parametrize("name", sorted(set(TEST.findall(PAGE))))
def test_every_test_that_is_named_exists(collected: set[str], name: str) -> None:
    assert name in collected


def test_every_name_that_looks_like_a_test_is_read_as_one() -> None:
    assert PAGE.count("tests/") == len(TEST.findall(PAGE))


@pytest.mark.parametrize("row", rows("The faults"), ids=lambda row: row[0][:40])
def test_every_guarantee_says_what_happens_when_and_what_shows_it(row: list[str]) -> None:
    fault, job, lead, at_most, shown = row

    assert fault
    assert job
    assert lead
    assert at_most
    assert TEST.search(shown)


def test_every_rule_has_a_row_with_a_test_that_fails_without_it() -> None:
    table = rows("The rules")

    assert [row[0].split()[0] for row in table] == [f"S{number}" for number in range(1, 20)]
    code = "".join(
        path.read_text() for top in ("sidecar", "adapters") for path in (ROOT / top).rglob("*.py")
    )
    for _, where, fails in table:
        assert TEST.search(fails)
        for name in re.findall(r"`(\w+)`", where):
            assert re.search(rf"\b{name}\b", code), name


def test_the_mutants_that_are_named_are_some() -> None:
    named = set(re.findall(r"is_caught\[(\w+)\]", PAGE))

    assert len(named) >= 7
    assert named <= (MUTANTS | OF_SUCCESSION).keys()


def test_the_times_are_those_of_the_default_ttl() -> None:
    timing = Timing.for_ttl(15)
    ours = {
        "TTL": timing.ttl_s,
        "R": timing.renew_every_s,
        "C": timing.rpc_timeout_s,
        "G": timing.lost_grace_s,
        "K": timing.kill_reserve_s,
        "margin": timing.margin_s,
        "D": timing.step_down_after_s,
        "delay": timing.takeover_delay_s,
    }
    formulas = {
        "TTL - margin": timing.ttl_s - timing.margin_s,
        "TTL + delay": timing.ttl_s + timing.takeover_delay_s,
        "G + K": timing.lost_grace_s + timing.kill_reserve_s,
        "D - R - 2 C": timing.step_down_after_s - timing.renew_every_s - 2 * timing.rpc_timeout_s,
        "max(1 s, D/2) + K": timing.guard_silence_s + timing.kill_reserve_s,
        "max(0.5 s, C)": timing.elector_silence_s,
        "`--stop-timeout` + K": SETTINGS.stop_timeout_s + timing.kill_reserve_s,
        "`--hook-timeout` + K": SETTINGS.hook_timeout_s + timing.kill_reserve_s,
        "`--hook-timeout`": SETTINGS.hook_timeout_s,
        "`--health-timeout`": HealthCheck(kind="tcp", target="h:1").timeout_s,
        "D + K": timing.step_down_after_s + timing.kill_reserve_s,
        "as when cut off": timing.ttl_s - timing.margin_s,
        **ours,
    }

    table = {row[0]: float(row[3].removesuffix(" s")) for row in rows("The times")}
    assert table == pytest.approx(ours)
    for *_, at_most, _ in rows("The faults"):
        for part in at_most.replace("\u2212", "-").split(";"):
            formula, colon, seconds = part.partition(", if")[0].rpartition(":")
            if colon:
                name = max((name for name in formulas if formula.endswith(name)), key=len)
                assert formulas[name] == pytest.approx(float(seconds.removesuffix(" s"))), part


def test_the_readme_links_to_it() -> None:
    section = (ROOT / "README.md").read_text().partition("**What is guaranteed**")[2]

    assert "(docs/guarantees.md)" in section.partition("\n## ")[0]
