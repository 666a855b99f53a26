"""examples/docker/Dockerfile, as it is written: our sidecar before another image's command."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.containers.container import Container, buildah, podman
from tests.containers.ring import Ring

_ROOT = Path(__file__).parents[2]
_DOCKERFILE = _ROOT / "examples" / "docker" / "Dockerfile"
_BUILD_S = 800.0
# A machine behind a proxy trusts it by these.
_OF_THE_MACHINE = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pip.conf")


@pytest.fixture
def example_image() -> Iterator[str]:
    """It, built upon an image of this machine's own, which has the user that redis' has."""
    name = f"localhost/coordsidecar-example-{uuid.uuid4().hex[:8]}"
    somebody_elses, ours = f"{name}-base", f"{name}:test"
    with ExitStack() as stack:
        made = buildah("from", "localhost/coordsidecar-base")
        stack.callback(buildah, "rm", made)
        buildah("run", "--isolation", "chroot", made, "useradd", "--uid", "999", "redis")
        for image in (somebody_elses, ours):
            stack.callback(podman, "rmi", "--force", image, check=False)
        buildah("commit", made, somebody_elses)
        volumes = [f"--volume={path}:{path}:ro" for path in _OF_THE_MACHINE if os.path.exists(path)]
        how = ["--isolation", "chroot", "--network", "host", "--pull-never", *volumes]
        how += ["--build-arg", f"IMAGE={somebody_elses}", "--file", str(_DOCKERFILE)]
        buildah("build", *how, "--tag", ours, str(_ROOT), within_s=_BUILD_S)
        yield ours


@pytest.mark.timeout(900)
def test_it_runs_the_images_command_as_the_images_user_and_hands_over(
    example_image: str, ring: Ring, start: Callable[..., Container]
) -> None:
    def start_example() -> Container:
        stamping = ["python3", "-S", "/e2e-jobs/stamp.py", "/shared/stamps"]
        return start(*ring.options(), "--", *stamping, image=example_image)

    leader = start_example()
    ring.stamps.wait_for_stints(1)
    heir = start_example()

    assert leader.job().uids().real == 999
    leader.stop()

    ring.stamps.wait_for_stints(2)
    ring.stamps.assert_never_two()
    assert leader.wait() == 128 + signal.SIGTERM
    assert "started the job" in heir.log()
