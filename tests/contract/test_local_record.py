"""The token counter of the local store outlives crashes, rubbish and deletion; bad folders."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from coordsidecar.store.protocol import Behind, Election, Held, RefusedError
from coordsidecar_adapters.local import lock
from coordsidecar_adapters.local.store import connect
from tests.contract.candidate import CALL_S, NewCandidate
from tests.contract.lock_files import ELECTION
from tests.contract.lock_files import store as _store

_NOBODY_UID = 65534


@pytest.fixture
def record_path(tmp_path: Path) -> Path:
    return tmp_path / "team" / "job.json"


# Each child runs one whole term of office and is killed as it reaches one more line of the adapter
# than the child before it. The survivor campaigns after each.
_KILL_AT_EVERY_LINE = """
import json, os, signal, sys
from coordsidecar.store.protocol import Election, Held
from coordsidecar_adapters.local.store import connect

def store():
    return connect("local:" + sys.argv[1], election=Election("team", "job"), environ={})

def term(kill_at, report_fd):
    lines = 0
    def trace(frame, event, arg):
        nonlocal lines
        if "coordsidecar_adapters" not in frame.f_code.co_filename:
            return None
        if event == "line":
            lines += 1
            if lines == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace
    mine = store()
    session = mine.open(ttl_s=15.0, takeover_delay_s=15.0, record="{}", timeout_s=5.0)
    sys.settrace(trace)
    held = mine.campaign(session, record="{}", timeout_s=5.0)
    os.write(report_fd, str(held.token).encode())
    assert mine.take_office(session, held.token, run="r", timeout_s=5.0)
    mine.resign(session, held.token, run="r", timeout_s=5.0)
    os._exit(0)

tokens, kills, status = [], 0, None
while status != 0:
    kills += 1
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            term(kills, write_end)
        finally:
            os._exit(1)
    os.close(write_end)
    status = os.waitpid(pid, 0)[1]
    assert status in (0, signal.SIGKILL), status
    reported = os.read(read_end, 100)
    os.close(read_end)
    if reported:
        tokens.append(int(reported))
    survivor = store()
    session = survivor.open(ttl_s=15.0, takeover_delay_s=15.0, record="{}", timeout_s=5.0)
    held = survivor.campaign(session, record="{}", timeout_s=5.0)
    assert isinstance(held, Held), held
    assert held.clean, "the same lock file: its holder is dead"
    tokens.append(held.token)
    survivor.resign(session, None, run="", timeout_s=5.0)
    survivor.close(session, timeout_s=5.0)
print(json.dumps({"kills": kills, "tokens": tokens}))
"""


def test_tokens_increase_wherever_a_leader_is_killed(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", _KILL_AT_EVERY_LINE, str(tmp_path)]

    done = subprocess.run(argv, stdout=subprocess.PIPE, check=True)

    report = json.loads(done.stdout)
    tokens = report["tokens"]
    assert report["kills"] > 50, "every line of a term of office was to be a place to die"
    assert tokens == sorted(set(tokens))
    assert tokens[-1] < 10_000, "the counter was lost on the way"


def test_a_torn_temporary_file_is_ignored(local: NewCandidate, record_path: Path) -> None:
    first = local()
    first.resign(first.leads())
    Path(f"{record_path}.tmp").write_bytes(b'{"token": 999999, "hol')

    held = local().wins()

    assert (held.token, held.clean) == (2, True)


@pytest.mark.parametrize(
    "rubbish",
    [
        None,
        b"",
        b"\x00" * 100,
        b"null",
        b'{"token": "7", "holder": "", "leader": ""}',
        b'{"token": true, "holder": "", "leader": ""}',
        b'{"token": -5, "holder": "", "leader": ""}',
        b'{"token": 1e9, "holder": "", "leader": ""}',
        b'{"token": 99999999999999999999, "holder": "", "leader": ""}',
        b'{"token": 7, "holder": null, "leader": ""}',
        b'{"token": 7, "holder": "", "leader": {}}',
        b"[" * 60_000,
        b" " * 100_000,
    ],
    ids=lambda raw: "deleted" if raw is None else f"{raw[:20]!r}x{len(raw)}",
)
def test_a_lost_counter_goes_on_from_above_every_earlier_token(
    local: NewCandidate, record_path: Path, rubbish: bytes | None
) -> None:
    first = local()
    token = first.leads()
    first.resign(token)
    if rubbish is None:
        record_path.unlink()
    else:
        record_path.write_bytes(rubbish)

    lost = local()
    held = lost.wins()

    assert held.token > token
    assert not held.clean, "nothing is known about the last leader"
    assert lost.take_office(held.token)
    lost.resign(held.token)
    after = local().wins()
    assert (after.token, after.clean) == (held.token + 1, True)


def test_a_record_that_was_deleted_under_a_leader_is_written_anew(
    local: NewCandidate, record_path: Path
) -> None:
    leader, standby = local(), local()
    token = leader.leads()

    record_path.unlink()

    assert isinstance(leader.standing(), Held)
    leader.resign(token)
    held = standby.wins()
    assert (held.token, held.clean) == (token + 1, True)


def test_what_a_leader_says_of_itself_is_cut_short(tmp_path: Path, local: NewCandidate) -> None:
    leader = local()
    leader.record = json.dumps({"id": "\ud800" + "x" * 100_000})[:50_000]
    leader.wins()

    standing = local().campaign()

    assert isinstance(standing, Behind)
    assert standing.leader == leader.record[:4096]


# ── folders and addresses ──────────────────────────────────────────────────────────────────────


@contextmanager
def _as_somebody_without_rights() -> Iterator[None]:
    """File permissions mean nothing to root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(_NOBODY_UID)
    try:
        yield
    finally:
        os.seteuid(0)


def _let_everybody_in(folder: Path) -> None:
    """Through pytest's own folders, which are for one user; how deep they are, it decides."""
    for ours in (folder, *folder.parents):
        if ours.stat().st_uid == os.geteuid() and not ours.stat().st_mode & 0o001:
            ours.chmod(0o755)


def test_a_folder_that_cannot_be_written_to_is_named_with_the_remedy(tmp_path: Path) -> None:
    folder = tmp_path / "locks"
    folder.mkdir()
    _let_everybody_in(tmp_path)
    folder.chmod(0o555)

    with _as_somebody_without_rights(), pytest.raises(RefusedError) as refused:
        _store(folder).open(ttl_s=15.0, takeover_delay_s=15.0, record="{}", timeout_s=CALL_S)

    folder.chmod(0o755)
    assert str(folder) in str(refused.value)
    assert "--store local:/folder" in str(refused.value)


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(RefusedError):
        _store(tmp_path / "file").open(
            ttl_s=15.0, takeover_delay_s=15.0, record="{}", timeout_s=CALL_S
        )


@pytest.mark.parametrize("variable", ["XDG_STATE_HOME", "HOME"])
def test_locks_are_kept_where_the_users_state_is(tmp_path: Path, variable: str) -> None:
    _let_everybody_in(tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o777)
    with _as_somebody_without_rights():
        store = connect("local:", election=ELECTION, environ={variable: str(home)})

        session = store.open(ttl_s=15.0, takeover_delay_s=15.0, record="{}", timeout_s=CALL_S)

        store.close(session, timeout_s=CALL_S)
    state = home if variable == "XDG_STATE_HOME" else home / ".local/state"
    assert (state / "coordsidecar/team/job.lock").exists()


@pytest.mark.parametrize("url", ["local:relative", "local:.", "local://host/x", "local:~/x"])
def test_only_an_absolute_folder_will_do(url: str) -> None:
    with pytest.raises(ValueError, match="absolute folder"):
        connect(url, election=ELECTION, environ={})


@pytest.mark.parametrize("name", ["..", ".", "", "a//b", "a/../b", "nul\0"])
def test_a_name_cannot_lead_out_of_the_folder(name: str) -> None:
    with pytest.raises(ValueError, match="file name"):
        connect("local:/x", election=Election(namespace="team", name=name), environ={})


def test_who_has_just_got_the_lock_is_no_other_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It writes the record a moment later: we look again before we call it one."""
    first, second = _store(tmp_path), _store(tmp_path)
    holds, waits = (
        one.open(ttl_s=15.0, takeover_delay_s=15.0, record="{}", timeout_s=CALL_S)
        for one in (first, second)
    )
    assert lock.try_lock(holds.fds[0])

    foreign = second.campaign(waits, record="{}", timeout_s=CALL_S)

    def writes(_: float) -> None:
        first.campaign(holds, record='{"id": "one"}', timeout_s=CALL_S)

    patient = SimpleNamespace(sleep=writes, monotonic=time.monotonic)
    monkeypatch.setattr("coordsidecar_adapters.local.store.time", patient)
    ours = second.campaign(waits, record="{}", timeout_s=CALL_S)

    assert isinstance(foreign, Behind)
    assert isinstance(ours, Behind)
    assert "another program" in foreign.leader
    assert (ours.leader, ours.leader_token) == ('{"id": "one"}', 1)
