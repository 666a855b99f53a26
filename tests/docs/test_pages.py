"""The pages are true: what they link to and name exists, and what they show is understood."""

from __future__ import annotations

import itertools
import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from coordsidecar.cli.doctor import DOCTOR_OPTIONS
from coordsidecar.cli.words import split
from coordsidecar.core.timing import Timing
from coordsidecar.guard.job_env import job_environment, token_variable
from coordsidecar.guard.role_file import Role, read_role
from coordsidecar.settings.attach import ATTACH_OPTIONS, attach_settings
from coordsidecar.settings.config_file import read_config_file
from coordsidecar.settings.options import OPTIONS
from coordsidecar.settings.settings import Settings, build_settings, timing_of
from coordsidecar.settings.sources import Sources
from coordsidecar.store.registry import check_scheme
from tests.cli.command import coordsidecar
from tests.cli.questions import QUESTIONS

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page.relative_to(ROOT)
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
)
README = (ROOT / "README.md").read_text()
DESIGN = (ROOT / "docs/design.md").read_text()
SETTINGS = build_settings(flags={"store": "local:"}, command=("job",), environ={})

pytestmark = pytest.mark.usefixtures("outside_of_containers")


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^ *```{language}\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)


def anchor(heading: str) -> str:
    """The name by which a heading is linked to."""
    return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    text = (ROOT / page).read_text()
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, part = target.partition("#")
        found = (ROOT / page).parent / path if path else ROOT / page

        assert found.exists(), f"{page} links to {target}"
        if part:
            headings = re.findall(r"^#+ (.*)$", found.read_text(), re.MULTILINE)
            assert part in map(anchor, headings), f"{page} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_file_that_is_named_exists(page: Path) -> None:
    text = (ROOT / page).read_text()
    named = re.findall(r"`((?:tests|sidecar|adapters|examples|bench|docs)/[\w./-]*)`", text)

    for path in named:
        assert (ROOT / path).exists(), f"{page} names {path}"


def test_every_module_and_name_in_the_design_exists() -> None:
    source = ROOT / "sidecar/coordsidecar"
    code = "".join(path.read_text() for path in source.rglob("*.py"))
    adapters = (ROOT / "adapters/coordsidecar_adapters").rglob("*.py")
    code += "".join(path.read_text() for path in adapters)

    for path in re.findall(r"(?<![\w/])((?:\w+/)*\w+\.py)\b", DESIGN):
        assert (source / path).exists() or (ROOT / path).exists(), path
    for name in re.findall(r"`(?:coordsidecar\.)?(?:\w+\.)*(_?\w+)`", DESIGN):
        known = re.search(rf"\b{name}\b", code) or (ROOT / "tests" / name).exists()
        assert known, f"docs/design.md names {name}"


def test_the_design_says_of_every_rule_where_it_is_enforced_and_shown() -> None:
    rows = re.findall(r"^\| \*\*S(\d+)\*\* ([^|]+)\| ([^|]+)\| ([^|]+)\|$", DESIGN, re.MULTILINE)

    assert [int(number) for number, *_ in rows] == [*range(1, 21)]
    for _, _, where, shown in rows:
        assert where.strip()
        assert "`tests/" in shown


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_option_that_is_named_is_one(page: Path) -> None:
    text = (ROOT / page).read_text()
    groups = (OPTIONS, ATTACH_OPTIONS, *QUESTIONS.values())
    ours = {option.flag for options in groups for option in options}
    ours |= {"--config", "--help", "--json", "--version", "--yes"}
    of_others = {"--without", "--pdb", "--prefix", "--tail", "--init", "--build", "--all"}
    of_others |= {"--rounds", "--only", "--hypothesis-profile"}  # Benchmarks and fuzzing.
    of_others |= {"--seed", "--seeds", "--trace", "--mutant", "--schedule"}  # The simulator.
    of_others |= {"--minutes", "--stores", "--faults", "--soak", "--sweep", "--lanes"}  # Of chaos.
    of_others |= {"--log", "--most", "--beyond", "--of"}  # Of refused calls, and starving.
    of_others |= {"--containers", "--kubernetes"}  # Of ./check.
    of_others |= {"--target", "--build-arg", "--from"}  # Of docker.
    of_others |= {"--copy-to", "--with"}  # The bundle's, and its maker's.
    of_others |= {"--network", "--pid", "--unix-socket"}  # Of docker, the last of curl.
    of_others |= {"--raw", "--flatten", "--watch", "--verb", "--resource", "--resource-name"}
    of_others |= {"--role", "--serviceaccount"}  # Of kubectl, as those before.
    of_others |= {
        "--rm",
        "--read-only",
        "--cap-drop",
        "--build-arg",
        "--containers",
    }  # Of containers.

    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*[a-z]", text))

    assert named <= ours | of_others, f"{page}: {named - ours - of_others}"


def test_every_option_in_the_readme_is_in_the_help() -> None:
    help_text = coordsidecar("--help").out
    table = README.partition("## Options")[2].partition("\n## ")[0]

    options = re.findall(r"`(--[a-z-]+)(?: [A-Z/]+)?`", table)

    assert len(options) > 10
    for option in options:
        assert f"  {option} " in help_text


def test_the_readme_has_every_exit_code_of_the_help() -> None:
    help_text = coordsidecar("--help").out.partition("Exit codes:")[2].partition("\n\n")[0]
    table = README.partition("## Exit codes")[2].partition("\n## ")[0]

    codes = set(re.findall(r"\b(\d+\+N|\d+)  ", help_text)) | {"128+N"}

    rows = set(re.findall(r"^\| (\d+(?:\+N)?) \|", table, re.MULTILINE))
    assert rows == codes
    assert "| that of the job |" in table


def test_the_readme_has_two_commands_to_set_up_with_and_both_exist() -> None:
    set_up = "python3 -m venv .venv && .venv/bin/pip install . && "
    first = README.partition("```sh\n")[2].partition("```")[0]

    assert README.count("pip install") == README.count("-m venv") == 1
    assert first.startswith(set_up)
    words = shlex.split(first.removeprefix(set_up))
    flags, command = split(words[1:], OPTIONS, interspersed=False)
    assert words[0] == ".venv/bin/coordsidecar"
    assert build_settings(flags=flags, command=command, environ={}).store == "local:"
    assert (ROOT / command[-1]).is_file()
    assert "```sh\n./check\n```" in README
    assert (ROOT / "check").stat().st_mode & 0o100


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_command_line_that_is_shown_is_understood(page: Path) -> None:
    lines = [
        line for block in blocks((ROOT / page).read_text(), "sh") for line in block.split("\n")
    ]

    assert understood(lines)


@pytest.mark.parametrize("name", ["token_check.sh", "fenced_write.py", "role_file.mjs"])
def test_the_command_line_that_an_example_names_is_understood(name: str) -> None:
    text = (ROOT / "examples" / name).read_text().replace("\\\n", " ")
    lines = [line.strip("#/ ") for line in text.splitlines()]
    shown = [line for line in lines if line.startswith("coordsidecar --")]

    assert shown
    assert understood(shown)
    assert f"examples/{name}" in shown[0]


def understood(lines: list[str]) -> bool:
    """Whether our own program takes each of the lines that call it."""
    for line in lines:
        words = shlex.split(line, comments=True)
        if words[:1] == ["coordsidecar"] and words[1] in {*QUESTIONS} - {"attach"}:
            asked = itertools.takewhile(lambda word: word not in ("||", "&&"), words[2:])
            given = [word for word in asked if word not in ("--json", "--yes", "--wait")]
            split(given, QUESTIONS[words[1]], interspersed=True)
        elif words[:2] == ["coordsidecar", "doctor"]:
            flags, _ = split(words[2:], DOCTOR_OPTIONS, interspersed=True)
            timing_of(Sources.gather(flags, {}).values(DOCTOR_OPTIONS))
        elif words[:2] == ["coordsidecar", "attach"]:
            flags, command = split(words[2:], ATTACH_OPTIONS, interspersed=False)
            attach_settings(flags=flags, command=command, environ={})
        elif words[:1] == ["coordsidecar"]:
            flags, command = split(words[1:], OPTIONS, interspersed=False)
            flags.pop("role-file", None)  # Its folder need not exist here.
            build_settings(flags=flags, command=command, environ={})
    return True


def test_the_stores_in_the_readme_are_those_there_are() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = set(project["entry-points"]["coordsidecar.stores"])
    table = README.partition("## Stores")[2].partition("\n## ")[0]

    urls = re.findall(r"`([a-z+]+:[^`]*)`", table)

    assert {check_scheme(url) for url in urls} == declared


@pytest.mark.parametrize("variable", ["ETCDCTL_", "CONSUL_"])
def test_the_variables_that_stores_honour_are_in_the_readme(variable: str) -> None:
    adapters = (ROOT / "adapters/coordsidecar_adapters").rglob("*.py")
    code = "".join(path.read_text() for path in adapters)

    honoured = set(re.findall(rf'"({variable}[A-Z_]+)"', code))

    assert honoured
    for name in honoured:
        assert f"`{name}`" in README


def test_the_environment_in_the_readme_is_what_a_job_gets_and_no_more() -> None:
    secrets = {"NOTIFY_SOCKET", "ETCDCTL_USER", "ETCDCTL_PASSWORD", "ETCDCTL_KEY"}
    secrets |= {"CONSUL_HTTP_TOKEN", "CONSUL_HTTP_TOKEN_FILE", "CONSUL_HTTP_AUTH"}
    secrets |= {"CONSUL_CLIENT_KEY", "COORDSIDECAR_TTL"}
    section = README.partition("## What the job is told")[2].partition("\n## ")[0]

    given = {**dict.fromkeys(secrets, "x"), "PATH": "/bin"}
    settings = Settings(command=("job",), election=SETTINGS.election, id="a", role_file="/tmp/role")
    job = job_environment(given, settings, run="r", role="leader", ack_path="/tmp/ack")
    job |= token_variable(1)

    assert job.keys() - {"PATH"} == set(re.findall(r"`(COORDSIDECAR_[A-Z_]+)`", section))
    for name in secrets - {"COORDSIDECAR_TTL"}:
        assert f"`{name}`" in section


def test_the_role_file_in_the_readme_can_be_read(tmp_path: Path) -> None:
    (text,) = blocks(README, "json")
    (tmp_path / "role").write_text(text)

    role = read_role(str(tmp_path / "role"))

    assert role.role == "leader"
    assert list(Role.__match_args__) == list(json.loads(text))


def test_the_times_in_the_pages_are_those_of_the_default_ttl() -> None:
    timing = Timing.for_ttl(15.0)
    run_until_s = timing.ttl_s - timing.margin_s

    assert timing.step_down_after_s == pytest.approx(8)
    assert run_until_s - timing.kill_reserve_s == pytest.approx(12)
    assert run_until_s == pytest.approx(13)
    assert timing.ttl_s + timing.takeover_delay_s == pytest.approx(30)
    assert timing.guard_silence_s == pytest.approx(4)
    assert timing.lost_grace_s == pytest.approx(4)
    assert times_drawn(README) == [0, 3, 6, 8, 12, 13, 15]
    assert times_drawn(DESIGN) == [0, 3, 6, 8, 12, 13, 15]


def times_drawn(page: str) -> list[int]:
    line = next(line for line in page.splitlines() if line.startswith(" 0 s   "))
    return [int(number) for number in re.findall(r"(\d+) s", line)]


def test_the_defaults_in_the_readme_are_the_defaults() -> None:
    assert SETTINGS.timing.ttl_s == 15
    assert SETTINGS.stop_timeout_s == 25
    assert (SETTINGS.restart, SETTINGS.on_lost) == ("never", "rejoin")
    assert (SETTINGS.max_restarts, SETTINGS.max_restarts_window_s) == (3, 60)
    for row in ("| `15s` |", "| `TERM`, `25s` |", "| `never`, `3/60s` |", "| `rejoin` |"):
        assert row in README


def test_the_keys_of_the_file_in_the_readme_are_known(tmp_path: Path) -> None:
    (tmp_path / "file.toml").write_text('stop-timeout = "25s"\n')

    assert read_config_file(str(tmp_path / "file.toml")).texts == {"stop-timeout": "25s"}
    assert '`stop-timeout = "25s"`' in README
    assert "`COORDSIDECAR_STOP_TIMEOUT=25s`" in README
