"""As process 1 of a container that cannot see who is left when its guard has died."""

from __future__ import annotations

import signal
import sys

import pytest

from tests.e2e.arena import Arena
from tests.guard.test_pid_one import UNSHARE, elector_of, guard_of, namespaces

_ = namespaces  # Skips where nobody may make one.

_SEES_NOTHING = """
import errno
from coordsidecar.children import process_one
from coordsidecar.cli import main
from coordsidecar.trees.process import NotSeenError

children, looks = process_one.children, 0

def of_whom(pid):
    global looks
    looks += 1
    if looks <= {at_first}:
        raise NotSeenError("/proc/1", OSError(errno.ENFILE, "Too many open files in system"))
    return children(pid)

process_one.children = of_whom
process_one._PATIENCE_S = {patience_s}
process_one._LOOK_EVERY_S = 0.1
main.main()
"""


@pytest.mark.parametrize(("at_first", "released"), [(1, True), (1e9, False)])
def test_who_is_not_seen_is_waited_for_as_long_as_an_elector_is_and_no_longer(
    at_first: float, released: bool, arena: Arena
) -> None:
    program = _SEES_NOTHING.format(at_first=at_first, patience_s=1.0)
    leader = arena.start(through=UNSHARE, program=(sys.executable, "-c", program))
    arena.stamps.wait_for_stints(1)
    guard = guard_of(leader)

    elector_of(guard).suspend()  # Until it is woken, being waited for in vain.
    guard.kill()

    assert leader.wait() == 128 + signal.SIGKILL
    assert not released or "released: the job is confirmed dead" in leader.log()
