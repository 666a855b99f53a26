"""What /proc says of one process, and the difference between *gone* and *not to be seen now*.

A process may end while we read about it: that is an answer. That we have no descriptor left, or the
kernel no memory, is none, and must never be taken for "nobody is there": only a proof releases a
lead (rule S4). So what is none raises `NotSeenError`, and whoever looked looks again, ever slower.
"""

from __future__ import annotations

import errno
import os
import signal
from contextlib import suppress
from types import TracebackType

from coordsidecar.linux import uninterrupted

__all__ = [
    "DEAD_STATES",
    "GONE",
    "STOPPED_STATES",
    "NotSeenError",
    "Process",
    "children",
    "children_of_thread",
    "entries",
    "group_of",
    "is_dead",
    "is_stopped",
    "living_thread",
    "pids",
    "stat_fields",
    "state_of",
    "threads_of",
]

DEAD_STATES = ("Z", "X")
STOPPED_STATES = ("T", "t")
_HIDDEN = "?"
GONE = (FileNotFoundError, ProcessLookupError)
_ANSWERS = (*GONE, PermissionError)
# As often the threads of a process are listed of whom one ends before it is looked at.
_THREADS_ENDING = 100
_WHOLE_GROUP = 1 << 2  # PIDFD_SIGNAL_PROCESS_GROUP, since Linux 6.9.


class NotSeenError(Exception):
    """/proc could not be read just now. Who is there is not known; look again.

    ``refused``: what the kernel answered, for who gives up.
    """

    def __init__(self, what: str, refused: OSError) -> None:
        super().__init__(f"{what}: {refused.strerror}")
        self.refused = OSError(refused.errno, refused.strerror, f"a look at {what}")


class Process:
    """One process, held by its folder in /proc: its number may pass to another, this does not."""

    def __init__(self, pid: int) -> None:
        """Raises `FileNotFoundError` if there is none, `NotSeenError`."""
        self.pid = pid
        try:
            self._folder = os.open(f"/proc/{pid}", os.O_RDONLY | os.O_DIRECTORY)
        except _ANSWERS:
            raise
        except OSError as error:
            raise NotSeenError(f"/proc/{pid}", error) from error

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._folder)

    def environ(self, thread: str = ".") -> bytes:
        """Its environment; empty of a zombie, and of who wiped it. ``thread``: a folder below."""
        try:
            return _read(f"{thread}/environ", self._folder)
        except ProcessLookupError:
            return b""

    def stat(self, thread: str = ".") -> list[bytes]:
        """As `stat_fields`. ``thread``: a folder below."""
        return stat_fields(thread, self._folder)

    def command_line(self, thread: str = ".") -> bytes:
        """Its words, each ended by a zero; empty of a zombie. ``thread``: a folder below."""
        return _read(f"{thread}/cmdline", self._folder)

    def control_group(self) -> bytes:
        return _read("cgroup", self._folder)

    def status(self) -> list[bytes]:
        """The lines of ``status``."""
        return _read("status", self._folder).splitlines()

    def living_thread(self) -> str | None:
        """As the function, below our folder."""
        return living_thread(f"/proc/{self.pid}", self._folder)

    def send(self, signum: int) -> None:
        """Raises `ProcessLookupError` if it has ended, `PermissionError` if it is another's."""
        uninterrupted(signal.pidfd_send_signal, self._folder, signum)

    def kill(self) -> None:
        """SIGKILL it, and, if it leads a process group, all of that at once."""
        for flags in (0, _WHOLE_GROUP):
            try:
                uninterrupted(signal.pidfd_send_signal, self._folder, signal.SIGKILL, None, flags)
            except _ANSWERS:
                pass  # It ended, or leads no group; or it is a setuid program, and is reported.
            except OSError:
                pass  # An older kernel: its children will be found one by one.


def pids() -> list[int]:
    """All processes, in the order of their numbers. Raises `NotSeenError`."""
    try:
        return [int(entry) for entry in entries("/proc") if entry.isdigit()]
    except _ANSWERS as error:
        raise NotSeenError("/proc", error) from error


def children(pid: int) -> list[int]:
    """Those whom it started, or who came to it as orphans; the newest last.

    If nobody reaps meanwhile, none is left out. Raises as `entries`.
    """
    found: list[int] = []
    for thread in entries(f"/proc/{pid}/task"):
        try:
            found += children_of_thread(pid, thread)
        except GONE:
            continue  # The thread ended while we looked.
    return found


def state_of(pid: int) -> str:
    """The state letter from /proc (R, S, D, T, Z, …); ``X`` if there is no such process.

    Of a process whose first thread has ended, that of a thread which has not. ``?`` if it is
    hidden from us: it is there. Raises `NotSeenError`.
    """
    return _stat(pid)[0]


def is_dead(pid: int) -> bool:
    """Whether nothing of it runs any more. Raises `NotSeenError`."""
    return state_of(pid) in DEAD_STATES


def is_stopped(pid: int) -> bool:
    """Whether it is seen to be stopped; who is not to be seen now is not."""
    try:
        return state_of(pid) in STOPPED_STATES
    except NotSeenError:
        return False


def group_of(pid: int) -> int | None:
    """The process group of a living process. Raises `NotSeenError`."""
    state, fields = _stat(pid)
    return int(fields[2]) if fields and state not in DEAD_STATES else None


def living_thread(folder: str, dir_fd: int | None = None) -> str | None:
    """The folder of a thread that lives on in a process whose first thread has ended.

    Raises `NotSeenError`.
    """
    path, _ = _living_thread(folder, dir_fd)
    return path


def _living_thread(folder: str, dir_fd: int | None) -> tuple[str | None, list[bytes]]:
    """That folder, and all of `stat_fields`."""
    for _ in range(_THREADS_ENDING):
        try:
            threads = entries(f"{folder}/task")
        except _ANSWERS:
            return None, []
        none_ended = True
        for thread in threads:
            path = f"task/{thread}" if dir_fd is not None else f"{folder}/task/{thread}"
            try:
                fields = stat_fields(path, dir_fd)
            except _ANSWERS:
                none_ended = False  # It may have started another, which was not listed yet.
                continue
            if fields[0].decode() not in DEAD_STATES:
                return path, fields
        if none_ended:
            return None, []
    raise NotSeenError(f"{folder}/task", OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)))


def threads_of(pid: int) -> dict[str, str]:
    """The number and the state letter of each thread; none if it has ended. Raises
    `NotSeenError`."""
    found: dict[str, str] = {}
    with suppress(*_ANSWERS):
        for thread in entries(f"/proc/{pid}/task"):
            with suppress(*GONE):
                found[thread] = stat_fields(f"/proc/{pid}/task/{thread}")[0].decode()
    return found


def children_of_thread(pid: int, thread: str) -> list[int]:
    """Those whom one of its threads started; the newest last. Raises as `entries`."""
    return [*map(int, _read(f"/proc/{pid}/task/{thread}/children").split())]


def _stat(pid: int) -> tuple[str, list[bytes]]:
    """The state, and all of `stat_fields`."""
    try:
        fields = stat_fields(f"/proc/{pid}")
        if fields[0] == b"Z":
            fields = _living_thread(f"/proc/{pid}", None)[1] or fields
    except GONE:
        return "X", []
    except PermissionError:
        return _HIDDEN, []
    return fields[0].decode(), fields


def stat_fields(folder: str, dir_fd: int | None = None) -> list[bytes]:
    """The fields of ``stat`` in a process's folder in /proc, from the third on, the state.

    Raises `FileNotFoundError` or `ProcessLookupError` if it is gone, `PermissionError` if it is
    hidden, `NotSeenError`.
    """
    return _read(f"{folder}/stat", dir_fd).rpartition(b")")[2].split()


def entries(folder: str) -> list[str]:
    """Raises `FileNotFoundError` or `ProcessLookupError` if it is gone, `PermissionError` if it is
    hidden, `NotSeenError` if that is not known."""
    try:
        return os.listdir(folder)
    except _ANSWERS:
        raise
    except OSError as error:
        raise NotSeenError(folder, error) from error


def _read(path: str, dir_fd: int | None = None) -> bytes:
    """A whole file of /proc, in as few calls as can be; raises as `entries`."""
    parts: list[bytes] = []
    try:
        fd = os.open(path, os.O_RDONLY, dir_fd=dir_fd)
        try:
            while part := os.read(fd, 65536):
                parts.append(part)
        finally:
            os.close(fd)
    except _ANSWERS:
        raise
    except OSError as error:
        raise NotSeenError(path, error) from error
    return b"".join(parts)
