"""Whatever cannot be done is refused in one sentence that names the place and the remedy."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import coordsidecar as coordsidecar_package
from tests.cli.command import coordsidecar, refusal


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        pytest.param([], ["no command", "coordsidecar -- "], id="nothing"),
        pytest.param(["run", "--ttl", "5s", "--"], ["no command"], id="no-command"),
        pytest.param(["--", ""], ["empty"], id="empty-command"),
        pytest.param(["--store", "etdc://h", "x"], ["'etdc'", "mean etcd?", "consul"], id="scheme"),
        pytest.param(["--store", "h:2379", "x"], ["no scheme", "etcd://host:2379"], id="no-scheme"),
        pytest.param(["--store", "", "x"], ["not a URL"], id="empty-store"),
        pytest.param(
            ["--store", "http://127.0.0.1:2379", "x"],
            ["'http'", "mean etcd://127.0.0.1:2379?"],
            id="http-of-etcd",
        ),
        pytest.param(
            ["--store", "https://e1:2379,e2:2379/v3", "x"],
            ["mean etcds://e1:2379,e2:2379?"],
            id="https-of-etcd",
        ),
        pytest.param(
            ["--store", "http://c:8500/v1?token=x", "x"],
            ["mean consul://c:8500?"],
            id="http-of-consul",
        ),
        pytest.param(
            ["--store", "https://c:8501", "x"], ["mean consuls://c:8501?"], id="https-of-consul"
        ),
        pytest.param(
            ["--store", "http://h", "x"], ["mean etcd://h or consul://h?"], id="http-of-some"
        ),
        pytest.param(["--ttl", "15", "x"], ["--ttl", "no unit", "15s?"], id="no-unit"),
        pytest.param(["--ttl", "abc", "x"], ["--ttl", "'abc'", "1m30s"], id="no-duration"),
        pytest.param(["--ttl", "1s", "x"], ["--ttl 1s", "2s or more"], id="short-ttl"),
        pytest.param(
            ["--ttl", "6s", "--rpc-timeout", "3s", "x"],
            ["--ttl 6s", "2 x --rpc-timeout 3s", "use --ttl 11s"],
            id="unsafe-timing",
        ),
        pytest.param(["--margin", "1s", "x"], ["--margin 1s", "use --margin 1.5s"], id="margin"),
        pytest.param(["--name", "a/b", "x"], ["'a/b'", "1 to 200"], id="odd-name"),
        pytest.param(["--name", "a" * 300, "x"], ["--name", "1 to 200"], id="long-name"),
        pytest.param(["--name", "", "x"], ["--name", "''"], id="empty-name"),
        pytest.param(["--name", "a\nb", "x"], ["--name", r"'a\nb'"], id="newline-in-name"),
        pytest.param(["--namespace", ".hidden", "x"], ["--namespace", "dot"], id="hidden"),
        pytest.param(["--id", "a\x1b[2Jb", "x"], ["--id", "printable"], id="id-with-escapes"),
        pytest.param(["--tll", "5s", "x"], ["--tll", "mean --ttl?"], id="unknown-option"),
        pytest.param(["--ttl"], ["'--ttl'", "argument"], id="value-missing"),
        pytest.param(["--restart", "yes", "x"], ["'yes'", "on-failure"], id="choice"),
        pytest.param(["--max-restarts", "3", "x"], ["'3'", "3/60s"], id="no-window"),
        pytest.param(["--max-restarts", "0/1m", "x"], ["--restart never"], id="no-restarts"),
        pytest.param(["--stop-signal", "STOP", "x"], ["'STOP'", "TERM"], id="stop-by-stop"),
        pytest.param(["--stop-signal", "TREM", "x"], ["'TREM'", "not a signal"], id="no-signal"),
        pytest.param(["--stop-signal", "0", "x"], ["not a signal"], id="signal-zero"),
        pytest.param(["--http", ":80", "x"], ["0.0.0.0:80"], id="no-address"),
        pytest.param(["--http", "h:99999", "x"], ["port"], id="no-port"),
        pytest.param(["--role-file", "/nowhere/at/all", "x"], ["'/nowhere/at'"], id="no-folder"),
        pytest.param(["--standby", "'open", "x"], ["--standby", "quotation"], id="open-quote"),
        pytest.param(["--pass-env", "A=b", "x"], ["'A=b'"], id="pass-env"),
        pytest.param(
            ["--standby", "y", "--while-standby", "freeze", "x"],
            ["--standby", "--while-standby freeze"],
            id="standby-and-freeze",
        ),
        pytest.param(
            ["--while-standby", "signal", "--lead-signal", "USR1", "x"],
            ["--lead-signal", "--standby-signal"],
            id="one-signal",
        ),
        pytest.param(
            ["--while-standby=signal", "--lead-signal=USR1", "--standby-signal=10", "x"],
            ["same signal"],
            id="same-signals",
        ),
        pytest.param(["--lead-signal", "USR1", "x"], ["--while-standby signal"], id="no-signals"),
        pytest.param(["--standby-timeout=1s", "x"], ["--while-standby signal"], id="no-timeout"),
        pytest.param(["--lead-signal", "KILL", "x"], ["'KILL'", "caught"], id="uncatchable"),
        pytest.param(["--config", "/nowhere.toml", "x"], ["/nowhere.toml", "No such"], id="config"),
        pytest.param(["check"], ["TOKEN"], id="check-nothing"),
        pytest.param(["check", ""], ["COORDSIDECAR_TOKEN set?"], id="check-empty"),
        pytest.param(["check", "9" * 5000], ["20 digits at most", "…"], id="check-endless"),
        pytest.param(["--http", "99999", "x"], ["no port (0 to 65535)"], id="http-port"),
        pytest.param(["check", "seven"], ["'seven'"], id="check-word"),
        pytest.param(["check", "7"], ["--name", "COORDSIDECAR_NAME"], id="check-which"),
        pytest.param(["check", "7", "--ttl", "5s"], ["--ttl"], id="check-ttl"),
    ],
)
def test_bad_usage_is_refused_in_one_sentence(words: list[str], parts: list[str]) -> None:
    sentence = refusal(*words)

    for part in parts:
        assert part in sentence


def test_endpoints_that_etcdctl_would_not_take_are_bad_usage() -> None:
    environ = {"ETCDCTL_ENDPOINTS": "http://a:2379/v3"}
    store = ("--store", "etcd:", "--name", "x")

    results = [
        coordsidecar("check", "7", *store, environ=environ),
        coordsidecar(*store, "--", "true", environ=environ),
    ]

    for result in results:
        assert result.status == 2
        assert "ETCDCTL_ENDPOINTS goes on after the port with '/v3'" in result.err
        assert result.err.count("\n") == 1


def test_an_error_in_a_variable_names_the_variable() -> None:
    sentence = refusal("x", environ={"COORDSIDECAR_TTL": "abc"})

    assert sentence.startswith("COORDSIDECAR_TTL: 'abc'")


@pytest.mark.parametrize(
    "words",
    [
        ["--store", "etdc://root:hunter2@h:2379", "x"],
        ["--store", "root:hunter2@h:2379", "x"],
        ["--store", "http://root:hunter2@h:2379", "x"],
        ["--stroe=etcd://root:hunter2@h", "x"],
        ["-store=etcd://root:hunter2@h", "x"],
        ["--ttl", "etcd://root:hunter2@h", "x"],
        ["check", "etcd://root:hunter2@h"],
        ["check", "7", "--name=x", "--store", "etcd://root:hunter2@[:1"],
    ],
    ids=" ".join,
)
def test_no_refusal_shows_a_password(words: list[str]) -> None:
    result = coordsidecar(*words)

    assert result.status in (2, 125)
    assert "hunter2" not in result.err + result.out


def test_a_sidecar_in_a_job_does_not_wait_for_the_lead_of_the_one_around_it() -> None:
    sentence = refusal("x", environ={"COORDSIDECAR_NAME": "outer", "COORDSIDECAR_RUN": "1"})

    assert "'outer'" in sentence
    assert "--name" in sentence


def test_a_sidecar_in_a_job_does_not_write_over_the_role_file_of_the_one_around_it() -> None:
    environ = {"COORDSIDECAR_ROLE_FILE": "/tmp/outer", "COORDSIDECAR_RUN": "1"}

    sentence = refusal("--name", "inner", "x", environ=environ)

    assert "--role-file" in sentence


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        pytest.param('ttl = "5s"\nname = nightly\n', ["line 2"], id="not-toml"),
        pytest.param('tll = "5s"', ["'tll'", "mean ttl?"], id="unknown-key"),
        pytest.param("ttl = 15", ["ttl", "no unit", "15s?"], id="bare-number"),
        pytest.param("ttl = true", ["ttl", "a string", "a boolean"], id="boolean"),
        pytest.param("ttl = ['5s']", ["ttl", "a string", "an array"], id="array"),
        pytest.param("[ttl]\nx = 1", ["ttl", "a table"], id="table"),
        pytest.param("ttl = 2020-01-01", ["ttl", "a date"], id="date"),
        pytest.param("standby = [1]", ["standby", "array of strings"], id="array-of-numbers"),
        pytest.param("command = 'x y'", ["command", "array of strings"], id="command"),
        pytest.param("stop-timeout='1s'\nstop_timeout='2s'", ["twice"], id="twice"),
        pytest.param("config = 'other.toml'", ["'config'"], id="config-in-config"),
        pytest.param("name = 'a/b'", ["name", "'a/b'"], id="bad-value"),
    ],
)
def test_an_error_in_the_file_names_the_file(tmp_path: Path, text: str, parts: list[str]) -> None:
    config = tmp_path / "job.toml"
    config.write_text(text)

    sentence = refusal("--config", str(config), "x")

    for part in [str(config), *parts]:
        assert part in sentence


def test_a_file_that_is_not_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    config = tmp_path / "job.toml"
    config.write_bytes(b'ttl = "5s"\nname = "\xff"\n')

    sentence = refusal("x", environ={"COORDSIDECAR_CONFIG": str(config)})

    assert "line 2" in sentence


def test_an_endless_file_is_not_read_to_its_end() -> None:
    sentence = refusal("--config", "/dev/zero", "x")

    assert "larger" in sentence


def test_an_error_of_our_own_is_a_sentence_too() -> None:
    """A guard that fails before it begins stands for any mistake in the program."""
    program = (
        "import sys, types\n"
        "launch = types.ModuleType('coordsidecar.cli.launch')\n"
        "sys.modules['coordsidecar.cli.launch'] = launch\n"
        "launch.run = lambda settings, **_: 1 / 0\n"
        "from coordsidecar.cli.main import main; main(['--', 'true'])"
    )

    process = _python(program)

    assert process.returncode == 125
    assert process.stderr.count("\n") == 1
    assert "internal error" in process.stderr
    assert "(<string>:" in process.stderr


def test_a_part_of_us_that_is_not_there_is_named_and_where_it_was_looked_for() -> None:
    program = (
        "import sys; sys.modules['coordsidecar.cli.launch'] = None\n"
        "from coordsidecar.cli.main import main; main(['--', 'true'])"
    )

    process = _python(program)

    assert process.returncode == 125
    assert process.stderr.count("\n") == 1
    for part in ("coordsidecar.cli.launch", str(Path(coordsidecar_package.__file__).parent)):
        assert part in process.stderr
    assert "PYTHONPATH" in process.stderr
    assert sys.prefix in process.stderr


def _python(program: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "COORDSIDECAR_STORE": "local:"}  # In a container there is no default.
    return subprocess.run(
        [sys.executable, "-c", program],
        env=environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_an_interrupt_before_the_guard_takes_over_ends_us_quietly() -> None:
    program = (
        "import os, signal, sys, types\n"
        "launch = types.ModuleType('coordsidecar.cli.launch')\n"
        "sys.modules['coordsidecar.cli.launch'] = launch\n"
        "launch.run = lambda settings, **_: os.kill(os.getpid(), signal.SIGINT)\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from coordsidecar.cli.main import main; main(['--', 'true'])"
    )

    process = _python(program)

    assert process.returncode == -signal.SIGINT
    assert process.stderr == ""
