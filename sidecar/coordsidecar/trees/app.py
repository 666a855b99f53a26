"""The app that `coordsidecar attach` leads: processes that it did not start, and never mistakes.

A number from a file or a list may have passed to a stranger by the time it is signalled. So each
process is held by its folder in /proc while its start time and what it was found by are looked at
once more, and is signalled through that folder alone.

All of the app is held: its main processes, what descends from them, and, where it is in a
container of its own (neither its control group nor its mounts are ours), whoever else is in that.
Who was seen to be one of them once stays one, though his parents end.
"""

from __future__ import annotations

import os
import re
import signal
import time
from contextlib import suppress

from coordsidecar.hints import Literal
from coordsidecar.linux import boottime_s
from coordsidecar.trees.process import DEAD_STATES, NotSeenError, Process, children, pids
from coordsidecar.value import Value

__all__ = ["CANNOT_HOLD", "App", "Identity", "app_of"]

CANNOT_HOLD = (
    "process {pid} of the app is another user's, and cannot be signalled; run the sidecar as that "
    "user, or give it the capability KILL"
)

_SHIELDED = (
    "process 1 is it, but the kernel shields that from signals of its own container, so that it "
    "cannot be held; give the app an init (docker run --init), or share the process namespace "
    "of the pod"
)
_LONGEST_NUMBER = 10
_GONE = (FileNotFoundError, ProcessLookupError)
_STOPPED = (b"T", b"t")
_ASK_TO_END = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
# Of the clock by which a file is dated, and of the ticks by which a start is.
_CLOCKS_DIFFER_S = 1.0
_LOOK_AGAIN_S = 1.0


class Identity(Value):
    """A process that can be mistaken for no other: its number, and when it started, in ticks."""

    pid: int
    started: int


class App:
    """How to find it, and how to keep it from acting."""

    def __init__(
        self, *, pid_file: str | None, match_cmdline: str | None, how: Literal["freeze", "end"]
    ) -> None:
        """``how`` it is held: stopped by SIGSTOP, or ended by SIGKILL whenever it appears."""
        self._pid_file = pid_file
        self._match_cmdline = match_cmdline
        self._pattern = re.compile(match_cmdline) if match_cmdline is not None else None
        self.how = how
        self.why_forbidden = ""
        """The remedy, if there was one whom the last pass was not allowed to signal."""
        self.remark = ""
        """Why one that was named is passed over."""
        self._seen: set[Identity] = set()
        self._known: list[int] = []
        self._held_at_s = -_LOOK_AGAIN_S

    def __str__(self) -> str:
        if self._pid_file is not None:
            return f"the process of {self._pid_file}"
        return f"a process whose command line matches {self._match_cmdline!r}"

    def mains(self) -> list[Identity]:
        """The processes that the user named, and that are alive. Raises `NotSeenError`."""
        if self._pid_file is None:
            found = [self._if_it_matches(pid) for pid in pids()]
        else:
            pid = _pid_in(self._pid_file)
            found = [self._if_older_than_file(pid)] if pid else []
        named = [identity for identity in found if identity is not None]
        self.remark = _SHIELDED if any(identity.pid == 1 for identity in named) else ""
        return [identity for identity in named if identity.pid != 1]

    def hold_pass(self) -> bool:
        """Hold whoever is not held yet; True if on this pass everybody was.

        Raises `NotSeenError`.
        """
        self.why_forbidden = ""
        everybody = self._everybody()
        held = [self._hold(identity) for identity in everybody]
        # Who ended while we looked may have left a child that we have not seen.
        return all(held) and self._everybody() == everybody

    def keep_held(self) -> None:
        """The same, for who calls this on and on: at little cost while no process comes or goes."""
        now_s, known = boottime_s(), pids()
        if known == self._known and now_s < self._held_at_s + _LOOK_AGAIN_S:
            return
        self._known = known if self.hold_pass() else []
        self._held_at_s = now_s

    def signal(self, mains: list[Identity], *signals: int) -> None:
        """Send ``signals`` to these, if they are still the same."""
        for identity in mains:
            with suppress(*_GONE), Process(identity.pid) as process:
                if _started(process) == identity.started:
                    for signum in signals:
                        process.send(signum)

    def thaw(self) -> None:
        """SIGCONT to everybody who was not seen before: from then on, whoever stops one has his
        reasons. Raises `NotSeenError`."""
        before = self._seen
        for identity in self._everybody():
            if identity not in before:
                with suppress(PermissionError):  # `hold_pass` has said so.
                    self.signal([identity], signal.SIGCONT)

    def end_what_is_left(self) -> None:
        """SIGKILL to all who were seen, once the main processes have ended."""
        for identity in self._seen:
            with suppress(PermissionError, NotSeenError):
                self.signal([identity], signal.SIGKILL)
        self._seen.clear()

    def _hold(self, identity: Identity) -> bool:
        """Whether it was held already."""
        try:
            with Process(identity.pid) as process:
                fields = process.stat()
                if int(fields[19]) != identity.started:
                    return False
                if fields[0].decode() in DEAD_STATES:
                    if process.living_thread() is None:
                        return True
                    process.send(signal.SIGKILL)
                elif self.how == "end" or (fields[0] in _STOPPED and _is_asked_to_end(process)):
                    process.send(signal.SIGKILL)
                elif fields[0] in _STOPPED:
                    return True
                else:
                    process.send(signal.SIGSTOP)
        except _GONE:
            pass
        except PermissionError:
            self.why_forbidden = CANNOT_HOLD.format(pid=identity.pid)
        return False

    def _everybody(self) -> list[Identity]:
        queue = self.mains()
        found = {identity.pid: identity for identity in queue}
        containers = _others_containers(queue)
        while queue:
            for child in _children_of(queue.pop()):
                if child.pid not in found:
                    found[child.pid] = child
                    queue.append(child)
        for pid in pids() if containers else ():
            if pid not in found and _container(pid) in containers and (who := _identity(pid)):
                found[pid] = who
        # Those whom we have seen before, and whose parents have ended since.
        found |= {who.pid: who for who in self._seen if _identity(who.pid) == who}
        self._seen = {*found.values()}
        return sorted(found.values(), key=lambda identity: identity.pid)

    def _if_it_matches(self, pid: int) -> Identity | None:
        assert self._pattern is not None
        with suppress(*_GONE, PermissionError), Process(pid) as process:
            words = process.command_line()
            # Ours has the pattern in it, too: in all of our forks, in process 1 above them, in the
            # shell that started us; and so may another sidecar's.
            if not words or words == _our_command_line() or b"--match-cmdline" in words:
                return None
            text = " ".join(word.decode(errors="replace") for word in words.split(b"\0"))
            if self._pattern.search(text.strip()):
                return _identity_of(process)
        return None

    def _if_older_than_file(self, pid: int) -> Identity | None:
        """It wrote the file, or somebody for it: a stranger who got its number began later."""
        assert self._pid_file is not None
        with suppress(*_GONE, PermissionError), Process(pid) as process:
            if process.command_line() == _our_command_line():
                return None
            identity = _identity_of(process)
            began_s = time.time() - boottime_s() + _seconds(identity.started) if identity else 0.0
            if began_s <= os.stat(self._pid_file).st_mtime + _CLOCKS_DIFFER_S:
                return identity
        return None


def app_of(whom: object | None) -> App | None:
    """``whom``: the settings of it, if there is one."""
    return None if whom is None else App(**vars(whom))


def _pid_in(path: str) -> int | None:
    """None: there is no such file yet, or no number in it. Raises `NotSeenError`."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # A fifo would hold us up.
        try:
            text = os.read(fd, _LONGEST_NUMBER + 1).strip()
        finally:
            os.close(fd)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, BlockingIOError):
        return None
    except OSError as error:
        raise NotSeenError(path, error) from error
    is_number = text.isdigit() and len(text) <= _LONGEST_NUMBER and int(text) > 0
    return int(text) if is_number else None


def _identity(pid: int, parent: int | None = None) -> Identity | None:
    """None if it has ended, or is not a child of ``parent``."""
    with suppress(*_GONE, PermissionError), Process(pid) as process:
        if parent is None or int(process.stat()[1]) == parent:
            return _identity_of(process)
    return None


def _identity_of(process: Process) -> Identity | None:
    """None of a zombie."""
    fields = process.stat()
    if fields[0].decode() in DEAD_STATES and process.living_thread() is None:
        return None
    return Identity(process.pid, int(fields[19]))


def _started(process: Process) -> int:
    return int(process.stat()[19])


def _seconds(ticks: int) -> float:
    return ticks / os.sysconf("SC_CLK_TCK")


def _is_asked_to_end(process: Process) -> bool:
    """Whether a signal waits that it cannot act on while it is stopped: a kubelet's, say."""
    pending = 0
    for line in process.status():
        if line.startswith((b"SigPnd:", b"ShdPnd:")):
            pending |= int(line.split()[1], 16)
    return any(pending & 1 << (signum - 1) for signum in _ASK_TO_END)


def _children_of(parent: Identity) -> list[Identity]:
    """Its children, if it still is who it was when they had been listed."""
    found: list[Identity] = []
    with suppress(*_GONE, PermissionError), Process(parent.pid) as process:
        listed = [child for pid in children(parent.pid) if (child := _identity(pid, parent.pid))]
        found = listed if _started(process) == parent.started else []
    return found


def _container(pid: int) -> tuple[bytes, str] | None:
    """Two processes of which it is the same are in the same container, or both in none. None if it
    has ended, or if that is hidden from us, as it is of another user's."""
    with suppress(*_GONE, PermissionError), Process(pid) as process:
        return process.container()
    return None


def _others_containers(mains: list[Identity]) -> set[tuple[bytes, str]]:
    ours = _container(os.getpid())
    assert ours is not None
    theirs = {container for main in mains if (container := _container(main.pid)) is not None}
    return {(group, mounts) for group, mounts in theirs if group != ours[0] and mounts != ours[1]}


def _our_command_line() -> bytes:
    with Process(os.getpid()) as process:
        return process.command_line()
