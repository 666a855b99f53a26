"""The help is complete, fits a terminal, and costs no more than it must."""

from __future__ import annotations

import subprocess
import sys

import pytest

import coordsidecar as package
from coordsidecar.cli.main import _OPERATORS
from coordsidecar.settings.options import OPTIONS, Option
from coordsidecar.settings.questions import OPTIONS_OF
from tests.cli.command import coordsidecar
from tests.cli.questions import QUESTIONS


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["run", "--help"], ["--ttl", "5s", "-h"]])
def test_help_names_every_option_and_every_exit_code(words: list[str]) -> None:
    result = coordsidecar(*words)

    assert result.status == 0
    assert result.err == ""
    for option in OPTIONS:
        assert f"\n  {option.flag} {option.metavar}" in result.out
    for code in ("2 ", "123", "124", "125", "126", "127", "128+N"):
        assert code in result.out


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["check", "--help"], ["health", "-h"]]
)
def test_help_that_cannot_be_written_is_no_success(words: list[str]) -> None:
    with open("/dev/full", "w", encoding="ascii") as full:
        result = subprocess.run(
            [sys.executable, "-m", "coordsidecar", *words],
            stdout=full, stderr=subprocess.PIPE, timeout=60, check=False,
        )  # fmt: skip

    assert result.returncode == 125
    assert b"cannot write to standard output: No space left on device" in result.stderr


@pytest.mark.parametrize(
    ("question", "options"),
    QUESTIONS.items(),
)
def test_help_of_a_question_names_its_options(question: str, options: tuple[Option, ...]) -> None:
    result = coordsidecar(question, "--help")

    assert result.status == 0
    for option in options:
        assert f"\n  {option.flag} {option.metavar}" in result.out


@pytest.mark.parametrize("words", [["--help"], *([which, "--help"] for which in QUESTIONS)])
def test_help_fits_eighty_columns(words: list[str]) -> None:
    result = coordsidecar(*words)

    assert all(len(line) <= 80 for line in result.out.splitlines())
    assert result.out.isascii()


def test_version_is_the_packages_own() -> None:
    result = coordsidecar("--version")

    assert (result.status, result.out) == (0, f"coordsidecar {package.__version__}\n")


def test_help_into_a_closed_pipe_is_no_failure() -> None:
    process = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m coordsidecar --help | true; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert (process.returncode, process.stderr) == (0, b"")


def test_guard_and_elector_import_no_store_and_nothing_slow() -> None:
    program = (
        "import sys\n"
        "import ctypes\n"  # We cannot do without; from Python 3.14 on it imports threading itself.
        "before = set(sys.modules)\n"
        "from coordsidecar.cli.words import split\n"
        "from coordsidecar.settings.options import OPTIONS\n"
        "from coordsidecar.settings.settings import build_settings\n"
        "flags, command = split(['--store=etcd://h', 'job'], OPTIONS, interspersed=False)\n"
        "build_settings(flags=flags, command=command, environ={})\n"
        "import coordsidecar.guard.loop, coordsidecar.elector.loop\n"
        "print(*sys.modules.keys() - before)"
    )

    process = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True
    )

    slow = {"logging", "importlib.metadata", "tomllib", "difflib", "shlex", "subprocess"}
    slow |= {"http.client", "ssl", "asyncio", "urllib.request", "coordsidecar_adapters", "psutil"}
    slow |= {"coordsidecar.guard.hooks", "coordsidecar.children.hook_runner"}  # None are wanted.
    slow |= {"coordsidecar.guard.health", "coordsidecar.guard.helper"}
    slow |= {"coordsidecar.children.health_prober", "coordsidecar.children.one_command"}
    slow |= {"coordsidecar.guard.notify_watch", "coordsidecar.children.health_listener"}
    slow |= {"click", "typing", "threading", "queue", "dataclasses", "inspect"}
    assert not slow & set(process.stdout.split())


def test_what_an_operator_says_is_known_by_its_word() -> None:
    assert set(OPTIONS_OF) == _OPERATORS
