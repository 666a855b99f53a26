"""At whichever instant guard and elector are stopped or killed: never two, and somebody leads.

A part of ``python -m tests.errors.instants``: where one process hands something to another.
"""

from __future__ import annotations

import pytest

from tests.errors.instants import Instant, play_instant
from tests.servers import EtcdServer

_INSTANTS = [
    *(
        Instant("guard", what, "both", nth, call)
        for call, nth in (
            ("clone", 2),
            ("clone", 3),
            ("sendmsg", 1),
            ("sendmsg", 2),
        )  # Fuse, order.
        for what in ("stop", "kill")
    ),
    *(Instant("guard", "stop", "namesakes", nth, "sendmsg") for nth in (1, 2)),
    Instant("guard", "kill", "both", 1, "wait4"),
    *(Instant("elector", "stop", "both", nth, "sendto") for nth in (1, 3, 4)),
    *(Instant("elector", "stop", "elector", nth, "sendto") for nth in (2, 5)),
]


@pytest.mark.parametrize("instant", _INSTANTS, ids=str)
def test_never_two_and_somebody_leads(etcd: EtcdServer, instant: Instant) -> None:
    played = play_instant(instant, store=f"etcd://{etcd.endpoint}")

    assert not played.faults, (played.faults, played.text)
    assert played.call, "it never came to that"
