"""--health-notify: the job says itself how it is, and so nobody looks."""

from __future__ import annotations

import pytest

from coordsidecar.settings.health_options import HealthCheck
from coordsidecar.settings.settings import Settings, build_settings
from tests.cli.command import refusal


def _settings(**flags: str) -> Settings:
    given = {name.replace("_", "-"): text for name, text in flags.items()}
    environ = {"COORDSIDECAR_STORE": "local:"}
    return build_settings(flags=given, command=("job",), environ=environ)


def test_a_job_may_take_as_long_to_be_ready_as_systemd_gives_it() -> None:
    assert _settings(health_notify="30s").health == HealthCheck(
        kind="notify", watchdog_s=30.0, start_period_s=90.0, unhealthy="step-down"
    )


def test_all_that_has_a_meaning_with_it_can_be_given() -> None:
    health = _settings(health_notify="0s", health_start_period="5m", unhealthy="restart").health

    assert health == HealthCheck(
        kind="notify", watchdog_s=0.0, start_period_s=300.0, unhealthy="restart"
    )


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--health-notify", "30"], "--health-notify: '30' has no unit"),
        (["--health-notify", "99ms"], "a watchdog needs 100ms or more; 0s: there is none"),
        (["--health-notify", "1s", "--health-tcp", "h:1"], "has one health check; give --health"),
        *(
            (["--health-notify", "1s", option, value], f"{option} has no meaning with --health-not")
            for option, value in (
                ("--health-interval", "1s"),
                ("--health-timeout", "1s"),
                ("--health-rise", "2"),
                ("--health-fall", "2"),
                ("--health-when", "always"),
            )
        ),
        (["--health-notify", "1s", "--health-start-period", "0s"], "must be more than 0s with"),
        (["--health-notify", "1s", "--pass-env", "A,NOTIFY_SOCKET"], "a NOTIFY_SOCKET of ours"),
    ],
)
def test_what_cannot_work_is_refused(words: list[str], part: str) -> None:
    assert part in refusal("--store", "local:", *words, "--", "true")
