"""Ends somebody of a tree at each question that a look at it asks of the kernel, one after another.

``python -m tests.trees.torn LOOK`` prints how many ends it played, and each after which the look
took the tree for gone, or stopped, though one of it ran.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable, Collection
from contextlib import suppress
from itertools import count, product
from pathlib import Path

from coordsidecar.linux import become_subreaper
from coordsidecar.trees import tree
from coordsidecar.trees.hunt import Hunt
from coordsidecar.trees.mark import BESIDE_VARIABLE, RUN_VARIABLE
from coordsidecar.trees.process import is_dead, is_stopped
from coordsidecar.trees.remains import Remains
from coordsidecar.trees.strays import kill_strays

Look = Callable[[], bool]
"""True: nobody of the tree is left, or runs."""

_BRANCH = Path(__file__).parent / "jobs" / "branch.sh"
_DEPTH = 3
_MARK = f"torn-{os.getpid()}"
_QUESTIONS = ("open", "os.listdir", "os.scandir", "os.kill", "os.killpg")


class Branch:
    """Processes of which each is the child of the one before; the first is ours, or a guard's."""

    def __init__(self, *, guarded: bool) -> None:
        self._said, says = os.pipe()
        self._unread = b""
        self.guard = os.fork() if guarded else None
        if not self.guard:
            become_subreaper()
            env = {"PATH": os.defpath, RUN_VARIABLE: _MARK, BESIDE_VARIABLE: str(os.getpid())}
            to_us = [(os.POSIX_SPAWN_DUP2, says, 1)]
            words = ["sh", str(_BRANCH), str(_DEPTH)]
            os.posix_spawnp("sh", words, env, file_actions=to_us, setpgroup=0)
        if self.guard == 0:
            while True:
                signal.pause()
        os.close(says)
        self.pids = [pid for _ in range(_DEPTH) for pid in self._next()]
        if self.guard:
            os.kill(self.guard, signal.SIGSTOP)

    def _next(self) -> list[int]:
        """A pid; none if nobody is left who might say one."""
        while b"\n" not in self._unread:
            if not (said := os.read(self._said, 100)):
                return []
            self._unread += said
        line, _, self._unread = self._unread.partition(b"\n")
        return [int(line)]

    def end(self, pid: int, how: str) -> None:
        """Unless it has ended, or is stopped and so cannot fork."""
        forks = how == "forks on"
        if is_dead(pid) or (forks and is_stopped(pid)):
            return
        os.kill(pid, signal.SIGUSR1 if forks else signal.SIGKILL)
        while not is_dead(pid):
            if forks and is_stopped(pid):
                return  # It was just being stopped.
        if forks and select.select([self._said], [], [], 0)[0]:  # Or it was just being killed.
            self.pids += self._next()

    def remove(self) -> None:
        os.close(self._said)
        while not reaped_all():
            for pid in tree.descendants(os.getpid(), leave_out=()):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def reaped_all() -> bool:
    """Reap who has ended; True if we have no child left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return True
    return False


def remains(branch: Branch) -> Remains:
    """What a guard left that stands still."""
    assert branch.guard is not None
    pidfd, job = os.pidfd_open(branch.guard), branch.pids[0]
    left = Remains(guard_pid=branch.guard, guard_pidfd=pidfd, run=_MARK, leave_out=())
    left.job_is(job, os.pidfd_open(job))
    return left


def hunted(_: Branch) -> Look:
    hunt = Hunt(_MARK)

    def look() -> bool:
        hunt.kill_pass()
        return hunt.over

    return look


def killed(_: Branch) -> Look:
    return lambda: not tree.kill_pass(os.getpid(), leave_out=(), groups=())


def frozen(_: Branch) -> Look:
    return lambda: tree.freeze_pass(os.getpid(), leave_out=())


def strays(_: Branch) -> Look:
    return lambda: kill_strays(os.getpid(), leave_out=())


LOOKS: dict[str, Callable[[Branch], Look]] = {
    "killed": killed,
    "frozen": frozen,
    "strays": strays,
    "hunted": hunted,
    "killed below a guard": lambda branch: remains(branch).kill_tree,
    "buried": lambda branch: remains(branch).kill_pass,
}
_GUARDED = ("killed below a guard", "buried")


class Torn:
    """Hears what is asked of the kernel about a tree; at one of the questions it ends one of it."""

    def __init__(self) -> None:
        self._about: Collection[int] = ()
        self._is_about = False
        self._countdown = 0
        self._end: Callable[[], None] | None = None
        sys.addaudithook(self._hear)

    def at(self, question: int, about: Collection[int], end: Callable[[], None]) -> None:
        self._countdown, self._about, self._end = question, about, end

    def is_over(self) -> None:
        """What is asked from now on is no question of the look."""
        self._end = None

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if self._end is None or event not in _QUESTIONS or not self._concerns(arguments[0]):
            return
        self._countdown -= 1
        if self._countdown < 0:
            end, self._end = self._end, None
            end()

    def _concerns(self, asked: object) -> bool:
        """A signal does; what is asked by a path below a folder, if the folder does."""
        if isinstance(asked, str) and asked.startswith("/proc"):
            pid = asked.split("/")[2:3]
            self._is_about = not pid or (pid[0].isdigit() and int(pid[0]) in self._about)
        return self._is_about or isinstance(asked, int)


def play(torn: Torn, name: str, who: int, how: str, question: int) -> tuple[bool, list[int]]:
    """Whether there are so many questions; and whom of the tree the look overlooked, which said
    that it is over."""
    branch = Branch(guarded=name in _GUARDED)
    ended = False

    def end() -> None:
        nonlocal ended
        ended = True
        branch.end(branch.pids[who], how)

    look = LOOKS[name](branch)
    torn.at(question, {os.getpid(), branch.guard or 0, *branch.pids}, end)
    while not look():
        if name not in _GUARDED:  # That one stands, and reaps nobody.
            reaped_all()
    torn.is_over()
    is_over = (lambda pid: is_dead(pid) or is_stopped(pid)) if name == "frozen" else is_dead
    left = [pid for pid in branch.pids if not is_over(pid)]
    branch.remove()
    return ended, left


def main() -> None:
    name = sys.argv[1]
    torn, played = Torn(), 0
    for who, how in product(range(_DEPTH), ("ends", "forks on")):
        for question in count(step=3 if name == "buried" else 1):  # That one asks a lot.
            ended, left = play(torn, name, who, how, question)
            if left:
                print(f"{how} {who} at {question}: {len(left)} left")
            if not ended:
                break
            played += 1
    print(f"played {played}")


if __name__ == "__main__":
    main()
