"""The job's process tree: everything that descends from the guard, but for the elector.

The guard is a child subreaper, so that what daemonises, double-forks or calls setsid stays below
it: whoever loses his parent becomes the guard's own child. So a guard without children has no tree.

Some jobs fork on and on, each parent ending at once, and nobody lives for longer than a fork takes.
What catches them: whole process groups and sessions die by one signal, from under which nobody can
fork away; whoever is alone is killed as soon as he is read, the newest first; and we read on while
new ones come. They are not stopped first: who is dead takes no processor time from us either.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Collection

from coordsidecar.linux import uninterrupted
from coordsidecar.trees.holding import hold
from coordsidecar.trees.process import DEAD_STATES, NotSeenError, Process, children, is_dead

__all__ = ["below", "descendants", "freeze_pass", "kill_pass", "signal_all"]

_LISTS_A_PASS = 100
# Below who dies, the next pass goes on: it is only about layers of those who cannot.
_DEEPEST = 16
_NOT_THERE = (FileNotFoundError, ProcessLookupError, PermissionError)


def below(root: int, *, leave_out: Collection[int | None]) -> list[int]:
    """The children of ``root``, zombies too; the newest last. If ``root`` is a subreaper and there
    are none, nobody descends from it: the proof of rule S4.

    Raises `NotSeenError`, also if there is no ``root``: then this proves nothing.
    """
    try:
        return [pid for pid in children(root) if pid not in leave_out]
    except _NOT_THERE as error:
        raise NotSeenError(f"/proc/{root}", error) from error


def descendants(root: int, *, leave_out: Collection[int | None]) -> list[int]:
    """The pids of all processes below ``root``, but for ``leave_out`` and what is below those.

    Raises `NotSeenError` as `below` does; what is below somebody who ends, or whose children are
    hidden, is just not among them.
    """
    found = queue = below(root, leave_out=leave_out)
    while queue:
        deeper: list[int] = []
        for pid in queue:
            with contextlib.suppress(*_NOT_THERE):
                deeper += [child for child in children(pid) if child not in leave_out]
        found, queue = found + deeper, deeper
    return found


def signal_all(pids: list[int], *signals: int) -> None:
    """Send each of ``signals`` to each process that is still there."""
    for signum in signals:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                # It ended by itself; or a setuid program: it stays in the tree, and is reported.
                uninterrupted(os.kill, pid, signum)


def kill_pass(
    root: int, *, leave_out: Collection[int | None], groups: Collection[int | None]
) -> list[int]:
    """SIGKILL all below ``root``; return its children who are left, dead or not. None: the proof.

    ``groups`` are process groups of the tree. Numbers cannot have passed to strangers while
    ``root`` does not reap, be it that it is we or that it is frozen. Raises `NotSeenError`.
    """
    killed, dead_groups = set[int](), set[int]()
    for _ in range(_LISTS_A_PASS):
        listed = below(root, leave_out=leave_out)
        new = [pid for pid in listed if pid not in killed]
        for pid in reversed(new):
            _kill(pid, groups, dead_groups)
        if not new:
            break
        killed.update(new)
    else:
        return listed
    for pid in listed:  # Below who ends nobody stays; so this is about who cannot, or not at once.
        if not is_dead(pid):
            _kill_below(pid, root)
    return listed


def _kill(pid: int, groups: Collection[int | None], dead_groups: set[int]) -> None:
    """SIGKILL a process, and its group if that is the tree's."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        uninterrupted(os.kill, pid, signal.SIGKILL)
        group = os.getpgid(pid)
        # 0 is a group outside of our PID namespace; to killpg it means our own, and 1 everybody.
        # Nobody comes into a session but by being born there, so another than ours is all the
        # tree's. In ours are strangers, too: the shell that started us, and what else it runs.
        if (
            group <= 1
            or group in dead_groups
            or not (group == pid or group in groups or os.getsid(pid) != os.getsid(0))
        ):
            return
        dead_groups.add(group)
        uninterrupted(os.killpg, group, signal.SIGKILL)


def _kill_below(pid: int, its_parent: int, depth: int = 1) -> None:
    """SIGKILL who is below a process that does not die, held so that no number can deceive."""
    with contextlib.suppress(*_NOT_THERE), Process(pid) as parent:
        if int(parent.stat()[1]) != its_parent:
            return
        for child in children(pid):
            with contextlib.suppress(*_NOT_THERE), Process(child) as process:
                if int(process.stat()[1]) != pid or parent.stat()[0].decode() in DEAD_STATES:
                    continue  # Its parent ended; then it is to be found elsewhere.
                process.kill()
            if depth < _DEEPEST:
                _kill_below(child, pid, depth + 1)


def freeze_pass(root: int, *, leave_out: Collection[int | None]) -> bool:
    """Hold whoever is not held; True if, on this pass, everybody was.

    Raises `NotSeenError`.
    """
    seen, forked = descendants(root, leave_out=leave_out), dict[int, list[bytes]]()
    held = [_hold(pid, forked) for pid in seen]
    # Who ended while we looked may have left a child that we have not seen: look again.
    return all(held) and descendants(root, leave_out=leave_out) == seen


def _hold(pid: int, forked: dict[int, list[bytes]]) -> bool:
    # One that is gone is not in the next list; and a setuid program cannot be held.
    with contextlib.suppress(*_NOT_THERE), Process(pid) as process:
        return hold(process, forked)
    return False
