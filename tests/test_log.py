"""A log line is one line, whole or not at all, whatever is put into it."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import select
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO

import pytest

from coordsidecar.log import Log

HOSTILE = 'evil"\n\x1b[2J\r\x00\u2028\u202e\udcff = "x"'


@pytest.fixture
def pipe() -> Iterator[tuple[int, IO[str]]]:
    reader, writer = os.pipe()
    with open(writer, "w") as stream:
        yield reader, stream
    os.close(reader)


def text_log(stream: IO[str]) -> Log:
    return Log(fmt="text", election="default/demo", node_id="a", stream=stream)


def json_log(stream: IO[str]) -> Log:
    return Log(fmt="json", election="default/demo", node_id="a", stream=stream)


def test_text_is_for_people(pipe: tuple[int, IO[str]]) -> None:
    reader, stream = pipe

    text_log(stream).event(
        "leading", "the job starts", token=7, deadline_left_s=12.94, leader=None, why="no one"
    )

    line = os.read(reader, 65536).decode()
    assert re.fullmatch(
        r"coordsidecar default/demo: \d\d:\d\d:\d\d\.\d{3} leading: the job starts "
        r'token=7 deadline_left=12\.9s why="no one"\n',
        line,
    )


def test_json_is_for_machines(pipe: tuple[int, IO[str]]) -> None:
    reader, stream = pipe

    json_log(stream).event("lost", "gone", token=7, left_s=1.25, until_s=float("inf"), why=None)

    record = json.loads(os.read(reader, 65536))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d", record.pop("time"))
    assert record == {
        "event": "lost",
        "message": "gone",
        "election": "default/demo",
        "id": "a",
        "token": 7,
        "left_s": 1.25,
        "until_s": None,
        "why": None,
    }


@pytest.mark.parametrize("make", [text_log, json_log])
def test_hostile_values_stay_on_their_line_and_move_no_cursor(
    pipe: tuple[int, IO[str]], make: Callable[[IO[str]], Log]
) -> None:
    reader, stream = pipe

    make(stream).event("standby", HOSTILE, leader=HOSTILE, list=[HOSTILE], bad={HOSTILE: HOSTILE})

    line = os.read(reader, 65536).decode()
    assert line.endswith("\n")
    assert line[:-1].isprintable()
    if make is json_log:
        assert json.loads(line)["leader"] == HOSTILE.encode("unicode_escape").decode()


@pytest.mark.parametrize("make", [text_log, json_log])
@pytest.mark.parametrize("char", ["x", '"', "\x00", "\U0001f600"])
def test_no_line_is_longer_than_a_pipe_takes_in_one_piece(
    pipe: tuple[int, IO[str]], make: Callable[[IO[str]], Log], char: str
) -> None:
    reader, stream = pipe
    huge = char * 100_000

    make(stream).event("standby", huge, a=huge, b=huge, c=huge, d=[huge], e=huge)

    line = os.read(reader, 65536).decode()
    assert len(line.encode()) <= 4096
    assert line.endswith("\n")
    if make is json_log:
        json.loads(line)


def test_a_reader_that_stalls_does_not_stall_us_and_learns_what_it_missed(
    pipe: tuple[int, IO[str]],
) -> None:
    reader, stream = pipe
    log = text_log(stream)
    for _ in range(2000):
        log.event("tick", "x" * 1000)
    os.read(reader, 1 << 20)

    log.event("after", "the reader is back")

    last = os.read(reader, 1 << 20).decode().splitlines()[-1]
    assert "after" in last
    assert int(last.rpartition("log_lines_dropped=")[2]) > 1000


class Ready:
    """Whoever asks is told that there is room; then the job fills it."""

    def register(self, _fd: int, _events: int) -> None:
        pass

    def poll(self, _timeout_ms: int) -> list[tuple[int, int]]:
        return [(0, select.POLLOUT)]


@pytest.mark.parametrize("kind", ["socket", "pipe of another user's"])
def test_one_that_the_job_fills_as_we_write_does_not_stall_us(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot be opened anew, so that it blocks."""
    reader, writer = os.pipe()
    if kind == "socket":
        reader, writer = (one.detach() for one in socket.socketpair())
    else:
        monkeypatch.setattr("coordsidecar.log._unblocking", lambda stream: stream.fileno())
    with os.fdopen(writer, "w") as stream, ThreadPoolExecutor() as aside:
        log = text_log(stream)
        os.set_blocking(writer, False)
        with suppress(BlockingIOError):
            while True:
                os.write(writer, b"x")
        os.set_blocking(writer, True)
        monkeypatch.setattr(select, "poll", Ready)
        try:
            aside.submit(log.event, "tick", "a line of ours").result(timeout=10)
        finally:
            monkeypatch.undo()
            os.set_blocking(reader, False)
            with suppress(BlockingIOError):
                while os.read(reader, 1 << 20):
                    pass

        log.event("after", "there is room")

        assert "log_lines_dropped=1" in os.read(reader, 65536).decode()
    os.close(reader)


def test_a_line_waits_while_the_job_writes_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal has one writer at a time, and is not ready for the others meanwhile."""
    monkeypatch.setattr("coordsidecar.log._PATIENCE_S", 60.0)
    master, slave = pty.openpty()
    with (
        os.fdopen(slave, "w") as stream,
        ThreadPoolExecutor() as aside,
        subprocess.Popen(["head", "-c", "1000000", "/dev/zero"], stdout=slave),
    ):
        log = text_log(stream)
        while select.select([], [slave], [], 0)[1]:
            time.sleep(0.001)
        writing = aside.submit(log.event, "tick", "a line of ours")
        screen = bytearray()
        while len(screen) < 1_000_000 or not writing.done():
            if select.select([master], [], [], 0.01)[0]:
                screen += os.read(master, 65536)
        log.event("tick", "another line")
        while b"another line" not in screen[-1000:]:
            screen += os.read(master, 65536)
    os.close(master)

    assert b"a line of ours" in screen


def test_our_descriptor_alone_does_not_block(pipe: tuple[int, IO[str]]) -> None:
    _, stream = pipe

    text_log(stream)

    assert os.get_blocking(stream.fileno())


def test_a_closed_reader_and_no_reader_at_all_are_no_errors(pipe: tuple[int, IO[str]]) -> None:
    reader, writer = os.pipe()
    with open(writer, "w") as stream:
        log = text_log(stream)
        os.close(reader)
        log.event("tick", "to nobody")
    text_log(io.StringIO()).event("tick", "to nothing")


def test_lines_are_appended_to_a_file_that_others_write_to(tmp_path: Path) -> None:
    with open(tmp_path / "log", "a") as stream:
        text_log(stream).event("one", "ours")
        os.write(stream.fileno(), b"the job's\n")
        text_log(stream).event("two", "ours")

    assert len((tmp_path / "log").read_text().splitlines()) == 3


@pytest.mark.parametrize("no_color", ["", "1"])
def test_colour_is_for_terminals_and_for_those_who_want_it(
    monkeypatch: pytest.MonkeyPatch, no_color: str
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = pty.openpty()
    with open(theirs, "w") as stream:
        text_log(stream).event("leading", "now")
        line = os.read(ours, 65536).decode()
    os.close(ours)

    assert ("\x1b[" in line) == (not no_color)


def test_a_pipe_is_never_coloured(pipe: tuple[int, IO[str]]) -> None:
    reader, stream = pipe

    text_log(stream).event("leading", "now")

    assert b"\x1b" not in os.read(reader, 65536)
