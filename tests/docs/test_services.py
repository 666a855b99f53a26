"""The units for service managers: well-formed, and in step with the program."""

from __future__ import annotations

import configparser
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from coordsidecar.cli.words import split
from coordsidecar.duration import parse_duration
from coordsidecar.settings.options import OPTIONS
from coordsidecar.settings.settings import Settings, build_settings

SERVICES = Path(__file__).parents[2] / "examples/services"


def unit(name: str) -> configparser.ConfigParser:
    text = (SERVICES / name).read_text().replace("\\\n", "")
    parser = configparser.ConfigParser(interpolation=None, comment_prefixes=("#", ";"))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return parser


def settings_of(command: str) -> Settings:
    program, *words = shlex.split(command)
    assert program == "/usr/local/bin/coordsidecar"
    flags, rest = split(words, OPTIONS, interspersed=False)
    return build_settings(flags=flags, command=rest, environ={})


def test_the_unit_for_systemd_stops_us_as_we_like_it() -> None:
    service = unit("billing.service")["Service"]
    settings = settings_of(service["ExecStart"])

    assert settings.election.name == "billing"
    assert (service["Type"], service["KillMode"]) == ("notify", "mixed")
    assert parse_duration(service["TimeoutStopSec"]) > settings.stop_timeout_s
    # A guard may be off its processor for a while without anything being wrong.
    assert parse_duration(service["WatchdogSec"]) > settings.timing.ttl_s


def test_systemd_understands_the_unit() -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd-analyze here")
    verify = [analyze, "verify", str(SERVICES / "billing.service")]

    verified = subprocess.run(verify, capture_output=True, text=True, timeout=60, check=False)

    ours = [line for line in verified.stderr.splitlines() if "billing.service" in line]
    assert [line for line in ours if "is not executable" not in line] == []


def test_the_program_for_supervisord_stops_us_as_we_like_it() -> None:
    program = unit("billing.conf")["program:billing"]
    settings = settings_of(program["command"])

    assert settings.election.name == "billing"
    assert (program["stopsignal"], program["stopasgroup"]) == ("TERM", "false")
    assert float(program["stopwaitsecs"]) > settings.stop_timeout_s
