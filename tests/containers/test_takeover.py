"""Three containers and one etcd: whatever befalls the leader's, never two jobs, and soon one."""

from __future__ import annotations

import signal

import pytest

from tests.containers.container import Container
from tests.containers.ring import Ring
from tests.e2e.sidecars import wait_for


def assert_handed_over(ring: Ring, heir: Container) -> None:
    """The next job ran without a wait for a time-out: its leader knew of the last one's end."""
    ring.stamps.assert_never_two()
    first, second = ring.stamps.stints()
    assert int(first.token) < int(second.token)
    assert f"token={second.token}" in heir.log()
    assert "did not resign" not in heir.log()


def test_a_container_that_is_stopped_hands_over(ring: Ring) -> None:
    leader, *others = ring.three()

    leader.stop()

    ring.stamps.wait_for_stints(2)
    assert_handed_over(ring, ring.next_leader(others))
    assert leader.wait() == 128 + signal.SIGTERM


def test_a_container_that_is_killed_is_followed_by_another(ring: Ring) -> None:
    """Nobody is left in it who could resign."""
    leader, *others = ring.three()

    leader.kill()

    ring.stamps.wait_for_stints(2)
    ring.stamps.assert_never_two()
    assert "did not resign" in ring.next_leader(others).log()


def test_a_container_that_freezes_and_thaws_past_its_ttl_ends_its_job_and_rejoins(
    ring: Ring,
) -> None:
    """What the job does in the instant of waking is nobody's to prevent, and is printed."""
    leader, *others = ring.three()
    leader.freeze()
    ring.stamps.wait_for_stints(2)
    heir = ring.next_leader(others)
    leader.thaw()
    wait_for(lambda: leader.log().count("standing-by") == 1, "the first to stand by again")
    first, second, *_ = settled = ring.stamps.stints()
    late_ms = (first.last_ns - second.first_ns) / 1e6
    print(f"the job that was thawed has stamped last {late_ms:.1f} ms after the next one's first")

    heir.stop()

    ring.stamps.wait_for_stints(3)
    assert ring.stamps.stints()[0] == settled[0]
    assert int(first.token) < int(second.token) < int(ring.stamps.stints()[2].token)


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGSTOP])
def test_a_guard_that_is_killed_or_stopped_inside_its_container_makes_room(
    ring: Ring, signum: signal.Signals
) -> None:
    leader, *others = ring.three()

    leader.kill_from_inside(leader.guard(), signum)

    ring.stamps.wait_for_stints(2)
    assert_handed_over(ring, ring.next_leader(others))


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGSTOP])
def test_a_guard_that_is_killed_or_stopped_below_an_init_is_followed_by_another(
    ring: Ring, signum: signal.Signals
) -> None:
    """Not at once: such an init ends as soon as the guard does, and the container with it, before
    the elector could resign."""
    leader, *others = ring.three(how=["--init"])

    leader.kill_from_inside(leader.guard(), signum)

    ring.stamps.wait_for_stints(2)
    ring.stamps.assert_never_two()
    assert leader.wait() == 128 + signal.SIGKILL
    assert "started the job" in ring.next_leader(others).log()
