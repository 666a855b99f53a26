"""The office record is written by anybody: what cannot be read must never look like a clean end."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordsidecar.store.protocol import Limits, Office

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


def test_a_record_survives_the_store() -> None:
    office = Office(led=9, released=7, run="abc", lock="def")

    assert Office.decode(office.encode()) == office
    assert not office.clean


def test_nobody_ever_led_is_a_clean_start() -> None:
    assert Office.decode(None).clean


@given(st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
def test_rubbish_is_unclean_and_never_crashes(raw: bytes) -> None:
    office = Office.decode(raw)

    assert not office.clean or office.led == office.released


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b'{"led": true, "released": true}',
        b'{"led": 1.0, "released": 1.0}',
        b'{"led": "1", "released": "1"}',
        b'{"led": 1, "released": 1, "run": 5}',
        b'{"led": 1, "released": 1, "run": "\\ud800"}',
        b"\xff\xfe",
        b"[" * 5000,
    ],
)
def test_a_record_that_is_nearly_right_is_unclean(raw: bytes) -> None:
    assert not Office.decode(raw).clean


@pytest.mark.parametrize("ttl_s", [15.0, 86400.0, 0.5])
def test_a_record_tells_the_ttl_of_its_term(ttl_s: float) -> None:
    office = Office(led=1, released=0, limits=Limits(ttl_s))

    assert Office.decode(office.encode()) == office
    assert office.held(2, cursor=1).last_limits == Limits(ttl_s)


@pytest.mark.parametrize("ttl", ["0", "-1", "86401", "1e400", "NaN", "true", '"15"', "null", "[]"])
def test_a_ttl_that_is_none_is_not_believed(ttl: str) -> None:
    office = Office.decode(f'{{"led": 2, "released": 1, "ttl": {ttl}}}')

    assert office == Office(led=2, released=1)


def test_in_order_the_token_is_the_number_of_the_lock() -> None:
    first = Office().taken(7, lock=7, run="", floor=0)
    assert first is not None

    second = first.resigned(7, run="").taken(9, lock=9, run="", floor=7)

    assert (first.led, first.token_under(7), first.leader_token(7)) == (7, 7, 7)
    assert second == Office(led=9, released=7, lock="9")


def test_a_term_of_another_run_is_not_resigned_though_it_has_the_same_token() -> None:
    """The store lost its data between the two, and gave the number out again."""
    office = Office().taken(3, lock=3, run="theirs", floor=0)
    assert office is not None

    mistaken = office.resigned(3, run="ours")

    assert mistaken == office
    assert office.resigned(3, run="theirs").clean


@given(st.integers(), st.integers(), st.text(max_size=9), st.integers(min_value=1))
def test_no_record_lowers_a_token_below_the_number_of_the_lock(
    led: int, released: int, named: str, lock: int
) -> None:
    for office in (Office(led, released, "", named), Office(led, released, "", str(lock))):
        token = office.token_under(lock)
        taken = office.taken(token, lock=lock, run="", floor=0)

        assert token >= lock
        assert office.leader_token(lock) >= lock
        assert taken is not None
        assert (taken.led, taken.clean) == (token, False)
        assert taken.token_under(lock) == taken.leader_token(lock) == token


def test_a_record_that_leaves_no_token_above_it_is_not_believed() -> None:
    assert Office.decode(Office(led=2**63, released=2**63).encode()) == Office(led=-1)
