"""A unix socket for the pages: its file is its owner's, and is taken over from the dead alone."""

from __future__ import annotations

import os
import socket
import stat
import threading
from pathlib import Path

import pytest

from coordsidecar.elector import listening
from coordsidecar.elector.listening import Listening
from coordsidecar.settings.serving import UnixSocket
from tests.elector.shown import ask, serve_at

GET = b"GET /leader HTTP/1.0\r\n\r\n"


@pytest.fixture
def where(tmp_path: Path) -> UnixSocket:
    return UnixSocket(str(tmp_path / "x.sock"))


def leave_stale(path: str) -> None:
    """A socket whose process is gone."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
        dead.listen()


@pytest.mark.parametrize("mode", [0o600, 0o660])
def test_the_file_has_its_mode_whatever_the_umask_is(where: UnixSocket, mode: int) -> None:
    umask = os.umask(0)
    try:
        made = Listening(UnixSocket(where.path, mode))
    finally:
        os.umask(umask)

    assert stat.S_IMODE(os.stat(where.path).st_mode) == mode
    made.socket.close()


@pytest.mark.parametrize(
    "path", ["/", "/leader", "/standby", "/healthz", "/v1/status", "/metrics", "/x"]
)
def test_every_page_is_there_too(where: UnixSocket, path: str) -> None:
    shown = {"role": "leader", "id": "a", "election": "e", "token": 7, "deadline_left_s": 1.0}
    shown |= {"paused": None, "cordoned": False, "health": None}
    serve_at(where, lambda: shown | {"since_unix_s": 0.0})

    status, body = ask(where, f"GET {path} HTTP/1.0\r\n\r\n".encode())

    assert status == {"/standby": 503, "/x": 404}.get(path, 200)
    assert body


def test_what_a_dead_process_left_is_replaced(where: UnixSocket) -> None:
    leave_stale(where.path)

    serve_at(where, lambda: {"role": "leader"})

    assert ask(where, GET)[0] == 200


def test_what_a_living_one_listens_at_is_left_to_it(where: UnixSocket) -> None:
    serve_at(where, lambda: {"role": "leader"})

    with pytest.raises(OSError, match="another process listens there"):
        Listening(where)

    assert ask(where, GET)[0] == 200


def test_one_whose_queue_is_full_lives(where: UnixSocket) -> None:
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as client:
        busy.bind(where.path)
        busy.listen(0)
        client.connect(where.path)

        with pytest.raises(OSError, match="another process listens there"):
            Listening(where)

        assert os.path.exists(where.path)


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_is_no_socket_is_nobodys_to_remove(where: UnixSocket, kind: str) -> None:
    path = Path(where.path)
    if kind == "link":
        path.symlink_to(path.with_name("elsewhere"))
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_text("precious")

    with pytest.raises(OSError, match="no socket"):
        Listening(where)

    assert path.is_symlink() or path.exists()


def test_a_folder_that_is_not_there_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Listening(UnixSocket(str(tmp_path / "no" / "x.sock")))


def test_the_file_goes_with_who_listened(where: UnixSocket) -> None:
    made = Listening(where)

    made.tidy_up()

    assert not os.path.exists(where.path)
    made.tidy_up()
    made.socket.close()


def test_what_has_taken_its_place_stays(where: UnixSocket) -> None:
    made = Listening(where)
    os.unlink(where.path)
    leave_stale(where.path)

    made.tidy_up()

    assert os.path.exists(where.path)
    made.socket.close()


def test_of_many_who_find_a_stale_file_one_listens_there(
    where: UnixSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a lock the second removes what the first has just made."""
    all_have_looked = threading.Barrier(2)
    remove = listening._remove_stale

    def look_together(path: str) -> None:
        remove(path)
        # Where the first keeps the second out, that does not come.
        try:
            all_have_looked.wait(timeout=0.2)
        except threading.BrokenBarrierError:
            all_have_looked.reset()

    monkeypatch.setattr(listening, "_remove_stale", look_together)
    leave_stale(where.path)
    made: list[Listening] = []
    refused: list[OSError] = []

    def listen() -> None:
        try:
            made.append(Listening(where))
        except OSError as error:
            refused.append(error)

    threads = [threading.Thread(target=listen) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(made) == len(refused) == 1
    assert refused[0].strerror == "another process listens there"
    made[0].socket.close()
