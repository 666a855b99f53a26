"""Refuses system calls of a sidecar, one by one, as the kernel might: the k-th, or all from there.

A seccomp filter asks us about each (see `launcher`). That is quick, needs no right that a user has
not, and tells us who asks: the guard, the elector, the fuse, the job before its exec, and in a PID
namespace process 1 above them. The job itself is never refused anything.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import socket
import struct
import threading
from collections import Counter
from dataclasses import dataclass

import psutil

from tests.errors.launcher import LAUNCHER

__all__ = ["CALLS", "Refusal", "Supervisor"]

_X86_64 = {
    "read": 0, "write": 1, "poll": 7, "mmap": 9, "pread64": 17, "dup2": 33, "kill": 62,
    "clone": 56, "wait4": 61, "fcntl": 72, "fsync": 74, "rename": 82, "mkdir": 83, "fchmod": 91,
    "connect": 42, "socket": 41, "sendto": 44, "recvfrom": 45, "sendmsg": 46, "recvmsg": 47,
    "socketpair": 53, "setpgid": 109, "prctl": 157, "flock": 73, "getdents64": 217,
    "openat": 257, "newfstatat": 262, "pwrite64": 18, "inotify_add_watch": 254,
    "timerfd_create": 283, "timerfd_settime": 286, "eventfd2": 290, "pipe2": 293,
    "inotify_init1": 294, "getrandom": 318, "waitid": 247, "rt_sigaction": 13,
    "rt_sigprocmask": 14, "pidfd_open": 434, "clone3": 435, "execve": 59, "readlink": 89,
    "utimensat": 280, "unlink": 87, "epoll_create1": 291, "set_robust_list": 273,
    "pidfd_send_signal": 424, "signalfd4": 289,
}  # fmt: skip
_AARCH64 = {
    "read": 63, "write": 64, "mmap": 222, "pread64": 67, "kill": 129, "clone": 220, "wait4": 260,
    "fcntl": 25, "fsync": 82, "fchmod": 52, "connect": 203, "socket": 198, "sendto": 206,
    "recvfrom": 207, "sendmsg": 211, "recvmsg": 212, "socketpair": 199, "setpgid": 154,
    "prctl": 167, "flock": 32, "getdents64": 61, "openat": 56, "newfstatat": 79, "pwrite64": 68,
    "inotify_add_watch": 27, "timerfd_create": 85, "timerfd_settime": 86, "eventfd2": 19,
    "pipe2": 59, "inotify_init1": 26, "getrandom": 278, "waitid": 95, "rt_sigaction": 134,
    "rt_sigprocmask": 135, "pidfd_open": 434, "clone3": 435, "execve": 221, "utimensat": 88,
    "epoll_create1": 20, "set_robust_list": 99,
    "pidfd_send_signal": 424, "signalfd4": 74,
}  # fmt: skip
CALLS = {"x86_64": _X86_64, "aarch64": _AARCH64}[os.uname().machine]

_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_ASKED = struct.Struct("=QIIiIQ6Q")
_ANSWER = struct.Struct("=QqiI")
_GO_ON = 1


def _is_pipe(pid: int, fd: int) -> bool:
    """The interpreter notes a signal by a byte in a pipe; the kernel has no reason to refuse it."""
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/{pid}/fd/{fd}").startswith("pipe:")
    return False


@dataclass(frozen=True)
class Refusal:
    """``who`` is refused ``call`` with ``error``, from the ``nth`` time on once, or for ever."""

    who: str
    call: str
    error: str
    nth: int = 1
    for_ever: bool = False

    def __str__(self) -> str:
        times = f"from {self.nth} on" if self.for_ever else f"number {self.nth}"
        return f"{self.who} {self.call} {self.error} {times}"


class Supervisor:
    """Answers for one sidecar, in a thread of its own, until it is closed."""

    def __init__(
        self, pid: int, link: socket.socket, refusal: Refusal | None, *, above: bool = False
    ) -> None:
        """``link``: from where the launcher, process ``pid``, sends the filter's descriptor; or
        where process ``pid`` is ``above`` it, its only child."""
        self.asked: Counter[tuple[str, str]] = Counter()
        self._root = pid
        self._above = above
        self._guard = ""
        self._link = link
        self.refusal = refusal
        self._names = {number: name for name, number in CALLS.items()}
        self._over = False
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._over = True
        self._thread.join()

    def _serve(self) -> None:
        with self._link:
            _, (listener,), _, _ = socket.recv_fds(self._link, 16, 1)
        if self._above:
            (process_one,) = psutil.Process(self._root).children()
            self._root = process_one.pid
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        while not self._over:
            for _, what in poll.poll(50):
                if what & select.POLLHUP:
                    self._over = True
                elif what & select.POLLIN:
                    with contextlib.suppress(FileNotFoundError):  # Who asked was killed meanwhile.
                        self._answer(listener)
        os.close(listener)

    def _answer(self, listener: int) -> None:
        asked = bytearray(_ASKED.size)
        fcntl.ioctl(listener, _RECEIVE, asked)
        number_id, pid, _, number, _, _, first, *_ = _ASKED.unpack(asked)
        call = self._names.get(number, str(number))
        may = call == "write" and _is_pipe(pid, first)
        error = 0 if may else self._error_for(self._who(pid), call, pid)
        answer = _ANSWER.pack(number_id, 0, -error, 0 if error else _GO_ON)
        fcntl.ioctl(listener, _SEND, bytearray(answer))

    def _error_for(self, who: str, call: str, tid: int) -> int:
        self.asked[who, call] += 1
        told = self.refusal
        if told is None or (who, call) != (told.who, told.call):
            return 0
        times = self.asked[who, call]
        hit = times >= told.nth if told.for_ever else times == told.nth
        return int(getattr(errno, told.error)) if hit else 0

    def _who(self, tid: int) -> str:
        try:
            with open(f"/proc/{tid}/status") as file:
                fields = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
            with open(f"/proc/{tid}/cmdline") as file:
                if LAUNCHER not in file.read():
                    return "job"
        except (OSError, ValueError):
            return "gone"
        if int(fields["Tgid"]) == self._root:
            return "process-one" if self._above else "guard"
        if self._above and int(fields["PPid"]) == self._root:
            # Its first child; whoever comes to it later was the guard's.
            self._guard = self._guard or fields["Tgid"]
            return "guard" if fields["Tgid"] == self._guard else self._named(fields["Name"])
        return self._named(fields["Name"])

    def _named(self, name: str) -> str:
        return name if name.startswith("job-") else "elector"
