"""`coordsidecar attach`: an app that it did not start acts only while its sidecar leads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil
import pytest

from tests.attach.apps import Apps, is_held, is_running
from tests.e2e.sidecars import has_ended, named, status_of, wait_for
from tests.e2e.test_roster import leader


def test_the_lead_moves_and_only_the_leaders_app_acts(apps: Apps) -> None:
    leader, led, *_ = apps.pair()

    leader.signal(signal.SIGTERM)

    apps.await_acts_of("b")
    assert is_held(led)
    assert leader.wait() == 128 + signal.SIGTERM
    assert apps.order() == ["a", "b"]


def test_no_process_of_ours_is_shown_as_the_app(apps: Apps) -> None:
    apps.pair()

    wait_for(lambda: leader(apps.arena).get("said_at"), "the leader to say what it does")

    assert leader(apps.arena)["job"] == {"state": "none", "pid": None}


def test_an_app_that_was_held_goes_on_where_it_was(apps: Apps) -> None:
    leader, _, standby, held = apps.pair()
    leader.signal(signal.SIGTERM)
    apps.await_acts_of("b")

    apps.attach("a")
    wait_for(lambda: "leads; " in standby.log(), "the second instance to lead")
    standby.signal(signal.SIGTERM)

    apps.await_acts_of("a")
    assert is_held(held)
    assert apps.order() == ["a", "b", "a"]


def test_a_leader_whose_app_does_not_come_back_makes_way(apps: Apps) -> None:
    leader, led, *_ = apps.pair("--max-restarts", "1/60s")

    led.end()

    apps.await_acts_of("b")
    assert "was not found within 5s" in leader.log()


def test_an_app_is_held_before_its_dead_guards_lead_is_given_up(apps: Apps) -> None:
    leader, led, *_ = apps.pair()

    leader.signal(signal.SIGKILL)

    apps.await_acts_of("b")
    assert is_held(led)
    assert apps.order() == ["a", "b"]


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_an_app_is_held_though_guard_and_elector_are_out_of_action(
    etcd_apps: Apps, how: str
) -> None:
    """By the fuse."""
    leader, led, *_ = etcd_apps.pair()
    elector = leader.elector()

    for pid in (elector.pid, leader.pid):
        os.kill(pid, signal.SIGKILL if how == "killed" else signal.SIGSTOP)

    etcd_apps.await_acts_of("b")
    assert is_held(led)
    assert etcd_apps.order() == ["a", "b"]


def test_an_app_is_held_though_the_hand_that_let_it_go_is_stopped(apps: Apps) -> None:
    """The guard waits no longer for it than for a job that does not stop."""
    leader, led, *_ = apps.pair("--stop-timeout", "0.5s")
    (hand,) = named(leader.children(), "app-hand")

    hand.suspend()
    leader.signal(signal.SIGTERM)

    apps.await_acts_of("b")
    assert is_held(led)
    assert apps.order() == ["a", "b"]


def test_an_app_of_a_leader_that_is_cut_off_is_held_before_the_next_acts(etcd_apps: Apps) -> None:
    arena = etcd_apps.arena
    wire = arena.proxy()
    whom = ("--match-cmdline", f"{etcd_apps.label('a')}$")
    leader = arena.start_words("attach", *arena.options(by=wire), *whom)
    led = etcd_apps.start("a")
    wait_for(lambda: "the app goes on" in leader.log(), "the first app to be led")
    etcd_apps.attach("b")
    held = etcd_apps.start("b")
    wait_for(lambda: is_held(held), "the second app to be held")
    etcd_apps.forget()

    wire.black_hole()

    etcd_apps.await_acts_of("b")
    assert is_held(led)
    assert etcd_apps.order() == ["a", "b"]
    wire.heal()


def test_who_is_asked_to_end_while_held_is_ended(apps: Apps) -> None:
    """A kubelet asks by SIGTERM, on which a stopped process cannot act: it would wait for all of
    the grace period. To let it act would let it go on with what it was stopped at."""
    _, _, _, held = apps.pair()

    held.main.terminate()

    assert held.main.wait(timeout=60) == -signal.SIGKILL
    assert apps.order() in ([], ["a"])


def test_with_hold_end_a_standbys_app_is_ended_whenever_it_appears(apps: Apps) -> None:
    leader = apps.attach("a", "--hold", "end")
    wait_for(lambda: "leads; " in leader.log(), "the first instance to lead")
    led = apps.start("a")
    wait_for(lambda: "the app goes on" in leader.log(), "the first app to be led")
    standby = apps.attach("b", "--hold", "end")
    wait_for(lambda: "standing-by" in standby.log(), "the second instance to stand by")

    for _ in range(2):
        assert apps.start("b").main.wait(timeout=60) == -signal.SIGKILL

    leader.signal(signal.SIGTERM)
    assert led.main.wait(timeout=60) == -signal.SIGTERM
    wait_for(lambda: "leads; " in standby.log(), "the second instance to lead")
    last = apps.start("b")
    wait_for(lambda: "the app goes on" in standby.log(), "the second app to be led")
    assert is_running(last)


def test_what_an_app_that_has_ended_leaves_behind_is_ended(apps: Apps) -> None:
    """It would act beside the next leader's app, and nothing would lead to it any more."""
    leader, led, *_ = apps.pair("--max-restarts", "1/60s")
    worker = next(one for one in led.everybody if one.pid != led.main.pid)

    led.main.kill()
    led.main.wait()

    wait_for(lambda: has_ended(worker), "what is left to end")
    apps.await_acts_of("b")
    assert "ending what is left of it" in leader.log()


def test_whoever_stops_an_app_that_leads_is_not_contradicted(apps: Apps) -> None:
    """A debugger may hold it."""
    leader, led, _, held = apps.pair()
    led.main.send_signal(signal.SIGSTOP)

    held.end()  # For the hand to have something else to look at, as time goes by.
    again = apps.start("b")

    wait_for(lambda: is_held(again), "the second app to be held")
    assert status_of(psutil.Process(led.main.pid)) == psutil.STATUS_STOPPED
    assert leader.log().count("the app goes on") == 1


def test_an_app_in_the_midst_of_starting_another_program_is_held(apps: Apps) -> None:
    """By vfork its parent waits, and no signal wakes it, until the child has executed it: were the
    child stopped before that, both would wait for ever, and so would all others for the lead."""
    program = "import os\nwhile True: os.waitpid(os.posix_spawn('/bin/true', ['true'], {}), 0)"
    for _ in range(5):
        leader = apps.attach("a")
        wait_for(lambda: "leads; " in leader.log(), "the sidecar to lead")  # noqa: B023
        spawning = subprocess.Popen([sys.executable, "-c", f"{program} # {apps.label('a')}"])
        try:
            wait_for(lambda: "the app goes on" in leader.log(), "the app to be led")  # noqa: B023

            leader.signal(signal.SIGTERM)

            assert leader.wait() == 128 + signal.SIGTERM
            assert status_of(psutil.Process(spawning.pid)) == psutil.STATUS_STOPPED
        finally:
            spawning.kill()
            spawning.wait()


def test_an_interrupt_holds_the_app(apps: Apps) -> None:
    """Ctrl-C is for the sidecar; the app is not its child, to be interrupted with it."""
    leader, led, *_ = apps.pair()

    leader.signal(signal.SIGINT)

    apps.await_acts_of("b")
    assert is_held(led)
    assert not has_ended(psutil.Process(led.main.pid))


def test_a_held_app_that_somebody_continues_is_stopped_again(apps: Apps) -> None:
    _, _, _, held = apps.pair()
    stamps = apps.stamps

    def goes_on() -> bool:
        held.main.send_signal(signal.SIGCONT)
        return f"{apps.label('b')} " in stamps.read_text()

    # It acts for a moment, as the documentation says, and writes; or is held before it could.
    wait_for(goes_on, "it to go on")
    wait_for(lambda: is_held(held), "it to be held again")
