"""The images and manifests in the examples: well-formed, and in step with the program."""

from __future__ import annotations

import contextlib
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import psutil
import pytest

import coordsidecar
from coordsidecar.cli.words import split
from coordsidecar.settings.attach import ATTACH_OPTIONS, attach_settings
from coordsidecar.settings.container import STOP_TIMEOUT_S
from coordsidecar.settings.options import OPTIONS
from coordsidecar.settings.settings import Settings, build_settings
from tests.docs.yaml_subset import read_yaml
from tests.e2e.sidecars import Sidecar, sidecars, wait_for

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
DEPLOYMENT = "kubernetes/base/deployment.yaml"
_PROBE_TIMES = (
    *("periodSeconds", "timeoutSeconds", "failureThreshold"),
    "terminationGracePeriodSeconds",
)
ROLE_SIDECAR = "kubernetes/overlays/role-file/role-sidecar.yaml"
MANIFESTS = ["docker/compose.yaml", DEPLOYMENT, ROLE_SIDECAR]
DOCKERS_GRACE_S = 10.0
DOCKERFILES = ["Dockerfile", "examples/docker/Dockerfile"]

pytestmark = pytest.mark.usefixtures("outside_of_containers")


def load(name: str) -> Any:
    return read_yaml((EXAMPLES / name).read_text())


def settings_of(words: list[str]) -> Settings:
    """What our own program makes of the words; `UsageError` if it refuses them."""
    flags, command = split(words, OPTIONS, interspersed=False)
    return build_settings(flags=flags, command=command, environ={})


def pod(manifest: Any) -> Any:
    return manifest["spec"]["template"]["spec"]


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_can_be_read(name: str) -> None:
    assert isinstance(load(name), dict)


@pytest.mark.parametrize(
    "text", ["a: b: c", "a:", "a: 'b'", 'a: "b" c', "a: 1\na: 2", "- x\n  - y", "\ta: 1"]
)
def test_what_the_reader_of_manifests_does_not_know_it_refuses(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_yaml(text)


def test_compose_starts_three_replicas_and_waits_for_their_jobs_to_stop() -> None:
    manifest = load("docker/compose.yaml")
    job = manifest["services"]["job"]

    settings = settings_of(job["command"])

    assert settings.store == "etcd://etcd:2379"
    assert "etcd" in manifest["services"]
    assert job["deploy"]["replicas"] == "3"
    assert not any(word.startswith("--stop-timeout") for word in job["command"])
    grace_s = float(job.get("stop_grace_period", f"{DOCKERS_GRACE_S}s").removesuffix("s"))
    assert grace_s > STOP_TIMEOUT_S
    source, target, _ = job["volumes"][0].split(":")
    assert (EXAMPLES / "docker" / source).is_file()
    assert target in settings.command
    assert (EXAMPLES / "docker" / job["build"]["context"] / "Dockerfile").samefile(
        ROOT / "Dockerfile"
    )


def test_the_deployment_prefixes_its_command_and_outlives_the_stop_timeout() -> None:
    manifest = load(DEPLOYMENT)
    (container,) = pod(manifest)["containers"]

    settings = settings_of(container["args"])

    assert settings.store == "kubernetes:"
    assert container["command"] == ["/coordsidecar/coordsidecar"]
    assert int(manifest["spec"]["replicas"]) >= 2
    assert float(pod(manifest)["terminationGracePeriodSeconds"]) > takes_to_stop_s(settings)
    assert isinstance(settings.http, tuple)
    (port,) = container["ports"]
    assert settings.http[1] == int(port["containerPort"])
    for probe in ("readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/healthz", "port": port["name"]}
    assert named(container["env"], "COORDSIDECAR_ID") == {
        "fieldRef": {"fieldPath": "metadata.name"}
    }
    labels = manifest["spec"]["template"]["metadata"]["labels"]
    assert manifest["spec"]["selector"]["matchLabels"] == labels


def test_the_role_sidecar_shares_its_role_file_with_the_app() -> None:
    manifest = load(ROLE_SIDECAR)
    (sidecar,), (app,) = pod(manifest)["initContainers"], pod(manifest)["containers"]

    settings = settings_of([word for word in sidecar["args"] if not word.startswith("--role-file")])

    assert sidecar["restartPolicy"] == "Always"
    (role_file,) = re.findall(r"--role-file=(\S+)", " ".join(sidecar["args"]))
    assert f"cat {role_file})\n" in app["command"][2]
    assert sidecar["volumeMounts"] == app["volumeMounts"]
    (mount,) = app["volumeMounts"]
    assert sidecar["startupProbe"]["exec"]["command"] == ["test", "-e", role_file]
    assert role_file.startswith(mount["mountPath"] + "/")
    assert mount["name"] in [volume["name"] for volume in pod(manifest)["volumes"]]
    assert float(pod(manifest)["terminationGracePeriodSeconds"]) > takes_to_stop_s(settings)
    assert named(sidecar["env"], "COORDSIDECAR_ID") == {"fieldRef": {"fieldPath": "metadata.name"}}


def test_the_attached_sidecars_probe_ends_the_app_before_another_may_lead() -> None:
    """As docs/kubernetes.md works it out: in time though the last renewal be as old as it may."""
    manifest = load("kubernetes/overlays/attach/attach-sidecar.yaml")
    (sidecar,), (app,) = pod(manifest)["initContainers"], pod(manifest)["containers"]
    probe = {key: float(app["livenessProbe"][key]) for key in _PROBE_TIMES}
    flags, command = split(sidecar["args"][1:], ATTACH_OPTIONS, interspersed=False)

    settings = attach_settings(flags=flags, command=command, environ={})

    gone_s = probe["failureThreshold"] * (probe["periodSeconds"] + probe["timeoutSeconds"])
    gone_s += probe["terminationGracePeriodSeconds"]
    assert gone_s == 5
    assert settings.timing.ttl_s - settings.timing.step_down_after_s > gone_s + 1
    assert app["livenessProbe"]["httpGet"]["port"] == sidecar["ports"][0]["containerPort"]
    assert pod(manifest)["shareProcessNamespace"]
    assert settings.whom is not None
    assert re.search(flags["match-cmdline"], " ".join(app["command"]))
    assert float(pod(manifest)["terminationGracePeriodSeconds"]) > takes_to_stop_s(settings)


def takes_to_stop_s(settings: Settings) -> float:
    """From the signal to our own end, at most; as the comment in the manifest has it."""
    timing = settings.timing
    return settings.stop_timeout_s + timing.kill_reserve_s + 2 * timing.rpc_timeout_s + 1


def named(variables: list[dict[str, Any]], name: str) -> Any:
    (found,) = (entry["valueFrom"] for entry in variables if entry["name"] == name)
    return found


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Sidecar]]:
    with sidecars(tmp_path) as start:
        election = ["--store", f"local:{tmp_path / 'locks'}", "--name", "app"]
        yield lambda *words: start(*election, *words)


@pytest.fixture
def role_sidecar(start: Callable[..., Sidecar], tmp_path: Path) -> Sidecar:
    """The role sidecar, leading, with ``/role`` in the test's folder; no stop is long enough to end
    it by a kill."""
    (container,) = pod(load(ROLE_SIDECAR))["initContainers"]
    command = [str(word).replace("/role/", f"{tmp_path}/") for word in container["args"]]
    role_file = tmp_path / "role.json"
    options = ["--role-file", str(role_file), "--stop-timeout", "1h"]
    leader = start(*options, *command[command.index("--") :])
    wait_for(lambda: leader.leads() and '"leader"' in role_file.read_text(), "it to lead")
    return leader


def test_the_role_sidecar_gives_nothing_away_while_the_app_is_busy(
    start: Callable[..., Sidecar], role_sidecar: Sidecar, tmp_path: Path
) -> None:
    standby = start("--", "sleep", "600")
    wait_for(lambda: "standing-by" in standby.log(), "the second instance to stand by")
    job = role_sidecar.job()
    with busy(tmp_path):
        role_sidecar.process.terminate()

        wait_for(lambda: waits_for_the_app(job) or standby.leads(), "the sidecar's job to wait")
        assert not standby.leads()
        assert '"stopping"' in (tmp_path / "role.json").read_text()
    wait_for(standby.leads, "the second instance to lead")
    assert role_sidecar.wait() == 0


def test_the_role_sidecar_does_not_wait_for_an_app_that_crashed_while_it_was_busy(
    role_sidecar: Sidecar, tmp_path: Path
) -> None:
    with busy(tmp_path) as app:
        app.kill()
        app.wait()
    assert (tmp_path / "busy").exists()

    role_sidecar.process.terminate()

    assert role_sidecar.wait() == 0


@contextlib.contextmanager
def busy(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """An app that is in a step, as the manifest wants it to be told."""
    app = subprocess.Popen(
        ["sh", "-c", f"exec 9>{folder}/busy; flock 9; echo busy; exec cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with app:
        assert app.stdout is not None
        assert app.stdout.readline() == "busy\n"
        yield app


def waits_for_the_app(job: psutil.Process) -> bool:
    """Whether the job is in its trap."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return any("flock" in child.cmdline() for child in job.children())
    return False


def test_dockerfiles_copy_what_is_sent_to_them_and_no_more() -> None:
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    sent = {line[1:] for line in ignore if line.startswith("!")}
    copied: set[str] = set()
    for name in DOCKERFILES:
        for line in (ROOT / name).read_text().splitlines():
            if line.startswith("COPY ") and "--from" not in line:
                copied |= set(line.split()[1:-1])

    assert copied <= sent
    for path in copied:
        assert (ROOT / path).exists()


@pytest.mark.parametrize("name", DOCKERFILES)
def test_an_image_starts_the_sidecar_and_is_stopped_as_it_likes(name: str) -> None:
    text = (ROOT / name).read_text()

    stages = re.findall(r"^FROM .*", text, re.MULTILINE)
    assert 'ENTRYPOINT ["coordsidecar"]' in text
    assert "STOPSIGNAL SIGTERM" in text
    assert len(stages) > 1, "what builds it must not stay in the image"
    command = re.search(r'^CMD \["(.*)"\]$', text, re.MULTILINE)
    assert command is not None
    words = command[1].split('", "')
    assert words == ["--help"] or cast(Any, settings_of(words)).command


def test_everything_that_is_sent_is_copied_into_our_own_image() -> None:
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    copied = re.findall(r"^COPY (?!--)(.*) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)

    assert {line[1:] for line in ignore if line.startswith("!")} == set(" ".join(copied).split())


def test_the_image_has_a_python_that_the_package_supports() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text()
    dockerfile = (ROOT / "Dockerfile").read_text()
    version = re.search(r"^ARG BASE=python:3\.(\d+)-slim$", dockerfile, re.MULTILINE)

    assert version is not None
    lowest = re.search(r'^requires-python = ">=3\.(\d+)"$', pyproject, re.MULTILINE)
    assert lowest is not None
    assert int(version[1]) >= int(lowest[1])
    assert f"ARG VERSION={coordsidecar.__version__}\n" in dockerfile


@pytest.mark.parametrize(("lock", "extras"), [("run", []), ("grpc", ["grpc"]), ("build", None)])
def test_a_lock_has_each_package_that_we_ask_for_with_its_hashes(
    lock: str, extras: list[str] | None
) -> None:
    """How to renew one stands in its head."""
    text = (ROOT / "examples/docker/locks" / f"{lock}.txt").read_text()
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = pyproject["build-system"]["requires"]
    if extras is not None:
        optional = pyproject["project"]["optional-dependencies"]
        asked = sum((optional[extra] for extra in extras), pyproject["project"]["dependencies"])

    locked = re.findall(
        r"^([\w.-]+)==[\w.]+ \\\n    --hash=sha256:[0-9a-f]{64}", text, re.MULTILINE
    )

    assert len(locked) == len(re.findall(r"^[\w.-]+", text, re.MULTILINE))
    assert {re.split(r"[>=<]", requirement)[0] for requirement in asked} <= set(locked)
    assert "#    uv pip compile --upgrade " in text.splitlines()[1]
