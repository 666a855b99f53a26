"""The sweep of what an earlier run left on this host, in a thread of its own: it may hang.

Who reads a process's environment waits until nobody changes its memory, and that may be for ever:
where whoever does waits for a disk or a server that is gone, `ps` hangs, too. The loop steps on
meanwhile, and once it has been elected in vain for long enough, it makes way
(`core.election.making_way`). A look that goes on after that kills nobody: its run may lead again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from coordsidecar.core.election.moves import Event, Sweep, Swept
from coordsidecar.core.election.phases import Claiming, Elector
from coordsidecar.elector.mailbox import Mailbox
from coordsidecar.elector.workers import start_thread
from coordsidecar.log import Log
from coordsidecar.trees.hunt import Hunt

__all__ = ["Sweeping"]


class Sweeping:
    """One at a time: nobody can end one that hangs, and the next would hang as well."""

    def __init__(self, log: Log, inbox: Mailbox[Event], look: Callable[[], Elector]) -> None:
        """``look``: at the elector's state; it is called from another thread.

        Started before there is anything to sweep, so that no elector can be elected and then get
        no thread. Raises `RuntimeError` and `MemoryError`.
        """
        self._log, self._inbox, self._look = log, inbox, look
        self._orders = Mailbox[Sweep]()
        start_thread(self._run)

    def take(self, order: Sweep) -> None:
        self._orders.put(order)

    def _run(self) -> None:
        while True:
            order = self._orders.wait()
            hunt = Hunt(order.run, wanted=partial(self._is_wanted, order))
            while self._is_wanted(order) and not hunt.over:
                if killed := hunt.kill_pass():
                    self._log.event("sweeping", "killed what an earlier run left", pids=killed[:20])
                if not hunt.over:
                    time.sleep(hunt.pause_s)
            if hunt.over:
                self._inbox.put(Swept(order.token))

    def _is_wanted(self, order: Sweep) -> bool:
        """No longer once the claim is over: that run may lead again."""
        match self._look().phase:
            case Claiming(held, sweeping=True):
                return held.token == order.token
            case _:
                return False
