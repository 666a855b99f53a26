"""An order, as anybody may write it."""

from __future__ import annotations

import json

import pytest

from coordsidecar.store.orders import Order

ORDER = Order(7, 30.0, "ann@web-1", "a reboot")
FIELDS = json.loads(ORDER.encode())


def test_it_is_read_as_it_was_written() -> None:
    assert Order.decode(ORDER.encode()) == ORDER
    assert ORDER.why == "ann@web-1 ordered to step down: a reboot"
    assert Order(7, 30.0, "ann").why == "ann ordered to step down"


@pytest.mark.parametrize(
    "raw",
    [
        *(None, "", b"", b"\x00\xff", "[", "[]", "7", "null", "[" * 100_000),
        json.dumps(FIELDS | {"reason": "x" * 20_000}),
    ],
)
def test_what_is_none_is_none(raw: str | bytes | None) -> None:
    assert Order.decode(raw) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("order", value) for value in ("stop", None, 1, ["step-down"])),
        *(("token", value) for value in (0, -1, 2**62, True, 7.0, "7", None)),
        *(("sit_out_s", value) for value in (-0.1, 3600.1, True, "30", None, 10**400)),
        *((text, value) for text in ("by", "reason") for value in (None, 1, ["ann"])),
    ],
)
def test_one_with_a_field_that_cannot_be_is_none(field: str, value: object) -> None:
    assert Order.decode(json.dumps(FIELDS | {field: value})) is None


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_nor_is_a_rest_that_is_no_number_of_seconds(value: str) -> None:
    assert Order.decode(ORDER.encode().replace("30.0", value)) is None


def test_it_stands_in_a_record_beside_all_that_was_there() -> None:
    record = b'{"led": 7, "released": 3, "of another version": [1]}'

    with_it = ORDER.put_into(record)

    assert with_it is not None
    assert Order.within(with_it.encode()) == ORDER
    assert json.loads(record).items() <= json.loads(with_it).items()
    assert Order.within(record) is None


def test_the_longest_that_can_be_written_can_be_read_in_a_record_too() -> None:
    order = Order(2**62 - 1, 3600.0, "\U0001f600" * 100, "\U0001f600" * 500)

    with_it = order.put_into(json.dumps({"led": 2**62 - 1, "run": "x" * 64}).encode())

    assert with_it is not None
    assert Order.within(with_it.encode()) == order
    assert Order.decode(order.encode()) == order


@pytest.mark.parametrize("record", [b"", b"[", b"[]", b"7", b"null"])
def test_in_what_is_no_record_there_is_none_and_none_is_put(record: bytes) -> None:
    assert ORDER.put_into(record) is None
    assert Order.within(record) is None


def test_texts_are_cut_to_a_size_that_a_message_can_carry() -> None:
    order = Order.decode(json.dumps(FIELDS | {"by": "x" * 3000, "reason": "y" * 3000}))

    assert order is not None
    assert len(order.why) < 1000
    assert Order.decode(json.dumps(FIELDS | {"by": ""})) == Order(7, 30.0, "somebody", "a reboot")
