"""Reading the job's socket: what counts, from whom, and that nothing else does any harm."""

from __future__ import annotations

import array
import os
import random
import select
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence

import pytest

from coordsidecar.children import notify_socket
from coordsidecar.children.notify_sender import Senders
from coordsidecar.children.notify_socket import read, what_is_said
from coordsidecar.linux import become_subreaper
from coordsidecar.trees.process import NotSeenError

_SAY = (
    "import socket, sys\n"
    "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
    "s.sendto(sys.argv[2].encode(), '\\0' + sys.argv[1])\n"
    "{}"
)
_AND_WAIT = "sys.stdout.write('said'); sys.stdout.flush(); sys.stdin.read()"
_NOBODY = 65534


class Door:
    """The job's socket, of which this process is the guard."""

    def __init__(self) -> None:
        self.name = f"coordsidecar-test-{os.urandom(8).hex()}"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.bind("\0" + self.name)
        self.senders = Senders(os.getpid())

    def read(self) -> list[dict[str, str]]:
        heard: list[dict[str, str]] = []
        while read(self.socket, self.senders, lambda said: heard.append(dict(said))) == "more":
            pass
        return heard

    def command(self, text: str, *, then: str = "", uid: int | None = None) -> list[str]:
        python = [sys.executable, "-IS", "-c", _SAY.format(then), self.name, text]
        through = [] if uid is None else ["setpriv", f"--reuid={uid}", "--clear-groups"]
        return [*through, *python]

    def child_says(self, text: str, *, uid: int | None = None) -> None:
        """And is gone."""
        subprocess.run(self.command(text, uid=uid), check=True, timeout=60)

    def say(self, data: bytes, fds: Sequence[int] = ()) -> None:
        """As ourselves, and so as one that is no process of the job's."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
            sender.sendmsg([data], rights, 0, "\0" + self.name)


class Everybody(Senders):
    """Where it is not about who it is."""

    def __init__(self) -> None:
        super().__init__(0)

    def is_the_jobs(self, pid: int, uid: int) -> bool:
        return (pid, uid) == (os.getpid(), os.getuid())


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door()
    yield door
    door.socket.close()


@pytest.fixture
def open_door(door: Door) -> Door:
    """One at which everybody is heard."""
    door.senders = Everybody()
    return door


# ── what counts ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"READY=1", {"READY": "1"}),
        (b"READY=1\nSTATUS=a=b \xc3\xa4\n", {"READY": "1", "STATUS": "a=b \u00e4"}),
        (b"READY=1\0", {"READY": "1"}),
        (b"STATUS=one\nSTATUS=two", {"STATUS": "one"}),
        (b"STATUS=\xff\x1b[2J", {"STATUS": "\\xff\x1b[2J"}),
        (b"MAINPID=1\nFDSTORE=1\nX_MINE=2\nWATCHDOG=1", {"WATCHDOG": "1"}),
        (b"READY", {}),
        (b"ready=1", {}),
        (b"READY=1\0WATCHDOG=1", {}),
        (b"", {}),
        (b"\xff\xfe=\x00", {}),
    ],
)
def test_what_is_assigned_counts_as_with_systemd(data: bytes, said: dict[str, str]) -> None:
    assert what_is_said(data) == said


def test_all_that_waits_is_read_in_order(open_door: Door) -> None:
    for data in (
        b"READY=1",
        b"NOISE=1",
        b"",
        b"WATCHDOG=1",
        b"READY=1" + b" " * 4090,
        b"STOPPING=1",
    ):
        open_door.say(data)

    assert open_door.read() == [{"READY": "1"}, {"WATCHDOG": "1"}, {"STOPPING": "1"}]
    assert open_door.read() == []


def test_what_nobody_should_send_does_no_harm(open_door: Door) -> None:
    dice = random.Random(7)
    for _ in range(2000):
        words = [b"READY", b"=", b"1", b"\n", b"\0", b"EXTEND_TIMEOUT_USEC", dice.randbytes(9)]
        open_door.say(b"".join(dice.choices(words, k=dice.randrange(40))))
        for said in open_door.read():
            assert all(name.isupper() for name in said)


def test_descriptors_never_come_in_and_are_closed_at_once(open_door: Door) -> None:
    """FDSTORE=1 sends some to be kept, and BARRIER=1 one, and waits until that is closed."""
    ours, theirs = os.pipe()
    before = os.listdir("/proc/self/fd")
    open_door.say(b"FDSTORE=1\nREADY=1", [theirs] * 200)
    open_door.say(b"BARRIER=1", [theirs])
    os.close(theirs)
    poll = select.poll()
    poll.register(ours, 0)
    waits = poll.poll(0)

    heard = open_door.read()

    assert heard == [{"READY": "1"}]
    assert waits == []
    assert poll.poll(0) == [(ours, select.POLLHUP)], "the sender may go on"
    assert len(os.listdir("/proc/self/fd")) == len(before) - 1
    os.close(ours)


def test_it_is_taken_only_once_it_has_been_heard(open_door: Door) -> None:
    """Who is killed in between has not taken it from a successor."""
    open_door.say(b"READY=1")

    def is_killed(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read(open_door.socket, open_door.senders, is_killed)

    assert open_door.read() == [{"READY": "1"}]


def test_a_turn_is_bounded(open_door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify_socket, "_MOST_A_TURN", 2)
    for _ in range(3):
        open_door.say(b"WATCHDOG=1")
    heard: list[object] = []

    turns = [read(open_door.socket, open_door.senders, heard.append) for _ in range(2)]

    assert (turns, len(heard)) == (["more", "all"], 3)


# ── from whom ──────────────────────────────────────────────────────────────────────────────────


def test_who_is_below_the_guard_is_heard(door: Door) -> None:
    with subprocess.Popen(
        ["sh", "-c", 'exec 3<&0; "$@" <&3 & wait', "sh", *door.command("READY=1", then=_AND_WAIT)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as shell:  # fmt: skip
        assert shell.stdout is not None
        assert shell.stdout.read(4) == b"said"

        assert door.read() == [{"READY": "1"}]


def test_who_is_not_below_the_guard_is_not_heard(door: Door) -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as guard:
        door.senders = Senders(guard.pid)
        door.say(b"READY=1")

        assert door.read() == []


def test_who_is_gone_is_heard_if_it_was_a_user_of_the_jobs(door: Door) -> None:
    door.child_says("READY=1")

    assert door.read() == [{"READY": "1"}]


@pytest.mark.skipif(os.getuid() != 0, reason="to be somebody else takes root")
def test_who_is_gone_is_not_heard_if_the_job_has_no_such_user(door: Door) -> None:
    door.child_says("READY=1", uid=_NOBODY)

    assert door.read() == []


@pytest.mark.skipif(os.getuid() != 0, reason="to be somebody else takes root")
def test_a_job_of_another_user_is_heard_and_so_is_who_is_gone_of_that_user(door: Door) -> None:
    with subprocess.Popen(
        door.command("READY=1", then=_AND_WAIT, uid=_NOBODY),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as job:  # fmt: skip
        assert job.stdout is not None
        assert job.stdout.read(4) == b"said"
        door.child_says("WATCHDOG=1", uid=_NOBODY)

        assert door.read() == [{"READY": "1"}, {"WATCHDOG": "1"}]


def test_a_number_that_has_passed_to_another_user_proves_nothing(door: Door) -> None:
    """As if a stranger had said it, and one of the job's had its number now."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as job:
        is_heard = door.senders.is_the_jobs(job.pid, os.getuid())
        door.senders.forget()

        assert is_heard
        assert not door.senders.is_the_jobs(job.pid, 12345)


def test_who_says_the_guards_number_is_an_orphan_of_the_jobs(door: Door) -> None:
    """As `systemd-notify` does as root: it says its parent's."""
    assert door.senders.is_the_jobs(os.getpid(), os.getuid())
    assert not door.senders.is_the_jobs(os.getppid(), os.getuid())


def test_who_is_hidden_in_another_namespace_is_nobody_of_the_jobs(door: Door) -> None:
    assert not door.senders.is_the_jobs(0, os.getuid())


def test_that_nobody_can_be_seen_now_takes_nothing_away(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    door.say(b"READY=1")

    def blind(*_: object) -> bool:
        raise NotSeenError("/proc", OSError(24, os.strerror(24)))

    with monkeypatch.context() as patch:
        patch.setattr(Senders, "is_the_jobs", blind)
        assert read(door.socket, door.senders, lambda _: None) == "nobody"
    door.senders = Everybody()

    assert door.read() == [{"READY": "1"}]


def test_an_orphan_is_heard_since_the_guard_is_its_parent_then(door: Door) -> None:
    """In a fork, which is the guard here: a subreaper."""
    pid = os.fork()
    if pid == 0:
        heard: list[object] = []
        try:
            become_subreaper()
            orphan = ["sh", "-c", '"$@" <&0 &', "sh", *door.command("READY=1", then=_AND_WAIT)]
            with subprocess.Popen(orphan, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as shell:
                shell.wait()
                assert shell.stdout is not None
                shell.stdout.read(4)
                read(door.socket, Senders(os.getpid()), heard.append)
        finally:
            os._exit(0 if heard == [{"READY": "1"}] else 1)

    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
