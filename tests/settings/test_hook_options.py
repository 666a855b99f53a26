"""The options that name hooks: bad ones are refused in a sentence."""

from __future__ import annotations

import pytest

from coordsidecar.settings.settings import Settings, build_settings
from coordsidecar.settings.sources import UsageError
from tests.cli.command import refusal


def _settings(**flags: str) -> Settings:
    given = {name.replace("_", "-"): text for name, text in flags.items()}
    environ = {"COORDSIDECAR_STORE": "local:"}
    return build_settings(flags=given, command=("job",), environ=environ)


def test_a_hook_is_one_text_and_has_ten_seconds() -> None:
    settings = _settings(pre_start="mount /data || exit 3", on_lead="./tell.sh")

    assert settings.pre_start == "mount /data || exit 3"
    assert settings.told == {"on-lead": "./tell.sh"}
    assert settings.hook_timeout_s == 10.0
    assert _settings(hook_timeout="500ms").hook_timeout_s == 0.5


@pytest.mark.parametrize(
    "hook", ["pre-start", "post-stop", "on-lead", "on-standby", "on-lead-lost"]
)
def test_a_hook_without_a_command_is_refused(hook: str) -> None:
    with pytest.raises(UsageError, match=f"--{hook}: the command is empty"):
        _settings(**{hook: " "})


def test_a_hook_without_time_is_refused() -> None:
    with pytest.raises(UsageError, match="--hook-timeout: a hook needs more than 0s"):
        _settings(hook_timeout="0")


@pytest.mark.parametrize("what", ["exit", "rejoin"])
def test_who_means_the_other_option_is_told_so(what: str) -> None:
    sentence = refusal(f"--on-lead-lost={what}", "--", "true")

    assert f"give --on-lost {what}" in sentence


@pytest.mark.parametrize("hook", ["--pre-start", "--post-stop"])
@pytest.mark.parametrize("mode", ["signal", "freeze"])
def test_no_hook_runs_in_the_place_of_a_job_that_goes_on(hook: str, mode: str) -> None:
    signals = ("--lead-signal", "USR1", "--standby-signal", "USR2") if mode == "signal" else ()

    sentence = refusal(hook, "true", "--while-standby", mode, *signals, "--", "true")

    assert f"{hook} runs while the job does not" in sentence
    assert f"--while-standby {mode}" in sentence


def test_who_starts_no_job_has_no_hook_in_its_place() -> None:
    app = ("--name", "x", "--pid-file", "/run/x.pid")

    sentence = refusal("attach", *app, environ={"COORDSIDECAR_PRE_START": "true"})

    assert "--pre-start" in sentence
