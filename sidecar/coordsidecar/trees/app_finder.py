"""Finding the app that `coordsidecar attach` leads: by its pid file, or by its command line.

A number from a file or a list may have passed to a stranger by the time it is signalled. So what is
found is an identity, and whoever signals looks at that once more. We ourselves are never found,
nor is who started us.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress

from coordsidecar.linux import boottime_s
from coordsidecar.trees.known import Identity
from coordsidecar.trees.process import DEAD_STATES, GONE, NotSeenError, Process, pids

__all__ = ["AppFinder", "container_of", "identity_of"]

_SHIELDED = (
    "process 1 is it, but the kernel shields that from signals of its own container, so that it "
    "cannot be held; give the app an init (docker run --init), or share the process namespace "
    "of the pod"
)
_TOO_YOUNG = (
    "process {pid}, which {path} names, began after that was written by the clock of this host, "
    "and is passed over: it may be a stranger; if it is the app, and the clock was set "
    "forward, write the file anew (touch it)"
)
_LARGEST_PID_FILE = 4096
_LONGEST_NUMBER = 10
# The file is dated by a clock of some milliseconds, a process's start by one of ten.
_CLOCKS_DIFFER_S = 0.05
_LONGEST_WORDS = 16384
# Who is young may be about to exec; others are looked at again all the same, but not each time.
_YOUNG_S = 1.0
_AGAIN_S = 0.5
_CONTAINER_ID = re.compile(rb"[0-9a-f]{64}")


class AppFinder:
    """``remark``: why one that was named is passed over, if so."""

    def __init__(self, *, pid_file: str | None, match_cmdline: str | None) -> None:
        self._pid_file = pid_file
        self._match_cmdline = match_cmdline
        self._pattern = re.compile(match_cmdline, re.DOTALL) if match_cmdline is not None else None
        self._ours = _command_line(os.getpid())
        self._again_s: dict[int, float] = {}
        self._above_us = _ancestors()
        self.remark = ""

    def __str__(self) -> str:
        if self._pid_file is not None:
            return f"the process of {self._pid_file}"
        return f"a process whose command line matches {self._match_cmdline!r}"

    def named(self) -> list[Identity]:
        """Whoever is the app, as the user has named it. Raises `NotSeenError`."""
        self.remark = ""
        self._above_us = _ancestors()
        if self._pid_file is not None:
            pid = self._pid_in_file(self._pid_file)
            found = [self._if_older_than_file(pid)] if pid else []
        else:
            now_s, all_pids = boottime_s(), pids()
            self._again_s = {pid: self._again_s.get(pid, 0.0) for pid in all_pids}
            found = [
                self._if_it_matches(pid, now_s)
                for pid in all_pids
                if self._again_s[pid] <= now_s and pid not in self._above_us
            ]
        if any(identity is not None and identity.pid == 1 for identity in found):
            self.remark = _SHIELDED
        return [identity for identity in found if identity is not None and identity.pid != 1]

    def is_ours(self, pid: int) -> bool:
        """Whether it is a fork of ours, or who started us."""
        return pid in self._above_us or _command_line(pid) == self._ours

    def _if_it_matches(self, pid: int, now_s: float) -> Identity | None:
        assert self._pattern is not None
        with suppress(*GONE, PermissionError), Process(pid) as process:
            identity = identity_of(process)
            if identity is None:
                return None
            words = _words_of(process)
            # Another sidecar's command line may have the pattern in it, and so may its shell's.
            if words and words != self._ours and b"--match-cmdline" not in words:
                text = words[:_LONGEST_WORDS].replace(b"\0", b" ").strip()
                if self._pattern.search(text.decode(errors="replace")):
                    return identity
            if now_s - _seconds(identity.started) > _YOUNG_S:
                self._again_s[pid] = now_s + _AGAIN_S
        return None

    def _if_older_than_file(self, pid: int) -> Identity | None:
        """It wrote the file, or somebody for it: a stranger who got its number began later."""
        assert self._pid_file is not None
        if pid != 1 and self.is_ours(pid):
            return None
        with suppress(*GONE, PermissionError), Process(pid) as process:
            identity = identity_of(process)
            if identity is not None:
                began_s = time.time() - boottime_s() + _seconds(identity.started)
                if began_s <= os.stat(self._pid_file).st_mtime + _CLOCKS_DIFFER_S:
                    return identity
                self.remark = _TOO_YOUNG.format(pid=pid, path=self._pid_file)
        return None

    def _pid_in_file(self, path: str) -> int | None:
        """None: there is no such file yet, or no number at its beginning. Raises `NotSeenError`."""
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # A fifo is no file.
            try:
                words = os.read(fd, _LARGEST_PID_FILE).split()
            finally:
                os.close(fd)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (IsADirectoryError, PermissionError, BlockingIOError) as error:
            self.remark = f"{path} cannot be read: {error.strerror}"
            return None
        except OSError as error:
            raise NotSeenError(path, error) from error
        number = words[0] if words else b""
        return int(number) if number.isdigit() and len(number) <= _LONGEST_NUMBER else None


def identity_of(process: Process) -> Identity | None:
    """None of a zombie."""
    fields = process.stat()
    if fields[0].decode() in DEAD_STATES and process.living_thread() is None:
        return None
    return Identity(process.pid, int(fields[19]))


def container_of(pid: int) -> bytes | None:
    """The name of its control group's container, as all runtimes make it; None: it is in none."""
    with suppress(*GONE, PermissionError), Process(pid) as process:
        found = _CONTAINER_ID.findall(process.control_group())
        return found[-1] if found else None
    return None


def _ancestors() -> set[int]:
    """Those above us, and we."""
    pid, found = os.getpid(), set[int]()
    with suppress(*GONE, PermissionError):
        while pid > 0 and pid not in found:
            found.add(pid)
            with Process(pid) as process:
                pid = int(process.stat()[1])
    return found - {1}


def _words_of(process: Process) -> bytes:
    """Of one whose first thread has ended, those of a thread that has not."""
    return process.command_line() or process.command_line(process.living_thread() or ".")


def _command_line(pid: int) -> bytes:
    with suppress(*GONE, PermissionError), Process(pid) as process:
        return process.command_line()
    return b""


def _seconds(ticks: int) -> float:
    """From the boot."""
    return ticks / os.sysconf("SC_CLK_TCK")
