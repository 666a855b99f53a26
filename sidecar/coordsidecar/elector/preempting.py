"""``--preempt``: take the lead over from an instance of lower priority; in a thread of its own.

It is an operator's transfer to ourselves, ordered by way of the store once the leader has led for
that long before our eyes: so its job is stopped in order, nobody else comes in between, and if we
do not take over in time, anybody may. No rule of the core knows of it. Who was preempted does not
preempt back, being of lower priority; and no two preemptions come within that time of each other,
as each waits for it anew.

Nothing waits for this thread, and it sleeps until the lead has moved or the time has come.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from coordsidecar.core.election.phases import Elector, Waiting
from coordsidecar.elector.beside import without_an_end
from coordsidecar.linux import boottime_s
from coordsidecar.log import Log
from coordsidecar.settings.settings import Settings
from coordsidecar.store.curbs import Curbs, Transfer
from coordsidecar.store.history import id_of
from coordsidecar.store.protocol import Behind, RefusedError, StoreError
from coordsidecar.value import replace

__all__ = ["Preempting", "priority_of"]

_WITHIN_S = 10.0
_MOST_PRIORITY = 2**31

Change = Callable[[Curbs], Curbs]


class Preempting:
    """Orders a transfer to us where that is due."""

    def __init__(
        self,
        settings: Settings,
        log: Log,
        look: Callable[[], Elector],
        curb: Callable[[Change], object],
    ) -> None:
        """``look``: at the elector's state; ``curb``: as `Directory.curb`. Both are called from
        another thread."""
        assert settings.preempt_s is not None
        self._us, self._priority, self._after_s = settings.id, settings.priority, settings.preempt_s
        self._log, self._look, self._curb = log, look, curb
        self._known, self._since_s = 0, 0.0
        import threading  # Late: few ask for this.

        self._may_be_due = threading.Event()
        self._thread = threading.Thread(
            target=lambda: without_an_end(self._run), name="preempting", daemon=True
        )

    def start(self) -> None:
        """Raises `RuntimeError` if there is no thread to be had."""
        self._thread.start()

    def stepped(self, was: Elector, state: Elector) -> None:
        """Called by the loop after each step of the core."""
        if was.phase != state.phase:
            self._may_be_due.set()

    def _run(self) -> None:
        while True:
            self._may_be_due.clear()
            self._may_be_due.wait(self._turn(boottime_s()))

    def _turn(self, now_s: float) -> float | None:
        """Order it, if that is due; return for how long there is nothing to do (None: until the
        lead may have moved)."""
        state = self._look()
        leader = _leader(state)
        if leader is None:
            return None  # And as soon as there is one again, the phase is another.
        if leader.leader_token != self._known:
            self._known, self._since_s = leader.leader_token, now_s
        theirs = priority_of(leader.leader)
        if theirs >= self._priority:
            return None
        left_s = self._since_s + self._after_s - now_s
        if left_s > 0:
            return left_s
        if not state.curbs.pause and state.curbs.cordon_of(self._us) is None:
            self._order(leader, f"{self._us} (priority {self._priority} over {theirs})")
        self._since_s = now_s  # If nothing comes of it, or it may not be now.
        return self._after_s

    def _order(self, leader: Behind, by: str) -> None:
        transfer = Transfer(leader.leader_token, self._us, _WITHIN_S, by)

        def ordered(curbs: Curbs) -> Curbs:
            if curbs.pause or curbs.cordon_of(self._us):
                raise RefusedError("an operator was quicker, and would not have it")
            if curbs.transfer is not None and curbs.transfer.token == transfer.token:
                return curbs
            return replace(curbs, transfer=transfer)

        whom = f"{id_of(leader.leader)}, which has a lower priority"
        try:
            self._curb(ordered)
        except StoreError as error:
            self._log.event("preempting", f"cannot take the lead over from {whom}: {error}")
        except Exception as error:  # noqa: BLE001  # An adapter's bug must not end the elector.
            self._log.event("preempting", f"cannot take the lead over from {whom}: {error!r}")
        else:
            self._log.event("preempting", f"ordered a transfer of the lead to us, from {whom}")


def _leader(state: Elector) -> Behind | None:
    """Who is in office before us; one that takes orders."""
    match state.phase:
        case Waiting(Behind(in_office=True) as leader) if leader.leader_token:
            return leader
        case _:
            return None


def priority_of(record: str) -> int:
    """What a candidate says of itself, which may be another program's; 0: nothing."""
    try:
        fields = json.loads(record)
    except (ValueError, RecursionError):
        return 0
    priority = fields.get("priority", 0) if isinstance(fields, dict) else 0
    # A bool is an int to Python, but no number.
    if type(priority) is not int or not 0 <= priority < _MOST_PRIORITY:
        return 0
    assert isinstance(priority, int)
    return priority
