"""docs/operations.md answers how to order something: see `tests.docs.test_operations`."""

from __future__ import annotations

import json
import re
import signal

import pytest

from tests.docs.desk import Desk, answers, lines, needs_curl
from tests.e2e.sidecars import wait_for

pytestmark = pytest.mark.usefixtures("outside_of_containers")


@answers("How do I hand over, without stopping a sidecar?")
def test_how_to_hand_over(desk: Desk) -> None:
    (line,) = map(desk.here, lines("How do I hand over, without stopping a sidecar?"))
    first = desk.stands("web-1")
    desk.stands("web-2")

    desk.types(f"{line} --yes")

    assert desk.leader() == "web-2"
    assert first.process.poll() is None
    assert "a reboot" in first.log()


@needs_curl
@answers("How do I order by HTTP?")
def test_how_to_order_by_http(desk: Desk) -> None:
    plain, in_full = lines("How do I order by HTTP?")
    sockets = [desk.folder / "1.sock", desk.folder / "2.sock"]
    for name, socket in zip(("web-1", "web-2"), sockets, strict=True):
        desk.stands(name, "--http", f"unix:{socket}")
    first, second = ({"/run/nightly.sock": str(socket)} for socket in sockets)

    ordered = json.loads(desk.types(desk.here(plain, **first)))
    wait_for(lambda: desk.leader() == "web-2", "the second to lead")
    too_late = json.loads(desk.types(desk.here(in_full, **second)))

    assert ordered["ordered"] == "step-down"
    assert re.fullmatch(r"the lead has moved: .* token \d+, not 42", too_late["refused"])


@answers("How do I hand over to one that I choose?")
def test_how_to_hand_over_to_a_chosen_one(desk: Desk) -> None:
    (line,) = map(desk.here, lines("How do I hand over to one that I choose?"))
    for name in ("web-1", "web-3", "web-2"):
        desk.stands(name)

    desk.types(f"{line} --yes")

    assert desk.leader() == "web-2"


@answers("How do I say which instance is to lead rather?")
def test_how_to_say_which_is_to_lead_rather(desk: Desk) -> None:
    large, small = map(desk.here, lines("How do I say which instance is to lead rather?"))
    one = desk.runs(small, "--id", "small")
    wait_for(one.leads, "the small one to lead")

    desk.runs(large.replace("5m", "3s"), "--id", "large", "--ttl", "3s")

    wait_for(lambda: desk.leader() == "large", "the large one to lead")


@answers("How do I keep everybody from taking over?")
def test_how_to_keep_everybody_from_taking_over(desk: Desk) -> None:
    pause, resume = map(desk.here, lines("How do I keep everybody from taking over?"))
    status = desk.here("coordsidecar status --store etcd://x nightly")
    first = desk.stands("web-1")
    second = desk.stands("web-2")

    desk.types(f"{pause} --yes")
    paused = desk.types(status, status=4)
    first.signal(signal.SIGTERM)
    first.wait()
    wait_for(lambda: " paused: " in second.log(), "the second to wait")
    desk.types(f"{resume} --yes")

    wait_for(second.leads, "the second to lead")
    assert "PAUSED for 1h: nobody new takes over; paused by " in paused
    assert "a migration by hand" in paused


@answers("How do I keep one host from leading?")
def test_how_to_keep_one_host_from_leading(desk: Desk) -> None:
    cordon, uncordon = map(desk.here, lines("How do I keep one host from leading?"))
    status = desk.here("coordsidecar status --store etcd://x nightly")
    desk.stands("web-1")
    desk.stands("web-2")

    desk.types(f"{cordon} --yes")
    cordoned = desk.types(status)
    desk.types(f"{uncordon} --yes")

    assert cordoned.startswith("default/nightly: led by web-2")
    assert "CORDONED web-1: cordoned by " in cordoned
    assert "CORDONED" not in desk.types(status)


@pytest.mark.parametrize("way", [0, 1, 2])
@answers("How do I reboot the leader's host?")
def test_how_to_reboot_the_leaders_host(desk: Desk, way: int) -> None:
    by_cordon, by_step_down, kill, wait = map(
        desk.here, lines("How do I reboot the leader's host?")
    )
    desk.script(desk.programs / "reboot", f"echo reboot >> {desk.folder / 'ledger'}")
    first = desk.stands("web-1")
    desk.stands("web-2")
    by_signal = f"{kill.replace('4711', str(first.pid))}\n{wait}"
    assert str(first.pid) in by_signal

    desk.types((by_cordon, by_step_down, by_signal)[way])

    assert desk.notes() == ["reboot"]
    assert desk.leader() == "web-2", "before anything was rebooted"
