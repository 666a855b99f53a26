"""What anybody may have written in the place of what operators order."""

from __future__ import annotations

import json

import pytest

from coordsidecar.store.curbs import MOST_CORDONS, NO_CURBS, Cordon, Curbs, Pause, Transfer
from coordsidecar.store.office import Office

ALL = Curbs(
    Pause("m", None, "ann", "10:00", "why"),
    (Cordon("web-1", "bob"), Cordon("web-2", "eve", "11:00", "a reboot")),
    Transfer(42, "web-3", 10.0, "ann", "because"),
)


@pytest.mark.parametrize("curbs", [NO_CURBS, ALL, Curbs(Pause("m", 3600.0, "ann"))], ids=str)
def test_what_was_written_is_read(curbs: Curbs) -> None:
    record = Office(led=7, released=7, run="r", lock="7", curbs=curbs).encode()

    assert Curbs.decode(json.dumps(curbs.as_fields())) == curbs
    assert Office.decode(record).curbs == curbs


def test_where_nothing_is_ordered_the_record_is_what_it_was_before() -> None:
    assert "curbs" not in Office(led=7, released=7, run="r", lock="7").encode()


def test_the_rest_of_a_record_is_left_alone() -> None:
    record = json.dumps({"led": 7, "released": 3, "run": "r", "lock": "7", "ordered": {"a": 1}})

    changed = Office.put_into(record.encode(), ALL)

    assert changed is not None
    assert json.loads(changed)["ordered"] == {"a": 1}
    assert Office.decode(changed) == Office(7, 3, "r", "7", curbs=ALL)


@pytest.mark.parametrize("record", [b"", b"[]", b"{}", b'{"led": true, "released": 1}', b"\xff"])
def test_into_what_is_no_record_nothing_is_put(record: bytes) -> None:
    assert Office.put_into(record, ALL) is None


@pytest.mark.parametrize(
    "fields",
    [
        None,
        [],
        {"pause": []},
        {"pause": {"mark": ""}},
        {"pause": {"mark": 7, "for_s": 1}},
        {"pause": {"mark": "m", "for_s": "1"}},
        {"pause": {"mark": "m", "for_s": -1}},
        {"pause": {"mark": "m", "for_s": 1e9}},
        {"pause": {"mark": "m", "for_s": True}},
        {"cordons": {"id": "web-1"}},
        {"cordons": [None, {}, {"id": 7}, {"id": ""}]},
        {"transfer": {"token": True, "to": "a", "within_s": 1}},
        {"transfer": {"token": 2**70, "to": "a", "within_s": 1}},
        {"transfer": {"token": 1, "to": "", "within_s": 1}},
        {"transfer": {"token": 1, "to": "a", "within_s": None}},
        {"transfer": {"token": 1, "to": "a", "within_s": 601}},
    ],
)
def test_what_cannot_be_read_does_not_hold(fields: object) -> None:
    assert not Curbs.read(fields)


def test_what_is_too_long_is_cut() -> None:
    long = "x" * 10_000
    cordons = [{"id": f"{number}{long}", "by": long, "at": long, "reason": long}
               for number in range(1000)]  # fmt: skip

    curbs = Curbs.read({"cordons": cordons, "pause": {"mark": long, "for_s": None, "by": long}})

    assert len(curbs.cordons) == MOST_CORDONS
    assert len(json.dumps(curbs.as_fields())) < 30_000


@pytest.mark.parametrize("raw", [None, b"", b"[" * 100_000, b"\xff", "no"])
def test_what_is_no_json_does_not_hold(raw: bytes | str | None) -> None:
    assert Curbs.decode(raw) == NO_CURBS
