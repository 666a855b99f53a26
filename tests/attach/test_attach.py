"""`coordsidecar attach`: an app that it did not start acts only while its sidecar leads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.attach.apps import APP, Apps, is_held, is_running
from tests.e2e.sidecars import has_ended, named, status_of, wait_for


def test_the_lead_moves_and_only_the_leaders_app_acts(apps: Apps) -> None:
    leader, led, *_ = apps.pair()

    leader.signal(signal.SIGTERM)

    apps.await_acts_of("b")
    assert is_held(led)
    assert leader.wait() == 128 + signal.SIGTERM
    assert apps.order() == ["a", "b"]


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


def test_an_app_that_is_started_again_is_found_again(apps: Apps) -> None:
    leader, led, _, held = apps.pair()

    held.end()
    led.end()
    again, held_again = apps.start("a"), apps.start("b")

    wait_for(lambda: is_held(held_again), "the second app to be held")
    wait_for(lambda: leader.log().count("the app goes on") > 1, "the first app to be found")
    wait_for(lambda: is_running(again), "the first app to act")
    assert is_held(held_again)


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


def test_by_its_pid_file(apps: Apps) -> None:
    pid_file = apps.folder / "app.pid"
    leader, led = apps.attach("a", pid_file=pid_file), apps.start("a", pid_file=pid_file)
    wait_for(lambda: "the app goes on" in leader.log(), "the app to be led")

    leader.signal(signal.SIGTERM)

    assert leader.wait() == 128 + signal.SIGTERM
    assert is_held(led)


def test_a_stranger_who_got_the_number_in_the_file_is_never_signalled(
    apps: Apps, tmp_path: Path
) -> None:
    pid_file = tmp_path / "stale.pid"
    popen = subprocess.Popen(["sleep", "600"])
    try:
        stranger = psutil.Process(popen.pid)
        pid_file.write_text(f"{popen.pid}\n")
        began_s = stranger.create_time()
        os.utime(pid_file, (began_s - 60, began_s - 60))

        sidecar = apps.attach("a", "--max-restarts", "1/60s", pid_file=pid_file)

        wait_for(lambda: sidecar.log().count("was not found") == 2, "the search to be given up")
        assert status_of(stranger) == psutil.STATUS_SLEEPING
        os.utime(pid_file)  # As if it had written it itself.
        wait_for(lambda: status_of(stranger) == psutil.STATUS_STOPPED, "the app to be held")
    finally:
        popen.kill()
        popen.wait()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_an_app_of_another_user_is_not_led(apps: Apps) -> None:
    app = apps.start("a")
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    apps.folder.chmod(0o777)
    for parent in apps.folder.parents:
        if parent.owner() == "root" and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o011)
    whom = ("--match-cmdline", f"{apps.label('a')}$")

    sidecar = apps.arena.start_words("attach", *apps.arena.options(), *whom, through=nobody)

    wait_for(lambda: "or give it the capability KILL" in sidecar.log(), "the remedy")
    assert is_running(app)
    assert "the app goes on" not in sidecar.log()
    assert not has_ended(psutil.Process(sidecar.pid))


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


@pytest.mark.parametrize("what", ["fifo", "folder", "text", "huge number", "negative"])
def test_a_pid_file_that_is_none_is_waited_for(apps: Apps, tmp_path: Path, what: str) -> None:
    pid_file = tmp_path / "app.pid"
    match what:
        case "fifo":
            os.mkfifo(pid_file)
        case "folder":
            pid_file.mkdir()
        case _:
            texts = {"text": "app\n", "huge number": "9" * 400, "negative": "-1\n"}
            pid_file.write_text(texts[what])
    sidecar = apps.attach("a", pid_file=pid_file)
    wait_for(lambda: "was not found" in sidecar.log(), "the search to be given up")

    pid_file.rmdir() if what == "folder" else pid_file.unlink()
    app = apps.start("a", pid_file=pid_file)

    wait_for(lambda: "the app goes on" in sidecar.log(), "the app to be led")
    assert is_running(app)


def test_another_sidecar_with_the_pattern_in_its_words_is_no_app(apps: Apps) -> None:
    first, second = apps.attach("a"), apps.attach("a", "--id", "another")
    app = apps.start("a")

    wait_for(lambda: "the app goes on" in first.log() + second.log(), "the app to be led")

    assert status_of(psutil.Process(first.pid)) != psutil.STATUS_STOPPED
    assert status_of(psutil.Process(second.pid)) != psutil.STATUS_STOPPED
    assert not has_ended(psutil.Process(app.main.pid))


def test_an_app_that_once_was_the_app_stays_it(apps: Apps) -> None:
    """Though nothing names it any more: the next leader's would act beside it."""
    pid_file = apps.folder / "app.pid"
    leader = apps.attach("a", "--max-restarts", "1/60s", pid_file=pid_file)
    led = apps.start("a", pid_file=pid_file)
    wait_for(lambda: "the app goes on" in leader.log(), "the app to be led")
    standby, held = apps.attach("b"), apps.start("b")
    wait_for(lambda: is_held(held), "the second app to be held")
    wait_for(lambda: "standing-by" in standby.log(), "the second instance to stand by")
    apps.forget()

    pid_file.unlink()
    leader.signal(signal.SIGTERM)

    apps.await_acts_of("b")
    assert is_held(led)
    assert apps.order() == ["a", "b"]


@pytest.mark.parametrize("by", ["hand", "guard", "elector"])
def test_whoever_holds_an_app_knows_whom_the_others_have_found(apps: Apps, by: str) -> None:
    """Its command line is another by then, and whoever has to look for it would not find it."""
    words = (*apps.arena.options(), "--match-cmdline", apps.label("a"), "--stop-timeout", "0.5s")
    leader = apps.arena.start_words("attach", *words)
    wait_for(lambda: "leads; " in leader.log(), "the sidecar to lead")
    changing = subprocess.Popen([*APP, str(apps.stamps), apps.label("a"), "and execs"])
    try:
        wait_for(lambda: "the app goes on" in leader.log(), "the app to be led")
        main = psutil.Process(changing.pid)
        wait_for(lambda: apps.label("a") not in main.cmdline(), "the app to be another program")
        if by == "guard":
            named(leader.children(), "app-hand")[0].suspend()

        leader.signal(signal.SIGKILL if by == "elector" else signal.SIGTERM)

        wait_for(lambda: status_of(main) == psutil.STATUS_STOPPED, "the app to be held")
        leader.wait()
    finally:
        changing.kill()
        changing.wait()


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


def test_who_started_the_sidecar_is_no_app(apps: Apps) -> None:
    """A shell, say, in whose command line the pattern stands."""
    words = " ".join([sys.executable, "-m", "coordsidecar", "attach", *apps.arena.options()])
    pattern = f"{apps.label('a')}$"
    shell = f"COORDSIDECAR_MATCH_CMDLINE={pattern!r} {words}; : {apps.label('a')}"

    leader = apps.arena.start_words("-c", shell, program=("sh",))
    app = apps.start("a")

    wait_for(lambda: "the app goes on" in leader.log(), "the app to be led")
    assert is_running(app)
    assert status_of(psutil.Process(leader.pid)) != psutil.STATUS_STOPPED


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

    held.main.send_signal(signal.SIGCONT)

    # It acts for a moment, as the documentation says, and writes.
    wait_for(lambda: f"{apps.label('b')} " in stamps.read_text(), "it to go on")
    wait_for(lambda: is_held(held), "it to be held again")
