"""What a container changes of the defaults, and what is said about it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from coordsidecar.settings import container
from coordsidecar.settings.options import OPTIONS
from coordsidecar.settings.settings import Settings, build_settings
from coordsidecar.settings.sources import UsageError
from tests.cli.command import refusal

_UNSHARE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}
VARIABLES = {option.variable for option in OPTIONS}


def built(environ: dict[str, str], **flags: str) -> Settings:
    named = {name.replace("_", "-"): text for name, text in flags.items()}
    return build_settings(flags=named, command=("job",), environ=environ)


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a runtime would leave in a container; it is not there, nor any other sign of one."""
    monkeypatch.setattr(container, "_is_the_hosts_own", lambda _: True)
    monkeypatch.setattr(container, "_MARKS", (str(tmp_path / ".dockerenv"),))
    return tmp_path / ".dockerenv"


def test_no_store_is_no_default_in_a_pod(mark: Path) -> None:
    """Three replicas that forgot it would all lead."""
    with pytest.raises(UsageError, match=r"no --store .* --store etcd://HOST:2379"):
        built(POD)

    assert built(POD, store="local:").store == "local:"
    assert built({}).store == "local:"


def test_nor_where_a_runtime_left_its_mark(mark: Path) -> None:
    mark.touch()

    with pytest.raises(UsageError, match="every replica lead"):
        built({})


def test_who_misspelt_it_is_told_so(mark: Path) -> None:
    with pytest.raises(
        UsageError, match=r"COORDSIDECAR_STOER is no option; did you mean .*_STORE?"
    ):
        built({**POD, "COORDSIDECAR_STOER": "etcd://h"})


def test_check_asks_no_store_that_was_not_named() -> None:
    environ = {**POD, "COORDSIDECAR_NAME": "n", "COORDSIDECAR_STORE": ""}

    assert "no --store" in refusal("check", "7", environ=environ)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("COORDSIDECAR_TLL", "COORDSIDECAR_TTL"),
        ("COORDSIDECAR_STOP_TIMOUT", "COORDSIDECAR_STOP_TIMEOUT"),
        ("COORDSIDECAR_NAMESPCE", "COORDSIDECAR_NAMESPACE"),
    ],
)
def test_a_near_miss_of_an_option_is_remarked(mark: Path, name: str, meant: str) -> None:
    assert built({name: "1"}).remarks == (f"{name} is no option; did you mean {meant}?",)


@pytest.mark.parametrize(
    "name",
    [
        "COORDSIDECAR_PORT", "COORDSIDECAR_SERVICE_HOST", "COORDSIDECAR_SERVICE_PORT",
        "COORDSIDECAR_SERVICE_PORT_HTTP", "COORDSIDECAR_PORT_2379_TCP",
        "COORDSIDECAR_PORT_2379_TCP_ADDR", "COORDSIDECAR_STORE_SERVICE_HOST",
        "COORDSIDECAR_COLOUR", "OTHER_TTLL",
    ],
)  # fmt: skip
def test_service_links_and_what_is_merely_unknown_are_let_be(mark: Path, name: str) -> None:
    assert built({name: "tcp://10.0.0.7:2379"}).remarks == ()


def test_all_that_a_job_is_given_is_known(mark: Path) -> None:
    ours = {f"COORDSIDECAR_{name}": "1" for name in ("ROLE", "TOKEN", "RUN", "ACK")}

    assert built(ours, name="n").remarks == ()


def test_an_id_tells_the_containers_on_one_host_apart(
    mark: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the host's network they have its name, too."""
    name = os.uname().nodename
    monkeypatch.setattr(container, "_HOSTS_NETWORK", "/nowhere")
    assert container.host_name({}) == name
    with_its_name = container.host_name(POD)
    monkeypatch.setattr(container, "_is_the_hosts_own", lambda _: False)
    a_pods_own = container.host_name(POD)
    monkeypatch.setattr(container, "_HOSTS_NETWORK", "/")
    with_its_network = container.host_name(POD)

    assert a_pods_own == name
    for shared in (with_its_name, with_its_network):
        assert shared.startswith(f"{name}/")
        assert len(shared) == len(name) + 5


@pytest.fixture
def namespaces() -> None:
    tried = subprocess.run([*_UNSHARE, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no PID namespaces here: {tried.stderr.strip()}")


def as_process_one(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if "COORDSIDECAR" not in key}
    return subprocess.run(
        [*_UNSHARE, sys.executable, "-m", "coordsidecar", *words],
        env={**clean, **environ}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.usefixtures("namespaces")
def test_as_process_one_it_wants_a_store_and_stops_before_docker_kills(tmp_path: Path) -> None:
    store = f"local:{tmp_path}"

    without = as_process_one("--", "true")
    alone = as_process_one("--store", store, "--", "true")
    told = as_process_one("--store", store, "--stop-timeout", "9s", "--", "true")
    pod = as_process_one("--store", store, "--", "true", **POD)

    assert (without.returncode, without.stderr.count("\n")) == (2, 1)
    assert "no --store is given" in without.stderr
    assert "--stop-timeout is 8s" in alone.stderr
    assert "docker stop -t" in alone.stderr
    assert "--stop-timeout" not in told.stderr + pod.stderr
    assert {alone.returncode, told.returncode, pod.returncode} == {0}


@pytest.mark.usefixtures("namespaces")
def test_so_it_does_where_process_one_is_a_shell_and_no_runtime_left_a_mark() -> None:
    ask = (
        "from coordsidecar.settings import container\n"
        "container._MARKS = ()\n"
        "print(container.in_container({}))"
    )
    clean = {key: value for key, value in os.environ.items() if key not in POD}

    shell = subprocess.run(
        [*_UNSHARE, "sh", "-c", f"{sys.executable} -c '{ask}'; exit $?"],
        env=clean, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip

    assert shell.stdout == "True\n"


@pytest.mark.usefixtures("namespaces")
def test_a_job_that_ignores_its_signal_is_killed_before_docker_would(tmp_path: Path) -> None:
    stuck = as_process_one(
        "--store", f"local:{tmp_path}", "--", "sh", "-c", "trap '' TERM; kill -TERM 1; sleep 600"
    )

    assert stuck.returncode == 128 + signal.SIGKILL
    assert "SIGKILL follows in 8s" in stuck.stderr


@pytest.mark.parametrize("folder", ["/proc", "/sys"])
def test_a_role_file_that_cannot_be_written_is_refused(folder: str) -> None:
    assert "cannot write in the folder" in refusal("--role-file", f"{folder}/role", "x")
