"""`coordsidecar completion`: real shells complete our command line, and the job's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from coordsidecar.cli import main
from coordsidecar.cli.vocabulary import ALL_FLAGS, COMMANDS, NAMES, SHELLS, Command
from tests.cli.command import coordsidecar, refusal


@pytest.fixture(scope="module")
def scripts() -> dict[str, str]:
    return {shell: coordsidecar("completion", shell).out for shell in SHELLS}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a role.json").touch()
    (tmp_path / "token").touch()
    return tmp_path


# ── bash ───────────────────────────────────────────────────────────────────────────────────────

# As readline has it: words are split at spaces, = and :.
_COMPLETE = r"""
source /dev/stdin
COMP_LINE=$1 COMP_POINT=${#1} COMP_CWORD=$(($# - 2))
shift
COMP_WORDS=("$@")
_coordsidecar coordsidecar
printf '%s\n' "${COMPREPLY[@]}"
"""


def bash(scripts: dict[str, str], line: str, *, folder: Path | None = None) -> list[str]:
    """What bash offers at the end of this line, where no bash-completion is loaded."""
    words = re.findall(r"\"[^\"]*\"?|[=:]|[^\s=:]+", line) + [""] * line.endswith(" ")
    done = subprocess.run(
        ["bash", "--norc", "--noprofile", "-c", _COMPLETE, "bash", line, *words],
        input=scripts["bash"], capture_output=True, text=True, check=True, cwd=folder,
    )  # fmt: skip
    assert done.stderr == ""
    return sorted({word for word in done.stdout.split("\n") if word})


def test_bash_offers_subcommands_first(scripts: dict[str, str]) -> None:
    assert bash(scripts, "coordsidecar ") == sorted(NAMES)
    assert bash(scripts, "coordsidecar st") == ["status", "step-down"]
    assert bash(scripts, "coordsidecar bashb") == ["bashbug"]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_bash_offers_all_options_of_each(scripts: dict[str, str], command: Command) -> None:
    flags = sorted(flag.flag for flag in command.flags)

    assert bash(scripts, f"coordsidecar {command.name} -") == flags


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("--while-standby ", ["freeze", "signal", "stop"]),
        ("--while-standby s", ["signal", "stop"]),
        ("--while-standby=s", ["signal", "stop"]),
        ("--while-standby=", ["freeze", "signal", "stop"]),
        ("--stop-signal US", ["USR1", "USR2"]),
        ("run --restart on", ["on-failure"]),
        ("attach --hold ", ["end", "freeze"]),
        ("wait x --for not", ["not="]),
        ("--ttl ", []),
        ("--ttl 5s --store local: --log-format=json --on-lost ", ["exit", "rejoin"]),
        ("--store etcd://a:2379,b:2379 --wh", ["--while-standby"]),
        ('--standby "python serve.py --ro" --wh', ["--while-standby"]),
        ("--standby bashb", ["bashbug"]),
        ("completion ", ["bash", "fish", "zsh"]),
        ("health --ttl", []),
        ("list --na", ["--namespace"]),
        ("status nightly --js", ["--json"]),
        ("doctor --json --na", ["--name", "--namespace"]),  # The one takes no value.
        ("attach -- ", []),
    ],
)
def test_bash_offers_what_may_follow(
    scripts: dict[str, str], line: str, offered: list[str]
) -> None:
    assert bash(scripts, f"coordsidecar {line}") == offered


@pytest.mark.parametrize("option", ["--role-file", "--http-token-file", "--config"])
def test_bash_offers_files_where_one_is_meant(
    scripts: dict[str, str], folder: Path, option: str
) -> None:
    assert bash(scripts, f"coordsidecar {option} ", folder=folder) == ["a role.json", "token"]
    assert bash(scripts, f"coordsidecar {option}=to", folder=folder) == ["token"]


@pytest.mark.parametrize(
    "before", ["--", "--ttl 5s --store local: --", "run --", "--ttl 5s", "run"]
)
def test_bash_offers_commands_for_the_job_and_then_files(
    scripts: dict[str, str], folder: Path, before: str
) -> None:
    first = bash(scripts, f"coordsidecar {before} bas", folder=folder)
    then = bash(scripts, f"coordsidecar {before} bash -x to", folder=folder)
    ours = bash(scripts, f"coordsidecar {before} bash --restart ", folder=folder)

    assert "bash" in first
    assert then == ["token"]
    assert ours == ["a role.json", "token"]


def test_bash_leaves_the_jobs_line_to_who_knows_it(scripts: dict[str, str]) -> None:
    """Where bash-completion is loaded, its function is told at which of bash's words it begins."""
    known = '_command_offset() { COMPREPLY=("offset $1"); }\n'
    line = "coordsidecar --store etcd://a:1 -- git che"

    assert bash({"bash": known + scripts["bash"]}, line) == ["offset 8"]


def test_bash_takes_the_script_as_a_start_up_file_does(scripts: dict[str, str]) -> None:
    done = subprocess.run(
        ["bash", "--norc", "-c", 'set -eu; source <(cat); complete -p coordsidecar'],
        input=scripts["bash"], capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert done.stdout == "complete -F _coordsidecar coordsidecar\n"


# ── zsh and fish ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh")
def test_zsh_can_read_it(scripts: dict[str, str]) -> None:
    done = subprocess.run(
        ["zsh", "-f", "-c", "autoload -U compinit && compinit -u -D; source /dev/stdin; "
         "print -- ${_comps[coordsidecar]}"],
        input=scripts["zsh"], capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert (done.stdout, done.stderr) == ("_coordsidecar\n", "")


def fish(scripts: dict[str, str], line: str, home: Path) -> list[str]:
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"source -; complete -C '{line}'"],
        input=scripts["fish"], capture_output=True, text=True, check=True, cwd=home,
        env=dict(os.environ) | {"HOME": str(home)},
    )  # fmt: skip
    assert done.stderr == ""
    return sorted(offered.partition("\t")[0] for offered in done.stdout.splitlines())


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("step-d", {"step-down"}),
        ("--while-standby s", {"signal", "stop"}),
        ("--while-standby=s", {"--while-standby=signal", "--while-standby=stop"}),
        ("attach --hold ", {"end", "freeze"}),
        ("completion ", {"bash", "fish", "zsh"}),
        ("status x --js", {"--json"}),
        ("--role-file to", {"token"}),
        ("--ttl 5s -- bas", {"bash"}),
        ("--store local: cat to", {"token"}),
        ("run --ttl 5s --on-lost ", {"exit", "rejoin"}),
    ],
)
def test_fish_offers_what_may_follow(
    scripts: dict[str, str], folder: Path, line: str, offered: set[str]
) -> None:
    found = fish(scripts, f"coordsidecar {line}", folder)

    assert offered <= set(found)
    assert len(found) == len(offered) or offered == {"bash"}


# ── all ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("shell", SHELLS)
def test_every_option_and_subcommand_of_the_help_is_in_the_script(
    scripts: dict[str, str], shell: str
) -> None:
    """As words of their own; in fish options stand without their dashes."""
    names = {"run", "attach", *main._QUESTIONS, *main._OPERATORS}
    flags: set[str] = set()
    for name in names:
        page = coordsidecar(name, "--help").out
        flags |= set(re.findall(r"^  (?:-h, )?(--[a-z-]+)", page, re.MULTILINE))
    text = scripts[shell]

    assert names == set(NAMES)
    assert flags - {"--version"} <= ALL_FLAGS.keys()
    for name in names:
        assert re.search(rf"(?<![\w-]){name}(?![\w-])", text), name
    for flag in flags:
        asked = rf"-l {flag[2:]}" if shell == "fish" else flag
        assert re.search(rf"(?<![\w-]){asked}(?![\w-])", text), flag


def test_every_subcommand_has_the_options_of_its_help_and_no_others() -> None:
    for command in COMMANDS:
        page = coordsidecar(command.name, "--help").out
        shown = set(re.findall(r"^  (?:-h, )?(--[a-z-]+)", page, re.MULTILINE))

        assert shown | {"--help", "--version"} == {
            flag.flag for flag in command.flags if flag.flag != "-h"
        } | {"--version"}


def test_an_option_takes_the_same_wherever_there_is_one_of_that_name() -> None:
    for command in COMMANDS:
        for flag in command.flags:
            if (command.name, flag.flag) == ("cordon", "--wait"):
                continue  # It takes nothing, and that of a run a time.
            assert (flag.takes, flag.words) == (
                ALL_FLAGS[flag.flag].takes,
                ALL_FLAGS[flag.flag].words,
            )


@pytest.mark.parametrize("words", [[], ["csh"], ["bash", "zsh"], ["--ttl", "5s"]])
def test_what_is_no_shell_is_refused(words: list[str]) -> None:
    assert refusal("completion", *words)


def test_the_help_has_the_line_for_each_shell() -> None:
    page = coordsidecar("completion", "--help")

    assert page.status == 0
    for line in ("source <(coordsidecar completion bash)", "source <(coordsidecar completion zsh)"):
        assert line in page.out
    assert "coordsidecar completion fish | source" in page.out
    assert max(map(len, page.out.splitlines())) <= 80
