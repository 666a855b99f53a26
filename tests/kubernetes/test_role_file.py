"""The example with a role file: app and sidecar as the manifest has them, on a real Lease."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.at_once import kill_at_once
from tests.e2e.sidecars import Sidecar, wait_for
from tests.kubernetes.manifests import pods, render
from tests.servers import KubernetesServer

_TTL = "3s"


class Pod:
    """Both containers of one replica, as processes; ``/role`` is a folder of its own."""

    def __init__(self, start: Callable[..., Sidecar], store: str, folder: Path) -> None:
        (pod,) = pods(render("overlays/role-file"))
        (sidecar,), (app,) = pod["initContainers"], pod["containers"]
        (folder / "role").mkdir(parents=True)
        self.folder = folder
        words = [word.replace("/role/", f"{folder}/role/") for word in sidecar["args"]]
        words[words.index("--store=kubernetes:")] = f"--store={store}"
        words = [word for word in words if not word.startswith("--http=")]
        self.sidecar = start("--ttl", _TTL, "--id", folder.name, *words)
        is_there = sidecar["startupProbe"]["exec"]["command"][-1]
        self._wait_for = folder / is_there.removeprefix("/")
        self._app = [word.replace("/role/", f"{folder}/role/") for word in app["command"]]
        self._out = folder / "out"

    @contextlib.contextmanager
    def app(self) -> Iterator[subprocess.Popen[bytes]]:
        """The app, started once the startup probe is true; killed at the end."""
        wait_for(self._wait_for.exists, "the role file")
        with self._out.open("wb") as out, subprocess.Popen(self._app, stdout=out) as app:
            try:
                yield app
            finally:
                app.kill()

    def steps(self) -> int:
        return self._out.read_text().count("\n")


@pytest.fixture
def pod(
    kubernetes: KubernetesServer, start: Callable[..., Sidecar], tmp_path: Path
) -> Callable[[str], Pod]:
    """Start a replica of this name; the app is started apart."""
    config, namespace = tmp_path / "kubeconfig", kubernetes.namespace()
    kubernetes.kubeconfig(config, namespace=namespace)
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    kubernetes.create(path, {"metadata": {"name": "ticker"}})
    store = f"kubernetes:?kubeconfig={config}"
    return lambda name: Pod(start, store, tmp_path / name)


def test_the_app_works_while_its_sidecar_leads_and_then_the_other(
    pod: Callable[[str], Pod],
) -> None:
    first = pod("first")
    with first.app() as working:
        wait_for(first.steps, "a step of the first app")
        second = pod("second")
        with second.app():
            wait_for(lambda: "standing-by" in second.sidecar.log(), "the second to stand by")
            done = first.steps()
            wait_for(lambda: first.steps() > done, "another step of the first app")
            assert second.steps() == 0

            working.terminate()  # As the kubelet does: the app first, then its sidecar.
            assert working.wait(timeout=60) == 0
            done = first.steps()
            first.sidecar.process.terminate()

            wait_for(second.steps, "a step of the second app")
            assert first.steps() == done
            assert first.sidecar.wait() == 0


def test_the_app_does_nothing_by_a_role_file_whose_time_is_over(pod: Callable[[str], Pod]) -> None:
    first = pod("first")
    with first.app():
        wait_for(first.steps, "a step of the app")
        kill_at_once(first.sidecar.everyone)
        second = pod("second")
        with second.app():
            wait_for(second.steps, "a step of the second app")
            done = first.steps()
            so_far = second.steps()
            wait_for(lambda: second.steps() > so_far + 1, "more steps of the second app")

            assert '"role": "leader"' in (first.folder / "role/role.json").read_text()
            assert first.steps() == done
