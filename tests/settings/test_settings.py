"""What the user says becomes settings: the command line wins, then the environment, then a file."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from coordsidecar.cli.words import split
from coordsidecar.core.timing import Timing
from coordsidecar.settings.derived_name import derived_name
from coordsidecar.settings.options import OPTIONS
from coordsidecar.settings.settings import (
    Settings,
    build_settings,
    id_of_host,
)
from coordsidecar.settings.sources import UsageError
from coordsidecar.store.protocol import Election
from coordsidecar.value import replace

pytestmark = pytest.mark.usefixtures("outside_of_containers")


def settings(*words: str, environ: dict[str, str] | None = None) -> Settings:
    flags, command = split(list(words), OPTIONS, interspersed=False)
    return build_settings(flags=flags, command=command, environ=environ or {})


def test_a_command_alone_gets_the_documented_defaults() -> None:
    built = settings("--id", "me", "--", "python", "job.py")

    assert built == Settings(
        command=("python", "job.py"),
        election=Election(namespace="default", name="job.py"),
        id="me",
        name_was_derived=True,
    )
    assert built.store == "local:"
    assert built.timing == Timing.for_ttl(15)
    assert (built.stop_signal, built.stop_timeout_s) == (signal.SIGTERM, 25)
    assert (built.max_restarts, built.max_restarts_window_s) == (3, 60)
    assert (built.restart, built.on_lost, built.while_standby) == ("never", "rejoin", "stop")
    assert built.wait_s is None


def test_every_option_reaches_the_settings(tmp_path: Path) -> None:
    role_file = tmp_path / "role"

    built = settings(
        *("--store", "etcd://u:p@a:2379,b:2379", "--name", "n", "--namespace", "ns", "--id", "i d"),
        *("--ttl", "30s", "--renew-every", "4s", "--rpc-timeout", "3s", "--lost-grace", "5s"),
        *("--kill-reserve", "2s", "--margin", "4s", "--takeover-delay", "31s", "--wait", "0"),
        *("--stop-signal", "int", "--stop-timeout", "1m30s", "--restart", "always"),
        *("--max-restarts", "5/2m", "--on-lost", "exit", "--while-standby", "signal"),
        *("--lead-signal", "SIGUSR1", "--standby-signal", "12", "--standby-timeout", "500ms"),
        *("--role-file", str(role_file), "--http", "[::1]:8080", "--log-format", "json"),
        *("--http-token-file", "/run/token"),
        *("--pass-env", "A,B", "--pass-env", "C"),
        "job",
    )

    assert built == Settings(
        command=("job",),
        store="etcd://u:p@a:2379,b:2379",
        election=Election(namespace="ns", name="n"),
        id="i d",
        timing=Timing(
            ttl_s=30,
            renew_every_s=4,
            rpc_timeout_s=3,
            lost_grace_s=5,
            kill_reserve_s=2,
            margin_s=4,
            takeover_delay_s=31,
        ),
        wait_s=0,
        stop_signal=signal.SIGINT,
        stop_timeout_s=90,
        restart="always",
        max_restarts=5,
        max_restarts_window_s=120,
        on_lost="exit",
        while_standby="signal",
        lead_signal=signal.SIGUSR1,
        standby_signal=signal.SIGUSR2,
        standby_timeout_s=0.5,
        role_file=str(role_file),
        http=("::1", 8080),
        http_token_file="/run/token",
        log_format="json",
        pass_env=("A", "B", "C"),
    )


def test_whatever_follows_the_commands_first_word_is_the_commands() -> None:
    built = settings("--ttl", "10s", "python", "job.py", "--ttl", "3s", "--", "-h")

    assert built.command == ("python", "job.py", "--ttl", "3s", "--", "-h")
    assert built.timing.ttl_s == 10


def test_a_double_dash_makes_a_command_of_what_looks_like_an_option() -> None:
    assert settings("--", "--odd", "x").command == ("--odd", "x")


def test_the_command_line_wins_then_the_environment_then_the_file(tmp_path: Path) -> None:
    config = tmp_path / "job.toml"
    config.write_text('ttl = "20s"\nname = "file"\nnamespace = "file"\n')
    environ = {
        "COORDSIDECAR_CONFIG": str(config),
        "COORDSIDECAR_TTL": "10s",
        "COORDSIDECAR_NAME": "environment",
    }

    built = settings("--ttl", "5s", "job", environ=environ)

    assert built.timing.ttl_s == 5
    assert built.election == Election(namespace="file", name="environment")


def test_the_file_may_give_everything_the_command_too(tmp_path: Path) -> None:
    config = tmp_path / "job.toml"
    config.write_text(
        'stop_timeout = "2m"\nstop-signal = 2\nhttp = 8080\npass-env = ["A", "B"]\n'
        'standby = ["echo", "a b"]\ncommand = ["python", "job.py"]\n'
    )

    built = settings("--config", str(config))

    assert built.command == ("python", "job.py")
    assert (built.stop_timeout_s, built.stop_signal) == (120, signal.SIGINT)
    assert built.http == ("127.0.0.1", 8080)
    assert built.pass_env == ("A", "B")
    assert built.standby == ("echo", "a b")


def test_an_empty_variable_counts_as_unset() -> None:
    assert settings("job", environ={"COORDSIDECAR_TTL": ""}).timing.ttl_s == 15


def test_a_sidecar_in_a_job_may_hold_another_election() -> None:
    environ = {"COORDSIDECAR_NAME": "outer", "COORDSIDECAR_RUN": "1"}

    assert settings("--name", "inner", "job", environ=environ).election.name == "inner"


def test_the_password_in_the_url_is_not_shown_by_accident() -> None:
    assert "hunter2" not in repr(settings("--store", "etcd://u:hunter2@h", "job"))


def test_settings_that_cannot_work_cannot_be_built_from_others() -> None:
    built = settings("--standby", "echo", "job")

    with pytest.raises(UsageError, match="never stopped"):
        replace(built, while_standby="freeze")


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("./bin/mailer --fast", "mailer"),
        ("python3 examples/ticker.py --every 2", "ticker.py"),
        ("/usr/bin/python3.12 -u -X dev examples/ticker.py", "ticker.py"),
        ("python -m pkg.jobs.nightly", "pkg.jobs.nightly"),
        ("python", "python"),
        ("java -cp lib -jar app.jar", "app.jar"),
        ("bash -e run.sh", "run.sh"),
        (".hidden", "hidden"),
    ],
)
def test_hosts_that_run_the_same_job_arrive_at_the_same_name(command: str, name: str) -> None:
    assert derived_name(tuple(command.split())) == name


def test_the_name_of_a_shell_line_is_made_from_its_text() -> None:
    assert derived_name(("sh", "-c", "job; true")) == "job-true"
    assert derived_name(("bash", "-lc", "job && other")) == "job-other"


def test_long_lines_that_differ_only_at_the_end_get_different_names() -> None:
    one, other = (derived_name(("sh", "-c", "x" * 500 + end)) for end in "ab")

    assert one != other
    assert len(one) <= 60


def test_a_command_without_a_letter_needs_a_name() -> None:
    with pytest.raises(UsageError, match="--name"):
        derived_name(("sh", "-c", "..."))


@pytest.mark.parametrize(
    ("text", "signum"),
    [
        ("RTMIN+3", signal.SIGRTMIN + 3),  # As systemd has it for its containers.
        ("SIGRTMIN+3", signal.SIGRTMIN + 3),
        ("rtmax-1", signal.SIGRTMAX - 1),
        ("RTMIN", signal.SIGRTMIN),
        ("RTMIN+30", signal.SIGRTMAX),
    ],
)
def test_signals_without_a_name_are_counted_from_those_that_have_one(
    text: str, signum: int
) -> None:
    assert settings("--stop-signal", text, "job").stop_signal == signum


@pytest.mark.parametrize("text", ["RTMIN+31", "RTMIN-1", "RTMAX+1", "RTMAX-40", "TERM+1", "RTMIN+"])
def test_what_is_beyond_those_is_no_signal(text: str) -> None:
    with pytest.raises(UsageError, match="is not a signal"):
        settings("--stop-signal", text, "job")


@pytest.mark.parametrize(
    ("host", "shown"),
    [("web1", "web1"), ("", "unnamed"), ("w\udcff", "w\\udcff"), ("x" * 300, "x" * 200)],
)
def test_a_host_whose_name_cannot_be_shown_is_shown_escaped(host: str, shown: str) -> None:
    """It was blamed on --id, which nobody had given."""
    assert id_of_host(host) == shown
    assert settings("--id", id_of_host(host), "job").id == shown
