"""A store is found by the scheme of its URL, and its URL is shown without what is secret in it."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

import pytest

from coordsidecar.store import registry as stores
from tests.cli.command import coordsidecar, install_store, refusal

ROOT = Path(__file__).parents[2]


def test_the_built_in_stores_are_those_the_package_declares() -> None:
    declared = metadata.distribution("coordsidecar").entry_points.select(
        group="coordsidecar.stores"
    )

    assert {point.name: point.value for point in declared} == stores._BUILT_IN


@pytest.mark.parametrize("url", ["local:", "LOCAL:/x", "etcd://h", "etcds+grpc://h", "consul://h"])
def test_a_known_scheme_is_found_without_reading_entry_points(url: str) -> None:
    program = (
        "import sys; from coordsidecar.store.registry import check_scheme\n"
        "check_scheme(sys.argv[1])\n"
        "assert 'importlib.metadata' not in sys.modules\n"
        "assert not [name for name in sys.modules if name.startswith('coordsidecar_adapters')]"
    )

    subprocess.run([sys.executable, "-I", "-c", program, url], check=True, timeout=60)


def test_another_packages_store_is_found_by_its_entry_point(tmp_path: Path) -> None:
    environ = install_store(tmp_path)

    sentence = refusal("--store", "leaderfil:/x", "x", environ=environ)

    assert "mean leaderfile?" in sentence


def test_what_a_store_says_about_its_url_is_bad_usage(tmp_path: Path) -> None:
    environ = install_store(tmp_path)

    sentence = refusal("check", "7", "--name=x", "--store=leaderfile:", environ=environ)

    assert sentence == "--store: leaderfile: needs a path"


def test_check_is_quiet_while_the_token_is_the_leaders(tmp_path: Path) -> None:
    environ = install_store(tmp_path) | _job_environ(tmp_path, '{"ns/nightly": 7}')

    result = coordsidecar("check", "7", environ=environ)

    assert (result.status, result.out, result.err) == (0, "", "")


@pytest.mark.parametrize("token", ["6", "8"])
def test_check_names_the_token_that_leads_instead(tmp_path: Path, token: str) -> None:
    environ = install_store(tmp_path) | _job_environ(tmp_path, '{"ns/nightly": 7}')

    sentence = refusal("check", token, environ=environ, status=1)

    assert f"token {token} is not current" in sentence
    assert "token 7" in sentence


def test_check_says_that_nobody_leads(tmp_path: Path) -> None:
    environ = install_store(tmp_path) | _job_environ(tmp_path, '{"ns/other": 7}')

    sentence = refusal("check", "7", environ=environ, status=1)

    assert "nobody leads ns/nightly" in sentence


def test_check_does_not_take_silence_for_a_no(tmp_path: Path) -> None:
    environ = install_store(tmp_path) | _job_environ(tmp_path, None)

    sentence = refusal("check", "7", environ=environ, status=125)

    assert sentence.startswith("the store cannot be asked: ")


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("local:", "local:"),
        ("local:/run/a@b/c.lock", "local:/run/a@b/c.lock"),
        ("local:///run/a@b", "local:///run/a@b"),
        ("etcd://h1:2379,h2:2379", "etcd://h1:2379,h2:2379"),
        ("etcd://user:hunter2@h1:2379,h2:2379/x", "etcd://h1:2379,h2:2379/x"),
        ("etcd://user:a@hunter2/?#:@h", "etcd://h"),
        ("etcd:user:hunter2@h", "etcd:h"),
        ("etcd://u:12/hunter2@h?cacert=/ca.pem", "etcd://h?cacert=/ca.pem"),
        ("consul://h?token=hunter2&dc=x", "consul://h?dc=x"),
        ("consul://h?password=hunter2", "consul://h"),
        ("etcds://h?cert=/c.pem&key=/k.pem", "etcds://h?cert=/c.pem&key=/k.pem"),
    ],
)
def test_a_public_url_still_finds_the_store_but_has_no_secret(url: str, public: str) -> None:
    assert stores.public_url(url) == public


@pytest.mark.parametrize(
    "message",
    [
        "cannot reach etcd://u:hunter2@h:1: refused",
        "cannot reach //u:a@hunter2@h",
        "GET /v1/kv?token=hunter2&x=1 failed",
        "bad option 'PASSWORD=hunter2'",
    ],
)
def test_a_redacted_message_has_no_secret(message: str) -> None:
    assert "hunter2" not in stores.redact(message)


@pytest.mark.parametrize(
    ("file", "store"),
    [
        ("consul.py", "consul://h"),
        ("consul/__init__.py", "consul://h"),
        ("ssl.py", "etcds://h"),
        ("ssl/__init__.py", "consuls://h"),
        ("etcd3.py", "etcd+grpc://h"),
        ("grpc/__init__.py", "etcd+grpc://h"),
    ],
)
def test_a_file_that_hides_a_library_is_named(tmp_path: Path, file: str, store: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text("")
    hiding = tmp_path / file.partition("/")[0]

    sentence = refusal(
        *("check", "7", "--name=x", f"--store={store}"), environ={"PYTHONPATH": str(tmp_path)}
    )

    assert f"{hiding} hides what is meant" in sentence
    assert "PYTHONPATH" in sentence
    assert "install" not in sentence


@pytest.mark.parametrize(("package", "store"), [("grpc", "etcd+grpc"), ("consul", "consul")])
def test_an_empty_folder_in_place_of_a_library_is_named(
    tmp_path: Path, package: str, store: str
) -> None:
    """Any folder is a package to Python where there is no real one."""
    folder = tmp_path / "mine" / package
    folder.mkdir(parents=True)

    said = _loaded(tmp_path, store, without=package, pythonpath=folder.parent)

    assert f"{folder} hides what is meant" in said


def test_a_library_that_is_not_there_is_to_be_installed_where_it_was_looked_for(
    tmp_path: Path,
) -> None:
    said = _loaded(tmp_path, "consul", without="consul")

    assert f"neither {sys.prefix} nor PYTHONPATH has consul; pip install coordsidecar" in said


def test_another_library_of_that_name_is_named(tmp_path: Path) -> None:
    """As there are more than one that are imported as ``consul``."""
    other = tmp_path / "site" / "consul"
    other.mkdir(parents=True)
    (other / "__init__.py").touch()

    said = _loaded(tmp_path, "consul", without="consul")

    assert f"what was found in PYTHONPATH and {sys.prefix} is {other}" in said


_LOAD = """
from coordsidecar.store.protocol import Election
from coordsidecar.store.registry import connect
try:
    connect("{store}://h", election=Election("n", "e"), environ={environ})
except ValueError as error:
    print(error)
"""


def _loaded(folder: Path, store: str, *, without: str, pythonpath: Path | None = None) -> str:
    """What is said of a store in a venv in which one package is not installed."""
    site = folder / "site"
    site.mkdir(exist_ok=True)
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if entry.name != without:
            (site / entry.name).symlink_to(entry)
    paths = [ROOT / "sidecar", ROOT / "adapters", site, *([pythonpath] if pythonpath else [])]
    environ = {"PYTHONPATH": str(pythonpath)} if pythonpath else {}
    program = (
        "import sys; sys.path[:] = [p for p in sys.path if 'site-packages' not in p]\n"
        f"sys.path += {[str(path) for path in paths]}\n"
    )
    program += _LOAD.format(store=store, environ=environ)
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=folder,
    ).stdout


def _job_environ(folder: Path, leaders: str | None) -> dict[str, str]:
    path = folder / "leaders.json"
    if leaders is not None:
        path.write_text(leaders)
    return {
        "COORDSIDECAR_NAME": "nightly",
        "COORDSIDECAR_NAMESPACE": "ns",
        "COORDSIDECAR_STORE": f"leaderfile:{path}",
        "COORDSIDECAR_RUN": "mark",
    }
