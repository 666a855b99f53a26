"""Two containers that share a PID namespace, as those of a pod do: one attached to the other."""

from __future__ import annotations

import itertools
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.containers.container import Container, podman
from tests.containers.ring import Ring
from tests.e2e.sidecars import every_process, has_ended, status_of, wait_for
from tests.servers.process import free_ports

_JOBS = Path(__file__).parents[1] / "attach" / "jobs"
_APP = "/attach-jobs/app.py"
# Not the shell that is to become it, which has these words as well.
_MATCH = r"^python3 /attach-jobs/app\.py"
# As in examples/kubernetes/overlays/attach.
_PERIOD_S = _TIMEOUT_S = 1.0
_FAILURES = 2


class Pod:
    """What a kubelet makes of a pod with a process namespace of its own, an app, and a sidecar."""

    def __init__(self, ring: Ring, start: Callable[..., Container], name: str) -> None:
        self._start = start
        self._ring = ring
        self.name = name
        (self.port,) = free_ports(1)
        self._pause = start("infinity", how=["--entrypoint", "sleep"])
        self._shares_pids = ["--pid", f"container:{self._pause.name}"]
        self.sidecar = self.start_sidecar()
        self.app = self.start_app()

    def start_sidecar(self) -> Container:
        options = ["--match-cmdline", _MATCH, "--http", str(self.port)]
        return self._start("attach", *self._ring.options(), *options, how=self._shares_pids)

    def start_app(self) -> Container:
        """It leaves a daemon behind, which is below nobody but the pod's process 1, and is what it
        is to be before the app can be found, and held."""
        volume = ["--volume", f"{_JOBS}:/attach-jobs:ro", "--entrypoint", "sh"]
        command = (
            "daemon=$(setsid sleep 1000 >/dev/null 2>&1 & echo $!); "
            'until [ "$(cat /proc/$daemon/comm)" = sleep ]; do sleep 0.05; done; '
            f"exec python3 {_APP} /shared/app-stamps {self.name}"
        )
        return self._start("-c", command, how=[*self._shares_pids, *volume])

    def daemon(self) -> psutil.Process:
        """The app's."""
        group = Path(f"/proc/{self.app.process_one().pid}/cgroup").read_text()
        for process in every_process():
            try:
                if process.name() == "sleep" and group == _read(f"/proc/{process.pid}/cgroup"):
                    return process
            except psutil.NoSuchProcess:
                continue
        raise AssertionError("the app has no daemon")

    @property
    def app_is_held(self) -> bool:
        return {status_of(one) for one in self.app.everyone()} == {psutil.STATUS_STOPPED}

    @property
    def app_acts(self) -> bool:
        return psutil.STATUS_STOPPED not in {status_of(one) for one in self.app.everyone()}

    def probe_until_the_app_is_killed(self) -> float:
        """As its livenessProbe has it; returns after how long, in seconds."""
        began_s, failed = time.monotonic(), 0
        while failed < _FAILURES:
            at_s = time.monotonic()
            try:
                url = f"http://127.0.0.1:{self.port}/healthz"
                urllib.request.urlopen(url, timeout=_TIMEOUT_S).close()
                failed = 0
            except (urllib.error.URLError, OSError):
                failed += 1
            time.sleep(max(0.0, at_s + _PERIOD_S - time.monotonic()))
        podman("stop", "--time", "1", self.app.name)
        return time.monotonic() - began_s


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


@pytest.fixture
def two_pods(ring: Ring, start: Callable[..., Container]) -> tuple[Pod, Pod]:
    """The first leads."""
    ring.ttl = "15s"  # As in the example.
    leader = Pod(ring, start, "a")
    wait_for(lambda: "the app goes on" in leader.sidecar.log(), "the first app to be led")
    standby = Pod(ring, start, "b")
    wait_for(lambda: "standing-by" in standby.sidecar.log(), "the second pod to stand by")
    wait_for(lambda: standby.app_is_held, "the second app to be held")
    (ring.shared / "app-stamps").write_bytes(b"")
    wait_for(lambda: order(ring) == ["a"], "the first app to act, alone")
    return leader, standby


def order(ring: Ring) -> list[str]:
    """Whose stamps follow whose."""
    lines = [line.split() for line in (ring.shared / "app-stamps").read_text().splitlines()]
    written = sorted((int(at), name) for name, _, at in (line for line in lines if len(line) == 3))
    return [name for name, _ in itertools.groupby(name for _, name in written)]


def test_the_lead_moves_and_the_app_with_its_daemon_is_frozen_and_thawed(
    ring: Ring, two_pods: tuple[Pod, Pod]
) -> None:
    leader, standby = two_pods
    daemon, other_daemon = leader.daemon(), standby.daemon()
    assert status_of(daemon) == psutil.STATUS_SLEEPING
    wait_for(lambda: status_of(other_daemon) == psutil.STATUS_STOPPED, "its daemon to be held, too")

    leader.sidecar.stop()

    wait_for(lambda: standby.app_acts, "the second app to act")
    assert leader.app_is_held
    assert status_of(daemon) == psutil.STATUS_STOPPED
    wait_for(lambda: status_of(other_daemon) == psutil.STATUS_SLEEPING, "its daemon to go on, too")
    assert order(ring) == ["a", "b"]


def test_an_app_whose_container_is_restarted_is_found_again(two_pods: tuple[Pod, Pod]) -> None:
    leader, standby = two_pods
    leader.app.kill()
    standby.app.kill()
    leader.app.wait()

    leader.app, standby.app = leader.start_app(), standby.start_app()

    wait_for(lambda: standby.app_is_held, "the second app to be held")
    wait_for(lambda: leader.app_acts, "the first app to act")
    assert leader.sidecar.log().count("the app goes on") > 1


def test_a_standbys_app_that_is_asked_to_end_does_not_hold_up_its_pod(
    two_pods: tuple[Pod, Pod],
) -> None:
    _, standby = two_pods

    podman("stop", "--time", "600", standby.app.name)

    assert standby.app.wait() == 128 + signal.SIGKILL


def test_once_a_sidecars_container_is_gone_its_app_goes_by_its_probe_before_the_next_acts(
    ring: Ring, two_pods: tuple[Pod, Pod]
) -> None:
    """Nobody of ours is left to end it. That it goes in time is the kubelet's part, which is the
    test's here; what is shown is that the probe asks the right one, and that the TTL is enough."""
    leader, standby = two_pods
    app = leader.app.process_one()

    leader.sidecar.kill()
    took_s = leader.probe_until_the_app_is_killed()

    print(f"the app was gone {took_s:.1f} s after its sidecar")
    wait_for(lambda: standby.app_acts, "the second app to act")
    assert has_ended(app)
    assert order(ring) == ["a", "b"]
