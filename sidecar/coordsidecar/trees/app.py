"""The app that `coordsidecar attach` leads: processes that it did not start, held or let go on.

All of it is held: its main processes, what descends from them, and, where it is in a container
that is not ours, whoever else is in that. Held is who is stopped with all of its threads, or dead.
Each is held by its folder in /proc while its start time is looked at once more, and is signalled
through that folder alone.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from coordsidecar.hints import Literal
from coordsidecar.trees.app_finder import AppFinder, container_of, identity_of
from coordsidecar.trees.holding import hold, waits
from coordsidecar.trees.known import Identity, Known
from coordsidecar.trees.process import GONE, NotSeenError, Process, children, is_dead, pids

__all__ = ["App"]

_CANNOT_HOLD = (
    "process {pid} of the app is another user's, and cannot be signalled; run the sidecar as that "
    "user, or give it the capability KILL"
)
_ASK_TO_END = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


class App:
    """To be made before any fork: all of our processes know whom one of them has found."""

    def __init__(
        self, *, pid_file: str | None, match_cmdline: str | None, how: Literal["freeze", "end"]
    ) -> None:
        """``how`` it is held: stopped by SIGSTOP, or ended by SIGKILL whenever it appears."""
        self._finder = AppFinder(pid_file=pid_file, match_cmdline=match_cmdline)
        self._known = Known()
        self._let_go: set[Identity] = set()
        self.how = how
        self.remark = ""
        """Why one of it is not held, or not found, and what to do about that; "": nothing."""

    def __str__(self) -> str:
        return str(self._finder)

    def mains(self) -> list[Identity]:
        """The living processes that the user named; once named, they are until they are dead.

        Who may not be signalled is none: he could not be held. Raises `NotSeenError`.
        """
        return self._mains(self._living())

    def _mains(self, known: dict[Identity, bool]) -> list[Identity]:
        new: list[Identity] = []
        named = [who for who in self._finder.named() if not known.get(who)]
        self.remark = self._finder.remark
        for who in named:
            try:
                self.signal([who], 0)
            except PermissionError:
                self.remark = _CANNOT_HOLD.format(pid=who.pid)
            else:
                new.append(who)
        self._known.note(new, is_main=True)
        return [who for who, is_main in known.items() if is_main] + new

    def hold_pass(self, *, sure: bool = True) -> bool:
        """Hold whoever is not held yet; True if on this pass everybody was; unless it need not be
        ``sure``, also on a second look at who there is.

        Raises `NotSeenError`.
        """
        everybody = self._everybody()
        forked: dict[int, list[bytes]] = {}
        held = [self._hold(who, forked) for who in everybody]
        # Who ended while we looked may have left a child that we have not seen.
        return all(held) and (not sure or self._everybody() == everybody)

    def signal(self, mains: list[Identity], *signals: int) -> None:
        """Send ``signals`` to these, if they are still the same. Raises `PermissionError`."""
        for who in mains:
            with suppress(*GONE), Process(who.pid) as process:
                if _started(process) == who.started:
                    for signum in signals:
                        process.send(signum)

    def thaw(self) -> None:
        """SIGCONT to everybody, but once: from then on, whoever stops one has his reasons.

        Raises `NotSeenError`.
        """
        everybody = self._everybody()
        for who in everybody:
            if who not in self._let_go:
                with suppress(PermissionError):
                    self.signal([who], signal.SIGCONT)
        self._let_go = {*everybody}

    def end_what_is_left(self) -> None:
        """SIGKILL to all who are known, once the main processes have ended."""
        for who in self._living():
            with suppress(PermissionError, NotSeenError):
                self.signal([who], signal.SIGKILL)

    def _hold(self, who: Identity, forked: dict[int, list[bytes]]) -> bool:
        """Whether it was held already. ``forked``: as of `hold`."""
        try:
            with Process(who.pid) as process:
                if _started(process) != who.started:
                    return False
                if is_dead(who.pid):
                    return True
                if self.how == "freeze" and not hold(process, forked):
                    return False
                if self.how == "freeze" and not waits(process, *_ASK_TO_END):
                    return True
                process.send(signal.SIGKILL)
        except GONE:
            pass
        except PermissionError:
            self.remark = _CANNOT_HOLD.format(pid=who.pid)
        return False

    def _everybody(self) -> list[Identity]:
        known = self._living()
        found = {who.pid: who for who in (*self._mains(known), *known)}
        queue = [*found.values()]
        ours = container_of(os.getpid())
        containers = {container_of(who.pid) for who in queue} - {None, ours}
        while queue:
            for child in _children_of(queue.pop()):
                if child.pid not in found:
                    found[child.pid] = child
                    queue.append(child)
        for pid in pids() if containers else ():
            if pid not in found and container_of(pid) in containers and (who := _identity(pid)):
                found[pid] = who
        everybody = [who for who in found.values() if not self._finder.is_ours(who.pid)]
        self._known.note([who for who in everybody if who not in known], is_main=False)
        return sorted(everybody, key=lambda who: who.pid)

    def _living(self) -> dict[Identity, bool]:
        """Those of the known who live, and whether they are main processes."""
        known = self._known.everybody()
        living = {who: is_main for who, is_main in known.items() if _identity(who.pid) == who}
        self._known.forget(known.keys() - living.keys())
        return living


def _identity(pid: int, parent: int | None = None) -> Identity | None:
    """None if it has ended, or is not a child of ``parent``."""
    with suppress(*GONE, PermissionError), Process(pid) as process:
        if parent is None or int(process.stat()[1]) == parent:
            return identity_of(process)
    return None


def _started(process: Process) -> int:
    return int(process.stat()[19])


def _children_of(parent: Identity) -> list[Identity]:
    """Its children, if it still is who it was when they had been listed."""
    found: list[Identity] = []
    with suppress(*GONE, PermissionError), Process(parent.pid) as process:
        listed = [child for pid in children(parent.pid) if (child := _identity(pid, parent.pid))]
        found = listed if _started(process) == parent.started else []
    return found
