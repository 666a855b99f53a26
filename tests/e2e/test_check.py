"""`coordsidecar check TOKEN`: what a script asks before a step that must not be done twice."""

from __future__ import annotations

import signal
import sys

from tests.e2e.arena import Arena
from tests.e2e.sidecars import wait_for


def test_only_the_token_of_the_leader_is_current(arena: Arena) -> None:
    leader, _ = arena.pair()
    token = arena.stamps.stints()[0].token

    current, other = arena.check(token), arena.check(str(int(token) + 1))

    assert (current.returncode, current.stdout, current.stderr) == (0, "", "")
    assert other.returncode == 1
    assert other.stderr.count("\n") == 1
    leader.signal(signal.SIGTERM)
    leader.wait()
    arena.stamps.wait_for_stints(2)
    assert arena.check(token).returncode == 1


def test_nobody_leads_so_no_token_is_current(arena: Arena) -> None:
    leader = arena.start()
    token = arena.stamps.wait_for_stints(1)[0].token
    leader.signal(signal.SIGTERM)
    leader.wait()

    answer = arena.check(token)

    assert answer.returncode == 1


def test_a_job_checks_its_own_token_without_any_option(arena: Arena) -> None:
    script = f'{sys.executable} -m coordsidecar check "$COORDSIDECAR_TOKEN" && exit 42'

    sidecar = arena.start(command=["sh", "-c", script])

    assert sidecar.wait() == 42


def test_a_cut_off_check_says_that_it_does_not_know(network_arena: Arena) -> None:
    network_arena.start()
    token = network_arena.stamps.wait_for_stints(1)[0].token
    wire = network_arena.proxy()
    wire.cut()

    answer = network_arena.check(token, by=wire)

    assert answer.returncode == 125
    assert answer.stderr.count("\n") == 1
    wait_for(lambda: network_arena.check(token).returncode == 0, "a check past the cut")
