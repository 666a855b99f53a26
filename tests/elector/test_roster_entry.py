"""What an instance says of itself in the roster."""

from __future__ import annotations

import json

from coordsidecar.core.messages import Condition
from coordsidecar.elector import shown
from coordsidecar.signs import Signs
from coordsidecar.value import replace
from tests.elector.test_rostering import LEADING, SINCE_S, WAITING, settings


def test_it_says_who_it_is_and_what_it_does() -> None:
    us, signs = settings(label="zone=a,rack=3"), Signs()
    signs.job_is("running", 4711)

    said = json.loads(shown.entry(us, '{"id": "us"}', LEADING, signs, since_unix_s=SINCE_S))

    assert said.pop("said_at").endswith("Z")
    assert said == {
        "id": "us",
        "role": "leader",
        "token": 7,
        "role_since": "2023-11-14T22:13:20Z",
        "job": {"state": "running", "pid": 4711},
        "reason": "elected",
        "labels": {"zone": "a", "rack": "3"},
    }


def test_who_stands_by_says_so_and_how_it_is() -> None:
    us = settings(**{"health-cmd": "true"})
    sick = replace(WAITING, condition=Condition("sick", "no answer"))

    said = json.loads(shown.entry(us, "{}", sick, Signs(), since_unix_s=SINCE_S))

    assert (said["role"], said["token"], said["health"]) == ("standby", None, "sick")
    assert said["job"] == {"state": "none", "pid": None}
