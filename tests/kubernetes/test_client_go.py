"""Beside client-go's leader election, which Kubernetes' own controllers use, in one Lease."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable

import psutil
import pytest

from tests.e2e.arena import Arena
from tests.e2e.at_once import kill_at_once
from tests.e2e.sidecars import Sidecar, has_ended, wait_for
from tests.kubernetes.client_go import DURATION_S, LONGEST_PAUSE_S, ClientGo
from tests.servers import KubernetesServer
from tests.servers.leases import OperatedLease

NewClientGo = Callable[[], ClientGo]

_MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_OURS = "coordsidecar/"
# The arena's TTL. client-go counts from when it last saw us renew.
_RENEWED_WITHIN_NS = 4e9


def we_lead(arena: Arena, name: str) -> Sidecar:
    """Start one of ours, which is the only one, and wait for its job."""
    stints = len(arena.stamps.stints())
    ours = arena.start("--id", name)
    arena.stamps.wait_for_stints(stints + 1)
    return ours


def stands_by(sidecar: Sidecar) -> None:
    wait_for(lambda: "standing-by" in sidecar.log(), "us to stand by")


def test_while_client_go_leads_no_job_of_ours_starts(
    arena: Arena, client_go: NewClientGo, lease: OperatedLease
) -> None:
    theirs = client_go()
    theirs.wait_until_it_leads()
    ours = arena.start()
    stands_by(ours)

    released_ns = theirs.release(lease)  # When it has renewed: after more than our own TTL.

    stint = arena.stamps.wait_for_stints(1)[0]
    assert stint.first_ns > released_ns
    assert theirs.name in ours.log()


def test_while_we_lead_client_go_waits_and_then_it_leads(
    arena: Arena, client_go: NewClientGo, lease: OperatedLease
) -> None:
    """It would take the Lease, had it not seen us renew for longer than its own duration."""
    ours, theirs = we_lead(arena, "ours"), client_go()
    holder = lease.holder()
    theirs.wait_until_it_follows(holder)
    job, follows_since_s = ours.job(), time.monotonic()
    theirs_is_over_s = follows_since_s + DURATION_S + LONGEST_PAUSE_S
    wait_for(lambda: time.monotonic() > theirs_is_over_s, "its duration to pass", within_s=180)
    assert not theirs.leads()
    assert ours.job() == job

    ours.signal(signal.SIGTERM)

    assert ours.wait() == 128 + signal.SIGTERM
    assert lease.holder() != holder
    leads_since_ns = theirs.wait_until_it_leads()
    assert has_ended(job)
    assert arena.stamps.stints()[-1].last_ns < leads_since_ns
    assert lease.holder() == theirs.name


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_client_go_follows_us_once_our_job_is_dead_and_our_lease_over(
    how: str, arena: Arena, client_go: NewClientGo, lease: OperatedLease
) -> None:
    """With a frozen guard and no elector, the fuse ends the job; either way nobody resigns."""
    ours, theirs = we_lead(arena, "ours"), client_go()
    theirs.wait_until_it_follows(lease.holder())
    job = ours.job()

    struck_ns = end_without_a_word(ours, how)

    wait_for(lambda: has_ended(job), "the job to be dead")
    assert not theirs.leads()
    leads_since_ns = theirs.wait_until_it_leads()
    [stint] = arena.stamps.stints()
    assert stint.last_ns < leads_since_ns
    assert leads_since_ns - struck_ns > DURATION_S * 1e9 - _RENEWED_WITHIN_NS


def end_without_a_word(ours: Sidecar, how: str) -> int:
    """Strike guard and elector, so that the Lease names them still; return when."""
    if how == "killed":
        guard = psutil.Process(ours.pid)
        return kill_at_once(lambda: [guard, *guard.children(recursive=True)])
    elector, struck_ns = ours.elector(), time.monotonic_ns()
    ours.signal(signal.SIGSTOP)
    elector.kill()
    return struck_ns


def test_a_client_go_that_is_killed_is_followed_when_the_duration_in_the_lease_is_over(
    arena: Arena, client_go: NewClientGo, lease: OperatedLease
) -> None:
    """Which is what stands there now, though the one that led had written another."""
    theirs = client_go()
    theirs.wait_until_it_leads()
    ours = arena.start()
    stands_by(ours)
    theirs.kill()
    assert lease.spec()["leaseDurationSeconds"] == DURATION_S
    assert not arena.stamps.stints()

    changed_ns = time.monotonic_ns()
    lease.patch_spec(leaseDurationSeconds=3)

    stint = arena.stamps.wait_for_stints(1)[0]
    assert stint.first_ns > changed_ns + 3e9
    assert lease.spec()["leaseDurationSeconds"] == 4


def test_the_lease_tells_of_each_change_of_holder_whoever_it_is(
    arena: Arena, client_go: NewClientGo, lease: OperatedLease, kubernetes: KubernetesServer
) -> None:
    """What `kubectl get lease` shows, what is counted, and when it was."""
    specs = []

    def note(holder: str) -> None:
        specs.append(lease.spec())
        wide = kubernetes.kubectl("get", "lease", arena.election.name, "-n", "test")
        name, shown, *_ = wide.splitlines()[1].split()
        assert (name, shown.partition("_")[0]) == (arena.election.name, holder)

    first = we_lead(arena, "first")
    note("first")
    theirs = client_go()
    theirs.wait_until_it_follows(lease.holder())
    first.signal(signal.SIGTERM)
    theirs.wait_until_it_leads()
    note(theirs.name)
    second = arena.start("--id", "second")
    stands_by(second)
    theirs.release(lease)
    arena.stamps.wait_for_stints(2)
    note("second")

    began = specs[0]["leaseTransitions"]
    assert [spec["leaseTransitions"] for spec in specs] == [began, began + 1, began + 2]
    assert [spec["leaseDurationSeconds"] for spec in specs] == [4, DURATION_S, 4]
    for spec in specs:
        for time_of in ("acquireTime", "renewTime"):
            assert _MICRO_TIME.fullmatch(spec[time_of]), spec
        assert spec["acquireTime"] <= spec["renewTime"]
    arena.stamps.assert_never_two()


def test_what_we_wrote_down_survives_client_go_and_is_not_taken_for_its_term(
    arena: Arena, client_go: NewClientGo, lease: OperatedLease
) -> None:
    ours, theirs = we_lead(arena, "ours"), client_go()
    token = arena.stamps.stints()[0].token
    theirs.wait_until_it_follows(lease.holder())
    ours.signal(signal.SIGTERM)
    ours.wait()
    left_behind = noted(lease)

    theirs.wait_until_it_leads()

    assert {f"{_OURS}{what}" for what in ("office", "term", "leader")} <= set(left_behind)
    assert noted(lease) == left_behind
    standby = arena.start("--id", "standby")
    stands_by(standby)
    assert arena.check(token).returncode == 1
    assert theirs.name in standby.log()
    assert "ours" not in standby.log()
    theirs.release(lease)
    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()


def noted(lease: OperatedLease) -> dict[str, str]:
    return dict(lease.read()["metadata"]["annotations"])
