"""Lock files and records that somebody else wrote into: of any content, at any moment."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordsidecar.cli import main as cli
from coordsidecar.store.protocol import Behind, Election, Held
from coordsidecar_adapters.local.store import connect
from tests.contract.candidate import Candidate, stand_for
from tests.fuzz.nasty import NASTY_RECORDS, encoded, examples, mutated

_ELECTION = Election(namespace="n", name="e")
_SOUND = {
    "token": 7,
    "holder": "somebody",
    "leader": '{"id": "blue"}',
    "office": {"led": 6, "released": 6, "run": "abc", "lock": ""},
}
_raws = st.one_of(
    st.binary(max_size=100),
    mutated(_SOUND).map(encoded),
    st.sampled_from([*NASTY_RECORDS.values()]),
)


@contextmanager
def _candidate(folder: Path) -> Iterator[Candidate]:
    store = connect(f"local:{folder}", election=_ELECTION, environ={})
    candidate = stand_for(store, ttl_s=15, takeover_delay_s=15, call_s=30)
    try:
        yield candidate
    finally:
        candidate.end()


@examples(3)
@given(_raws)
def test_whatever_the_record_says_the_holder_stays_the_holder(tmp_path: Path, raw: bytes) -> None:
    with _candidate(tmp_path) as leader, _candidate(tmp_path) as standby:
        token = leader.leads()
        (tmp_path / "n/e.json").write_bytes(raw)

        still, behind = leader.standing(), standby.campaign()
        leader.resign(token)
        after = standby.campaign()

    assert isinstance(still, Held)
    assert still.token == token
    assert isinstance(behind, Behind)
    assert isinstance(after, Held)
    assert after.token > token
    assert after.clean


@examples(3)
@given(_raws, st.binary(max_size=100))
def test_whatever_lies_there_somebody_can_lead(tmp_path: Path, raw: bytes, lock: bytes) -> None:
    (tmp_path / "n").mkdir(exist_ok=True)
    (tmp_path / "n/e.json").write_bytes(raw)
    (tmp_path / "n/e.lock").write_bytes(lock)

    with _candidate(tmp_path) as candidate:
        held = candidate.campaign()

        assert isinstance(held, Held)
        assert held.token > 0
        assert candidate.take_office(held.token)
        candidate.resign(held.token)


def test_what_the_kernel_says_of_the_lock_counts_and_not_what_we_remember(tmp_path: Path) -> None:
    """A job that shares the descriptor may unlock it; then what stands in the record is true."""
    with _candidate(tmp_path) as first, _candidate(tmp_path) as second:
        first.leads()
        (fd,) = first.session.fds
        fcntl.flock(fd, fcntl.LOCK_UN)
        second.leads()

        assert isinstance(first.standing(), Behind)


@pytest.fixture
def check(capfd: pytest.CaptureFixture[str]) -> Callable[[Path, str], int]:
    """Run ``coordsidecar check`` in this process and return its exit code."""

    def run(folder: Path, token: str) -> int:
        words = ["check", "--store", f"local:{folder}", "--namespace", "n", "--name", "e"]
        with pytest.raises(SystemExit) as ended:
            cli.main([*words, "--", token])
        out, err = capfd.readouterr()
        assert out == ""
        if ended.value.code != 0:
            assert err.startswith("coordsidecar: ")
            assert err.count("\n") == 1
            assert err[:-1].isprintable()
            assert "internal error" not in err
        return int(str(ended.value.code))

    return run


@examples(3)
@given(_raws, st.sampled_from(["7", "1", "x", "٣", "9" * 30, "\x1b[2J", "-1"]))
def test_a_check_of_any_record_is_answered_in_one_sentence(
    check: Callable[[Path, str], int], tmp_path: Path, raw: bytes, token: str
) -> None:
    with _candidate(tmp_path) as leader:
        leader.leads()
        (tmp_path / "n/e.json").write_bytes(raw)

        assert check(tmp_path, token) in (0, 1, 2, 125)
