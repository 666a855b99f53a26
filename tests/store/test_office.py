"""The office record is written by anybody: what cannot be read must never look like a clean end."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordsidecar.store.protocol import Office

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
