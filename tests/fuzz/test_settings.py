"""Settings of any text are taken, or refused in one sentence, and then nothing is started."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import types
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordsidecar.cli import main as cli
from coordsidecar.duration import LONGEST_S, parse_duration
from coordsidecar.guard.role_file import Role, read_role
from coordsidecar.settings.options import OPTIONS
from coordsidecar.settings.settings import Settings
from coordsidecar.store.registry import connect
from tests.cli.command import coordsidecar
from tests.fuzz.nasty import NASTY_RECORDS, any_text, examples

_NAMES = [option.name for option in OPTIONS]
_LIKELY = ["5s", "TERM", "local:", "etcd://h:1", "consul://h", "a", "always", "8080", "signal"]
_LIKELY += [
    "etcd://[::1",
    "etcd://ä..b",
    "consul://" + "a" * 70,
    "local:/\0",
    "etcds://h?cacert=/x",
]
_LIKELY += ["0s", "1e3s", "9" * 400 + "s", "1h1h", "\x1b[31m", "é" * 300, "x" * 5000, "3/9s"]
_LIKELY += ["unix:/x", "unix:/" + "x" * 200, "unix:x", "unix:/x?mode=9", "unix:/\0"]
_LIKELY += ["a" * 70 + ":80", "a..b:80", "[::1]:80", "[::1%25]:1"]
_texts = st.sampled_from(_LIKELY) | any_text | st.text("0123456789.hms-/:@%?=&,[] ", max_size=9)
_toml_values = (
    _texts.map(lambda text: '"' + "".join(f"\\U{ord(c):08x}" for c in text) + '"')
    | st.sampled_from(["1", "true", "nan", "-inf", "[]", "{}", "1979-05-27", "[1", "9" * 5000])
    | st.sampled_from(['["a", 1]', '"""', "0x_", "1e999", "{a.b=1}", "[" * 2000, '"\\ud800"'])
)


@pytest.fixture
def run_cli(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Settings | str]:
    """Run the command line in this process: the settings it would start with, or its refusal."""
    taken: list[Settings] = []
    launch = types.ModuleType("coordsidecar.cli.launch")
    launch.run = lambda settings, **_: taken.append(settings)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "coordsidecar.cli.launch", launch)
    for name in os.environ:
        if name.startswith(("COORDSIDECAR_", "ETCDCTL_", "CONSUL_")):
            monkeypatch.delenv(name)

    def run(words: list[str], environ: dict[str, str]) -> Settings | str:
        taken.clear()
        capfd.readouterr()
        with monkeypatch.context() as patch:
            for name, value in environ.items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                cli.main(words)
        out, err = capfd.readouterr()
        if taken:
            assert (out, err) == ("", "")
            return taken[0]
        assert ended.value.code == 2, err
        assert out == ""
        assert re.fullmatch(r"coordsidecar: [^\n]+\n", err), err
        assert err[:-1].isprintable(), err
        assert len(err) < 5000
        return err

    return run


def _check(found: Settings | str) -> None:
    """What was taken must be fit for use: the kernel takes no NUL, and a store URL is one."""
    if isinstance(found, str):
        return
    texts = [*found.command, *found.standby, found.store, found.role_file or "", found.id]
    assert "\0" not in "".join(texts)
    with suppress(ValueError):  # The elector says so, and then we end.
        connect(found.store, election=found.election, environ={})


@examples(6)
@given(st.dictionaries(st.sampled_from(_NAMES), _texts, min_size=1, max_size=3))
def test_any_text_in_the_environment_is_taken_or_refused(
    run_cli: Callable[..., Settings | str], texts: dict[str, str]
) -> None:
    environ = {
        "COORDSIDECAR_" + name.replace("-", "_").upper(): text.encode("utf-8", "replace")
        .replace(b"\0", b"\x80")
        .decode("utf-8", "surrogateescape")
        for name, text in texts.items()
    }

    _check(run_cli(["--", "job"], environ))


@examples(6)
@given(st.dictionaries(st.sampled_from([*_NAMES, "command", "x"]), _toml_values, max_size=3))
def test_any_toml_is_taken_or_refused(
    run_cli: Callable[..., Settings | str], tmp_path: Path, values: dict[str, str]
) -> None:
    config = tmp_path / "job.toml"
    text = "".join(f"{name} = {value}\n" for name, value in values.items())
    config.write_bytes(text.encode("utf-8", "surrogatepass"))

    _check(run_cli(["--config", str(config), *([] if "command" in values else ["job"])], {}))


@examples(4)
@given(st.binary(max_size=200) | st.sampled_from([*NASTY_RECORDS.values()]))
def test_any_bytes_for_a_file_are_taken_or_refused(
    run_cli: Callable[..., Settings | str], tmp_path: Path, raw: bytes
) -> None:
    config = tmp_path / "job.toml"
    config.write_bytes(raw)

    _check(run_cli(["--config", str(config), "job"], {}))


@examples(6)
@given(st.lists(st.sampled_from(["--" + name for name in _NAMES]) | _texts, max_size=4))
def test_any_words_are_taken_or_refused(
    run_cli: Callable[..., Settings | str], words: list[str]
) -> None:
    words = [word.encode("utf-8", "replace").decode().replace("\0", "") for word in words]

    _check(run_cli([*words, "--", "job"], {}))


@examples(10)
@given(_texts)
def test_any_text_is_a_duration_or_is_refused(text: str) -> None:
    with suppress(ValueError):
        assert 0 <= parse_duration(text) <= LONGEST_S


@examples(4)
@given(st.binary(max_size=200) | st.sampled_from([*NASTY_RECORDS.values()]))
def test_any_bytes_are_a_role_or_are_refused(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "role"
    path.write_bytes(raw)

    with suppress(ValueError):
        assert isinstance(read_role(str(path)), Role)


@pytest.mark.parametrize(
    "text",
    [
        'command = ["/bin/touch", "{mark}\\u0000"]',
        'role-file = "{mark}\\u0000"\ncommand = ["/bin/touch", "{mark}"]',
        'store = "local:/tmp/\\u0000"\ncommand = ["/bin/touch", "{mark}"]',
        'store = "etcd://a\\u007fb:1"\ncommand = ["/bin/touch", "{mark}"]',
        'store = "etcd://ä..b:1"\ncommand = ["/bin/touch", "{mark}"]',
        'store = "consul://' + "ä" * 70 + '"\ncommand = ["/bin/touch", "{mark}"]',
        "ttl = " + "9" * 5000 + '\ncommand = ["/bin/touch", "{mark}"]',
        'http = "' + "a" * 70 + ':80"\ncommand = ["/bin/touch", "{mark}"]',
    ],
    ids=[
        "command",
        "role-file",
        "local",
        "etcd-control",
        "etcd-idna",
        "consul-idna",
        "ttl",
        "http",
    ],
)
def test_a_refusal_by_the_whole_program_starts_nothing(tmp_path: Path, text: str) -> None:
    mark = tmp_path / "started"
    config = tmp_path / "job.toml"
    config.write_text(text.replace("{mark}", str(mark)))

    environ = {"XDG_STATE_HOME": str(tmp_path), "COORDSIDECAR_STORE": ""}
    result = coordsidecar("--config", str(config), environ=environ)

    assert result.status == 2
    assert re.fullmatch(r"coordsidecar[^\n]*: [^\n]+\n", result.err)
    assert not mark.exists()


def test_the_environment_carries_any_bytes(tmp_path: Path) -> None:
    """Not every byte string is UTF-8, and the kernel does not mind."""
    environ: dict[bytes, bytes] = {**os.environb, b"COORDSIDECAR_ID": b"\xff\x1b[2J"}

    process = subprocess.run(
        [sys.executable, "-m", "coordsidecar", "--", "true"],
        env=environ,
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert process.returncode == 2
    assert process.stderr.startswith(b"coordsidecar: COORDSIDECAR_ID: ")
    assert process.stderr.count(b"\n") == 1
    assert b"\x1b" not in process.stderr
