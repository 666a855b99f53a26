"""What a candidate says of itself, and what is believed of it."""

from __future__ import annotations

import json

import pytest

from coordsidecar.store.heir import Heir
from coordsidecar.store.protocol import Limits, Office
from tests.fuzz.nasty import NASTY_RECORDS

OURS = Heir("election-ours", Limits(15.0, 8.0))


def test_what_a_candidate_says_of_itself_is_read_again() -> None:
    record = OURS.described_in('{"id": "blue"}')

    assert Heir.read(record) == Heir.read(record.encode()) == OURS
    assert json.loads(record)["id"] == "blue"


def test_one_whose_silence_tells_nothing_says_so() -> None:
    silent = Heir("r", Limits(15.0))

    assert Heir.read(silent.described_in("{}")) == silent


@pytest.mark.parametrize("record", ["", "blue", "[1]", '"x"', "7", "null"])
def test_a_record_that_is_no_object_stays_as_it_is_and_names_no_heir(record: str) -> None:
    assert OURS.described_in(record) == record
    assert Heir.read(record) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"run": ""},
        {"run": 7},
        {"run": "x" * 65},
        {"run": "ü"},
        {"run": None},
        {"ttl": 0},
        {"ttl": -1},
        {"ttl": True},
        {"ttl": "15"},
        {"ttl": 1e400},
        {"ttl": 90000},
    ],
    ids=str,
)
def test_who_says_what_nobody_could_lead_by_is_not_to_be_appointed(wrong: object) -> None:
    fields = json.loads(OURS.described_in("{}")) | wrong

    assert Heir.read(json.dumps(fields)) is None


@pytest.mark.parametrize("record", NASTY_RECORDS.values(), ids=NASTY_RECORDS)
def test_whatever_is_written_there_is_read_or_passed_over(record: bytes) -> None:
    heir = Heir.read(record)

    assert heir is None or heir.limits.ttl_s > 0


def test_the_appointed_follows_whoever_resigned() -> None:
    left = Office(led=7, released=7, run="election-theirs", lock="7")

    office = OURS.appointed(left, lock=9, record="")
    after_a_loss = OURS.appointed(left, lock=3, record="")

    assert (office.led, office.lock, office.run, office.clean) == (9, "9", OURS.run, False)
    assert office.limits == OURS.limits
    assert after_a_loss.led == 8, "above what was led before, though the store begins anew"
