"""Fixtures for real containers: podman, the image that ./check has built, and an etcd for all."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from coordsidecar.store.protocol import Election
from tests.containers.container import IMAGE, Container, containers, podman, run_line
from tests.containers.ring import Ring
from tests.guard.terminal import Terminal, terminal
from tests.servers import EtcdServer


@pytest.fixture(scope="session", autouse=True)
def image() -> str:
    """The image. Fail where it is not there: --containers has asked for it."""
    if shutil.which("podman") is None or not podman("images", "--quiet", IMAGE):
        pytest.fail("there is no podman, or no image yet: ./check --containers", pytrace=False)
    return IMAGE


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Container]]:
    """Start a container of the image with these arguments; removed with the test."""
    with containers(tmp_path) as start_container:
        yield start_container


@pytest.fixture
def ring(
    etcd: EtcdServer, election: Election, tmp_path: Path, start: Callable[..., Container]
) -> Ring:
    """An election of the test's own in a real etcd."""
    return Ring(etcd, election=election, shared=tmp_path / "shared", start=start)


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Start a container in the foreground, with a terminal, as ``docker run -it`` does."""
    with ExitStack() as stack:

        def start(*arguments: str, how: Sequence[str] = ()) -> Terminal:
            name = f"coordsidecar-test-{uuid.uuid4().hex[:8]}"
            line = run_line(name, "--interactive", "--tty", "--env", "PS1=", *how)
            stack.callback(podman, "rm", "--force", "--time", "0", name, check=False)
            words = ["podman", *line, *arguments]
            return stack.enter_context(terminal(*words, env=dict(os.environ)))

        yield start
