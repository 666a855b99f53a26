"""The options about the health of the job: bad ones are refused in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordsidecar.settings.health_options import PROBE_OPTIONS, HealthCheck
from coordsidecar.settings.settings import Settings, build_settings
from tests.cli.command import refusal


def _settings(environ: dict[str, str] | None = None, **flags: str) -> Settings:
    given = {name.replace("_", "-"): text for name, text in flags.items()}
    environ = {"COORDSIDECAR_STORE": "local:"} | (environ or {})
    return build_settings(flags=given, command=("job",), environ=environ)


def test_without_a_check_there_is_none() -> None:
    assert _settings().health is None


def test_the_defaults() -> None:
    assert _settings(health_cmd="pg_isready -q").health == HealthCheck(
        kind="cmd",
        target="pg_isready -q",
        interval_s=10.0,
        timeout_s=5.0,
        rise=1,
        fall=3,
        start_period_s=0.0,
        unhealthy="step-down",
    )


def test_all_can_be_given_by_variables_and_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "file.toml"
    file.write_text('health-fall = "2"\nhealth-start-period = "1m"\nunhealthy = "restart"\n')
    environ = {
        "COORDSIDECAR_HEALTH_TCP": "127.0.0.1:5432",
        "COORDSIDECAR_HEALTH_INTERVAL": "2s",
        "COORDSIDECAR_CONFIG": str(file),
    }

    health = _settings(environ, health_timeout="500ms", health_rise="4").health

    assert health == HealthCheck(
        kind="tcp",
        target="127.0.0.1:5432",
        interval_s=2.0,
        timeout_s=0.5,
        rise=4,
        fall=2,
        start_period_s=60.0,
        unhealthy="restart",
    )


@pytest.mark.parametrize(
    ("url", "address", "asked"),
    [
        ("http://h", ("h", 80), ("h", "/")),
        ("http://h:8080/a/b?c=d", ("h", 8080), ("h:8080", "/a/b?c=d")),
        ("http://127.0.0.1?x", ("127.0.0.1", 80), ("127.0.0.1", "/?x")),
        ("http://[::1]:9/healthz", ("::1", 9), ("[::1]:9", "/healthz")),
    ],
)
def test_a_url_says_whom_to_ask_for_what(
    url: str, address: tuple[str, int], asked: tuple[str, str]
) -> None:
    health = _settings(health_http=url).health

    assert health is not None
    assert (health.address, health.authority_and_path) == (address, asked)


def test_an_ipv6_address_may_be_connected_to() -> None:
    health = _settings(health_tcp="[fe80::1%eth0]:22").health

    assert health is not None
    assert health.address == ("fe80::1%eth0", 22)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--health-cmd", " "], "--health-cmd: the command is empty"),
        (["--health-http", "https://h/"], "only http:// is asked"),
        (["--health-http", "h:80/x"], "not like http://127.0.0.1:8080/healthz"),
        (["--health-http", "http://u:p@h/"], "not like http://"),
        (["--health-http", "http://h/a b"], "not like http://"),
        (["--health-http", "http://h/\r\nX: y"], "not like http://"),
        (["--health-http", "http://h:0/"], "a port is a number from 1 to 65535"),
        (["--health-http", "http://h:99999999999/"], "a port is a number"),
        (["--health-tcp", "h"], "is not HOST:PORT"),
        (["--health-tcp", "h:65536"], "a port is a number"),
        (["--health-interval", "1ms", "--health-tcp", "h:1"], "100ms or more"),
        (["--health-timeout", "0", "--health-tcp", "h:1"], "a check needs more than 0s"),
        (["--health-fall", "0", "--health-tcp", "h:1"], "'0' is not a number from 1 to 1000"),
        (["--health-rise", "x", "--health-tcp", "h:1"], "'x' is not a number from 1 to 1000"),
        (["--unhealthy", "move", "--health-tcp", "h:1"], "not one of step-down, restart"),
        (["--health-fall", "2"], "--health-fall has a meaning only with a check"),
        (["--unhealthy", "restart"], "--unhealthy has a meaning only with a check"),
        (["--health-cmd", "true", "--health-tcp", "h:1"], "--health-cmd or --health-tcp, not both"),
    ],
)
def test_what_cannot_work_is_refused(words: list[str], part: str) -> None:
    assert part in refusal("--store", "local:", *words, "--", "true")


@pytest.mark.parametrize("option", PROBE_OPTIONS, ids=lambda option: option.name)
def test_who_starts_no_job_checks_none(option: object) -> None:
    name, variable = option.name, option.variable  # type: ignore[attr-defined]

    sentence = refusal("attach", "--name", "x", "--pid-file", "/x", environ={variable: "1"})

    assert f"--{name}" in sentence
