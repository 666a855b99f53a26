"""The elector's threads go on working, whatever signal finds one of them waiting."""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import ctypes, os, select, signal
from coordsidecar.core.election.moves import Open
from coordsidecar.core.timing import Timing
from coordsidecar.store.protocol import UnreachableError
from coordsidecar.elector.mailbox import Mailbox
from coordsidecar.elector.workers import Workers

class Mute:
    def open(self, **_):
        raise UnreachableError("says nothing")

signal.signal(signal.SIGCONT, lambda signum, frame: None)
inbox = Mailbox()
workers = Workers(Mute(), inbox, timing=Timing.for_ttl(5.0), run="r", record="{}")
poll = select.poll()
poll.register(inbox.fd, select.POLLIN)
for _ in range(20):
    for thread in map(int, os.listdir("/proc/self/task")):
        ctypes.CDLL(None).tgkill(os.getpid(), thread, signal.SIGCONT)
    workers.take(Open())
    print(len(poll.poll(5000)), len(inbox.take()))
"""


def test_a_signal_that_finds_a_thread_waiting_does_not_end_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True, timeout=150
    )

    assert (done.stdout, done.stderr) == ("1 1\n" * 20, "")
