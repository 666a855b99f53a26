"""The sweep kills what an earlier run left on this host, for as long as the claim needs it.

Its thread runs in pytest's own process: no mark here may be one that pytest, or a sidecar, carries.
"""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from coordsidecar.core.election.moves import Event, Sweep, Swept
from coordsidecar.core.election.phases import Claiming, Elector, Leading
from coordsidecar.elector.mailbox import Mailbox
from coordsidecar.elector.sweeping import Sweeping
from coordsidecar.log import Log
from coordsidecar.store.protocol import Held
from coordsidecar.trees.mark import RUN_VARIABLE
from tests.core.election.electors import elector
from tests.e2e.sidecars import wait_for

_HELD = Held(7, clean=False, last_run="", cursor=1)
_SWEEPS = elector(Claiming(_HELD, 0.0, sweeping=True))
_IS_OVER = elector(Leading(_HELD))


@contextmanager
def left_by(run: str) -> Iterator[subprocess.Popen[bytes]]:
    left = subprocess.Popen(["sleep", "600"], env=dict(os.environ) | {RUN_VARIABLE: run})
    try:
        yield left
    finally:
        left.kill()
        left.wait()


def sweeping(look: Callable[[], Elector]) -> tuple[Sweeping, Mailbox[Event]]:
    inbox = Mailbox[Event]()
    return Sweeping(Log(fmt="text", election="tests/sweep", node_id="a"), inbox, look), inbox


def test_what_an_earlier_run_left_is_killed_and_then_it_is_swept() -> None:
    run = secrets.token_hex(8)
    with left_by(run) as left:
        sweeps, inbox = sweeping(lambda: _SWEEPS)

        sweeps.take(Sweep(run, 7))

        assert inbox.wait() == Swept(7)
        wait_for(lambda: left.poll() is not None, "it to end")


def test_a_look_that_hung_kills_nobody_once_the_claim_is_over() -> None:
    """The run may lead again by then, with a job that is nobody's remains."""
    run, looks = secrets.token_hex(8), 0

    def look() -> Elector:
        nonlocal looks
        looks += 1
        return _SWEEPS if looks <= 2 else _IS_OVER  # It is over before its kill.

    with left_by(run) as left:
        sweeps, inbox = sweeping(look)

        sweeps.take(Sweep(run, 7))

        wait_for(lambda: looks == 5, "the sweep to be given up")
        assert left.poll() is None
        assert inbox.take() == []
