"""Orders by HTTP that hold until somebody says otherwise."""

from __future__ import annotations

import os

import pytest

from coordsidecar.store.curbs import MOST_CORDONS, NO_CURBS, Cordon, Curbs, Pause
from coordsidecar.store.protocol import RefusedError, UnreachableError
from tests.elector.door import WITH_TOKEN, Door


def test_a_pause_stands_in_the_store_with_who_asked_and_why(file: Door) -> None:
    status, told = file.post({"for_s": 60, "reason": "a migration", "token": 7}, "/v1/pause")

    pause = file.curbs.pause
    assert pause is not None
    assert (status, told["ordered"], told["before"]["id"]) == (200, "pause", "a")
    assert told["holds"]["pause"]["mark"] == pause.mark
    assert (pause.for_s, pause.reason) == (60.0, "a migration")
    assert pause.by == f"HTTP client of uid {os.getuid()} (pid {os.getpid()})"


def test_nothing_need_be_said_and_each_pause_is_another(file: Door) -> None:
    marks = set()
    for fields in (None, {}, {"for_s": None}):
        assert file.post(fields, "/v1/pause")[0] == 200
        assert file.curbs.pause is not None
        assert file.curbs.pause.for_s is None
        marks.add(file.curbs.pause.mark)

    assert len(marks) == 3


def test_to_resume_is_to_end_the_pause_and_nothing_else(file: Door) -> None:
    cordons = (Cordon("b", "ann"),)
    file.curbs = Curbs(Pause("m", None, "ann"), cordons)

    answers = [file.post(None, "/v1/resume") for _ in range(2)]

    assert [status for status, _ in answers] == [200, 200]
    assert file.curbs == Curbs(cordons=cordons)


def test_an_instance_is_cordoned_itself_unless_another_is_named(file: Door) -> None:
    file.post({"reason": "a reboot"}, "/v1/cordon")
    file.post({"id": "b"}, "/v1/cordon")
    file.post({"id": "b", "reason": "again"}, "/v1/cordon")
    both = [(cordon.id, cordon.reason) for cordon in file.curbs.cordons]
    file.post({}, "/v1/uncordon")
    other = [cordon.id for cordon in file.curbs.cordons]
    file.post({"id": "b"}, "/v1/uncordon")

    assert both == [("a", "a reboot"), ("b", "")]
    assert other == ["b"]
    assert file.curbs == NO_CURBS


def test_no_more_are_cordoned_than_may_be(file: Door) -> None:
    full = Curbs(cordons=tuple(Cordon(str(number), "ann") for number in range(MOST_CORDONS)))
    file.curbs = full

    status, told = file.post({"id": "b"}, "/v1/cordon")

    assert (status, told["refused"]) == (409, "32 instances are cordoned already")
    assert file.curbs == full


@pytest.mark.parametrize("path", ["/v1/pause", "/v1/resume", "/v1/cordon", "/v1/uncordon"])
def test_an_order_to_another_term_is_refused(file: Door, path: str) -> None:
    status, told = file.post({"token": 8}, path)

    assert (status, told["refused"]) == (412, "this instance does not lead under token 8")
    assert file.curbs == NO_CURBS


@pytest.mark.parametrize(
    ("error", "status"), [(UnreachableError("no answer"), 503), (RefusedError("no right"), 409)]
)
def test_what_the_store_says_is_told(
    file: Door, error: UnreachableError | RefusedError, status: int
) -> None:
    file.store_says = error

    assert file.post({}, "/v1/pause") == (
        status,
        {"version": 1, "refused": str(error), "before": file.state},
    )


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        *(("/v1/pause", {"for_s": value}) for value in (0, -1, "1", True, 1e9)),
        *(("/v1/pause", {"reason": value}) for value in (1, None, "x" * 201)),
        *(("/v1/cordon", {"id": value}) for value in (1, "", None, "x" * 201)),
        *(("/v1/uncordon", {"id": value}) for value in (1, "", None)),
        *(("/v1/resume", {"token": value}) for value in ("7", True, 7.0)),
        *((path, {"sit_out_s": 1}) for path in ("/v1/pause", "/v1/resume", "/v1/cordon")),
    ],
)
def test_what_cannot_be_ordered_is_told(file: Door, path: str, fields: dict[str, object]) -> None:
    status, told = file.post(fields, path)

    assert status == 400
    assert told["refused"]
    assert file.curbs == NO_CURBS


def test_at_a_port_it_takes_the_token(port: Door) -> None:
    without, _ = port.post({}, "/v1/pause")
    held = port.curbs
    with_it, _ = port.post({}, "/v1/pause", **WITH_TOKEN)

    assert (without, held) == (401, NO_CURBS)
    assert with_it == 200
    assert port.curbs.pause is not None
