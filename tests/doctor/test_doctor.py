"""`coordsidecar doctor`: its words, its exit codes, and what it leaves alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from coordsidecar.cli.doctor import DOCTOR_OPTIONS
from tests.cli.command import at_terminal, coordsidecar, install_store, refusal
from tests.doctor.examined import doctor
from tests.servers import EtcdServer
from tests.servers.process import free_ports


def on_a_terminal(environ: dict[str, str]) -> str:
    """What it shows there."""
    words = ("doctor", "--store", "local:/tmp", "--name", "x")
    return at_terminal(*words, environ=environ)


def test_people_get_a_line_each_and_the_remedy_below(tmp_path: Path) -> None:
    (tmp_path / "default").write_text("no folder")

    result = coordsidecar("doctor", "--store", f"local:{tmp_path}", "--name", "x")

    assert (result.status, result.err) == (1, "")
    lines = result.out.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("fail  rights  "))
    assert "Not a directory" in lines[at]
    assert lines[at + 1].startswith("      -> name a folder")
    assert "\x1b" not in result.out


def test_colours_are_for_terminals_and_only_for_who_wants_them() -> None:
    coloured = on_a_terminal({"NO_COLOR": ""})
    plain = on_a_terminal({"NO_COLOR": "1"})

    assert "\x1b[32mok  \x1b[0m  timings" in coloured
    assert "\x1b" not in plain
    assert "ok    timings" in plain


def test_programs_get_one_object_whose_worst_is_the_exit_code(tmp_path: Path) -> None:
    (nobody,) = free_ports(1)

    well = doctor("--store", f"local:{tmp_path}", "--name", "x")
    ill = doctor("--store", f"etcd://127.0.0.1:{nobody}", "--name", "x")

    assert well.status == 0
    assert well.worst in ("ok", "warn")
    assert (ill.status, ill.worst) == (1, "fail")


def test_without_a_name_the_election_is_not_looked_at_and_that_is_said(tmp_path: Path) -> None:
    report = doctor("--store", f"local:{tmp_path}")

    assert report.of("rights").state == "warn"
    assert "--name" in report.of("rights").remedy
    assert "election" not in {check.check for check in report.checks}


def test_the_times_are_those_that_a_run_would_have(tmp_path: Path) -> None:
    store = ("--store", f"local:{tmp_path}", "--name", "x")

    assert doctor(*store).of("timings").said == (
        "renew every 3s, a call may take 2s, without an answer: stop signal after 8s, "
        "SIGKILL after 12s, dead by 13s"
    )
    shorter = doctor(*store, "--ttl", "5s", environ={"COORDSIDECAR_RENEW_EVERY": "250ms"})
    assert "renew every 250ms" in shorter.of("timings").said


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        pytest.param(["nightly"], ["no argument"], id="an-argument"),
        pytest.param(["--store", "http://x:2379"], ["did you mean etcd://"], id="no-such-store"),
        pytest.param(["--store", "local:x"], ["--store", "absolute"], id="no-such-folder"),
        pytest.param(["--ttl", "1s"], ["--ttl 1s is too short"], id="short"),
        pytest.param(["--renew-every", "9s"], ["unsafe timing"], id="unsafe"),
        pytest.param(["--naem", "x"], ["did you mean --name?"], id="misspelt"),
    ],
)
def test_bad_usage_is_refused_in_a_sentence(words: list[str], parts: list[str]) -> None:
    sentence = refusal("doctor", *words)

    for part in parts:
        assert part in sentence


def test_a_doctor_that_cannot_say_it_is_no_success() -> None:
    with open("/dev/full", "w", encoding="ascii") as full:
        result = subprocess.run(
            [sys.executable, "-m", "coordsidecar", "doctor", "--store", "local:/tmp"],
            stdout=full, stderr=subprocess.PIPE, timeout=60, check=False,
        )  # fmt: skip

    assert result.returncode == 125
    assert b"No space left on device" in result.stderr


def test_a_store_of_another_package_is_asked_who_leads_and_no_more(tmp_path: Path) -> None:
    environ = install_store(tmp_path)
    environ["PYTHONPATH"] += os.pathsep + os.environ.get("PYTHONPATH", "")
    (tmp_path / "leaders").write_text('{"default/x": 7}')
    url = f"leaderfile:{tmp_path}/leaders"

    report = doctor("--store", url, "--name", "x", environ=environ)

    assert report.status == 0
    assert report.of("election").said == "is led with token 7"
    assert report.of("rights").state == "warn"


def test_the_help_names_its_options_and_fits() -> None:
    result = coordsidecar("doctor", "--help")

    assert (result.status, result.err) == (0, "")
    for option in DOCTOR_OPTIONS:
        assert f"\n  {option.flag} {option.metavar}" in result.out
    assert "\n  --json" in result.out
    assert "\n  coordsidecar doctor --store etcd://" in result.out
    assert all(len(line) <= 80 for line in result.out.splitlines())


def test_a_run_imports_nothing_of_the_doctors(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from coordsidecar.cli.main import main\n"
        "import atexit; atexit.register(lambda: print(*sys.modules))\n"
        "main(['check', '7', '--name', 'x', '--store', 'local:' + sys.argv[1]])"
    )

    process = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False
    )

    assert process.returncode == 1
    names = ("doctor", "examiner", "knock")
    assert not [m for m in process.stdout.split() if m.rpartition(".")[2] in names or "doctor" in m]


def test_the_page_names_every_check(tmp_path: Path, etcd: EtcdServer) -> None:
    page = (Path(__file__).parents[2] / "docs/operations.md").read_text()
    page = page.partition("## Is all well here? doctor")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", page, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([\w-]+)`", row)}

    report = doctor("--store", f"etcd://{etcd.endpoint}", "--name", "x")

    assert named == {check.check for check in report.checks} | {"tls"}  # This server has none.
