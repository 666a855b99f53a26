"""The image itself: nobody's, labelled, compiled, and started as the README says."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

import coordsidecar
from tests.containers.container import IMAGE, logs, podman, run_line
from tests.containers.ring import Ring
from tests.e2e.sidecars import wait_for

ROOT = Path(__file__).parents[2]


def config() -> Any:
    return json.loads(podman("inspect", "--type", "image", IMAGE))[0]["Config"]


def test_the_image_runs_as_nobody_and_says_what_it_is() -> None:
    made = config()

    labels = {name.rpartition(".")[2]: text for name, text in made["Labels"].items()}
    assert made["User"] == "65532:65532"
    assert made["StopSignal"] == "SIGTERM"
    assert labels["title"] == "coordsidecar"
    assert labels["version"] == coordsidecar.__version__
    assert labels["licenses"] == "Apache-2.0"


def test_a_start_compiles_nothing_though_the_user_could_not_keep_it(ring: Ring) -> None:
    """Else each start of the image, at each takeover, takes three times as long."""
    verbose = ("--env", "PYTHONVERBOSE=1")
    leader = ring.start("--http", "0", "--role-file", "/shared/role", how=verbose)
    ring.stamps.wait_for_stints(1)
    standby = ring.start(how=verbose)
    wait_for(lambda: "standing-by" in standby.log(), "the second container to stand by")
    leader.stop()
    ring.stamps.wait_for_stints(2)
    standby.stop()

    for container in (leader, standby):
        assert "coordsidecar/cli/launch" in container.log()
        assert compiled(container.log()) == []


def test_what_is_compiled_would_be_noticed(ring: Ring) -> None:
    job = ["python3", "-c", "import wave"]
    container = ring.start(command=job, how=("--env", "PYTHONVERBOSE=1"))
    container.wait()

    assert any(path.endswith("/wave.py") for path in compiled(container.log()))


def compiled(log: str) -> list[str]:
    """The sources that Python says it compiled: from them it has a code object, unquoted."""
    return re.findall(r"^# code object from (/.*\.py)$", log, re.MULTILINE)


@pytest.mark.timeout(900)
def test_another_build_of_the_same_sources_is_the_same_image_bit_by_bit() -> None:
    tag = f"again-{uuid.uuid4().hex[:8]}"
    script = 'root=$PWD; . .ci/containers.sh; build_image "$1" --no-cache'
    again = IMAGE.replace(":test", f":{tag}")
    try:
        subprocess.run(
            ["bash", "-ec", script, "build", tag],
            cwd=ROOT,
            capture_output=True,
            timeout=900,
            check=True,
        )

        assert layers(again) == layers(IMAGE)
    finally:
        podman("rmi", again, check=False)


def layers(image: str) -> Any:
    """The digests of its files, one for each layer."""
    return json.loads(podman("inspect", "--type", "image", image))[0]["RootFS"]["Layers"]


@contextmanager
def as_in_the_readme(volume: str) -> Iterator[tuple[str, str]]:
    """A leader and a standby, each started by the line that the README shows."""
    (line,) = re.findall(r"^docker run (.*)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    before, _, after = line.partition(" coordsidecar ")
    how = before.replace("leader:/", f"{volume}:/").replace("-it --rm", "--detach")
    with ExitStack() as stack:
        stack.callback(podman, "volume", "rm", "--force", volume, check=False)

        def start(name: str, until: str) -> str:
            stack.callback(podman, "rm", "--force", "--time", "0", name, check=False)
            podman(*run_line(name, *shlex.split(how)), *shlex.split(after))
            wait_for(lambda: until in logs(name), f"{name} to say: {until}")
            return name

        yield start(f"{volume}-1", "started the job"), start(f"{volume}-2", "standing-by")


def test_the_line_in_the_readme_runs_one_of_two_and_then_the_other() -> None:
    with as_in_the_readme(f"coordsidecar-test-{uuid.uuid4().hex[:8]}") as (first, second):
        podman("kill", "--signal", "KILL", first)

        wait_for(lambda: "started the job" in logs(second), "the second to run its job")


def test_the_bench_prints_a_median_inside_and_outside() -> None:
    words = [sys.executable, "-m", "bench.containers", "--rounds", "1"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stderr
    assert (
        len(re.findall(r"^  (?:outside|in a container)(?: +[0-9.]+){3}$", done.stdout, re.M)) == 2
    )


def test_with_the_hosts_network_an_id_tells_the_containers_apart() -> None:
    """The host's name is copied into a namespace of the container's own."""
    words = ["run", "--rm", "--network", "host", IMAGE]
    words += ["--store", "local:/tmp", "--name", "x", "--"]
    ids = [podman(*words, "sh", "-c", "echo $COORDSIDECAR_ID") for _ in range(2)]

    host = os.uname().nodename
    assert all(re.fullmatch(rf"{re.escape(host)}/[0-9a-f]{{4}}", told) for told in ids), ids
    assert ids[0] != ids[1]
