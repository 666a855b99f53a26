"""As little as a container may be given: it leads, hands over and reaps all the same."""

from __future__ import annotations

import signal

import psutil
import pytest

from tests.containers.ring import Ring
from tests.e2e.sidecars import status_of, wait_for
from tests.servers.process import free_ports

READ_ONLY = ("--read-only", "--read-only-tmpfs=false")
CONFINED = [
    pytest.param(READ_ONLY, id="read-only"),
    pytest.param(("--cap-drop", "all"), id="no-capabilities"),
    pytest.param(("--security-opt", "no-new-privileges"), id="no-new-privileges"),
    pytest.param(("--user", "1000650000"), id="any-user"),
    pytest.param(("--user", "0"), id="root"),
    pytest.param(("--pids-limit", "16"), id="16-processes"),
    pytest.param(("--memory", "48m"), id="48-MB"),
    pytest.param(("--init",), id="init"),
    pytest.param(
        (
            *READ_ONLY,
            *("--cap-drop", "all", "--security-opt", "no-new-privileges"),
            *("--user", "1000650000", "--pids-limit", "16", "--memory", "48m", "--init"),
        ),
        id="all-at-once",
    ),
]


@pytest.mark.parametrize("how", CONFINED)
def test_a_confined_container_leads_and_hands_over(ring: Ring, how: tuple[str, ...]) -> None:
    leader = ring.start(how=how)
    ring.stamps.wait_for_stints(1)
    standby = ring.start(how=how)
    wait_for(lambda: "standing-by" in standby.log(), "the second container to stand by")

    leader.stop()

    ring.stamps.wait_for_stints(2)
    ring.stamps.assert_never_two()
    assert "did not resign" not in standby.log()
    assert leader.wait() == 128 + signal.SIGTERM


@pytest.mark.parametrize("how", [(), ("--init",)], ids=["process 1", "--init"])
def test_a_thousand_orphans_leave_no_zombie(ring: Ring, how: tuple[str, ...]) -> None:
    job = ["python3", "-I", "-S", "/guard-jobs/orphans.py", "/shared/born", "1000"]
    container = ring.start(command=job, how=how)
    wait_for((ring.shared / "born").exists, "the orphans to be born")

    def zombies() -> list[psutil.Process]:
        return [one for one in container.everyone() if status_of(one) == psutil.STATUS_ZOMBIE]

    wait_for(lambda: not zombies(), "the orphans to be reaped")
    container.stop()
    assert container.wait() == 128 + signal.SIGTERM


@pytest.mark.parametrize(("job", "code"), [("exit 0", 0), ("exit 77", 77), ("kill -9 $$", 137)])
def test_the_exit_code_of_the_job_is_the_containers(ring: Ring, job: str, code: int) -> None:
    container = ring.start(command=["sh", "-c", job])

    assert container.wait() == code


def test_a_health_check_needs_no_more_than_the_image(ring: Ring) -> None:
    (port,) = free_ports(1)
    # No timer of systemd's, which podman would leave the asking to.
    check = ["--health-cmd", f"coordsidecar health --http {port}", "--health-interval", "disable"]
    container = ring.start("--http", str(port), how=check)
    ring.stamps.wait_for_stints(1)

    wait_for(lambda: container.is_healthy(), "the health check to succeed")
