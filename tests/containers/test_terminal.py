"""``docker run -it``: the keys reach the job, as they would without a sidecar between."""

from __future__ import annotations

from collections.abc import Callable

from tests.containers.ring import Ring
from tests.guard.shell import CTRL_C, CTRL_Z
from tests.guard.terminal import Terminal

TICK = ("python3", "-I", "-S", "/guard-jobs/tick.py")


def test_ctrl_c_ends_the_job_and_the_container_with_its_code(
    ring: Ring, screen: Callable[..., Terminal]
) -> None:
    tty = screen(*ring.options(), "--", *TICK)
    tty.wait_for("job-is-up")

    tty.type(CTRL_C)

    tty.wait_for("job-got-INT")
    assert tty.process.wait(timeout=60) == 7


def test_ctrl_z_suspends_nobody_for_nobody_could_say_fg(
    ring: Ring, screen: Callable[..., Terminal]
) -> None:
    tty = screen(*ring.options(), "--", *TICK)
    tty.wait_for("tick")

    tty.type(CTRL_Z)

    tty.clear()
    tty.wait_for("tick", times=5)
    tty.type(CTRL_C)
    tty.wait_for("job-got-INT")


def test_a_shell_as_the_job_has_job_control_of_its_own(
    ring: Ring, screen: Callable[..., Terminal]
) -> None:
    tty = screen(*ring.options(), "--", "bash", "--norc", "-i")
    tty.wait_for("started the job")
    tty.type(" ".join(TICK) + "\n")
    tty.wait_for("job-is-up")

    tty.type(CTRL_Z)

    tty.wait_for("Stopped")
    tty.clear()
    tty.type("fg\n")
    tty.wait_for("tick\r\n")
    tty.type(CTRL_C)
    tty.wait_for("job-got-INT")
    tty.type("echo code-$?\n")
    tty.wait_for("code-7")
    tty.type("exit 3\n")
    assert tty.process.wait(timeout=60) == 3
