"""The settings of `coordsidecar attach`."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordsidecar.settings.attach import attach_settings
from coordsidecar.settings.settings import Settings
from coordsidecar.settings.sources import UsageError
from coordsidecar.settings.whom import Whom

FLAGS = {"store": "local:", "name": "ledger", "match-cmdline": "java .*ledger"}


def _settings(flags: dict[str, str], environ: dict[str, str] | None = None) -> Settings:
    return attach_settings(flags=flags, command=(), environ=environ or {})


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("COORDSIDECAR_RESTART", "on-failure"),
        ("COORDSIDECAR_WHILE_STANDBY", "freeze"),
        ("COORDSIDECAR_STANDBY", "nginx"),
        ("COORDSIDECAR_STANDBY_TIMEOUT", "1s"),
        ("COORDSIDECAR_PASS_ENV", "ETCDCTL_USER"),
    ],
)
def test_an_order_about_a_command_is_refused_and_not_forgotten(variable: str, text: str) -> None:
    with pytest.raises(UsageError, match=variable):
        _settings(FLAGS, {variable: text})


def test_the_file_may_name_the_app(tmp_path: Path) -> None:
    file = tmp_path / "ledger.toml"
    file.write_text(
        'store = "local:"\nname = "ledger"\npid-file = "/run/ledger.pid"\nhold = "end"\nttl = "9s"'
    )
    settings = _settings({"config": str(file)})
    assert settings.whom == Whom(pid_file="/run/ledger.pid", how="end")
    assert settings.election.name == "ledger"
    assert settings.timing.ttl_s == 9.0


def test_a_file_with_a_command_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "ledger.toml"
    file.write_text('command = ["python", "job.py"]\n')
    with pytest.raises(UsageError, match="has a command"):
        _settings({**FLAGS, "config": str(file)})


@pytest.mark.parametrize(
    "flags",
    [
        {"name": "ledger"},
        {**FLAGS, "pid-file": "/run/ledger.pid"},
    ],
    ids=["none", "both"],
)
def test_an_app_is_named_in_one_way(flags: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="needs one of"):
        _settings(flags)


def test_an_app_of_no_name_is_refused() -> None:
    with pytest.raises(UsageError, match="needs --name"):
        _settings({"store": "local:", "match-cmdline": "java .*ledger"})
