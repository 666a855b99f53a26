"""At whichever instant guard and elector are stopped or killed: never two, and somebody leads.

A part of ``python -m tests.errors.instants``: where one process hands something to another.
"""

from __future__ import annotations

import pytest

from tests.errors.instants import Instant, play_instant
from tests.servers import EtcdServer

_CALLS = [
    *(("guard", "clone", nth) for nth in (1, 2, 3)),  # Elector, job to be, fuse.
    *(("guard", "sendmsg", nth) for nth in (1, 2, 3, 4)),
    ("guard", "pidfd_send_signal", 1),
    ("guard", "wait4", 1),
    *(("elector", "sendto", nth) for nth in (1, 2, 4, 5, 6)),  # To the store, and to the guard.
    ("elector", "recvmsg", 3),
]
_INSTANTS = [
    Instant(who, what, parts, nth, call)
    for who, call, nth in _CALLS
    for what, parts in (("stop", "both"), ("kill", "both"), ("stop", who))
]


@pytest.mark.parametrize("instant", _INSTANTS, ids=str)
def test_never_two_and_somebody_leads(etcd: EtcdServer, instant: Instant) -> None:
    played = play_instant(instant, store=f"etcd://{etcd.endpoint}")

    assert not played.faults, (played.faults, played.text)
    assert played.call, "it never came to that"
