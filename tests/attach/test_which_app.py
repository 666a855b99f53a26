"""`coordsidecar attach`: which process is the app, which ones never are, and that it stays it."""

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


def test_an_app_that_is_started_again_is_found_again(apps: Apps) -> None:
    leader, led, _, held = apps.pair()

    held.end()
    led.end()
    again, held_again = apps.start("a"), apps.start("b")

    wait_for(lambda: is_held(held_again), "the second app to be held")
    wait_for(lambda: leader.log().count("the app goes on") > 1, "the first app to be found")
    wait_for(lambda: is_running(again), "the first app to act")
    assert is_held(held_again)


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


def test_that_who_is_younger_than_its_pid_file_is_passed_over_is_said_and_what_to_do(
    apps: Apps, tmp_path: Path
) -> None:
    """An app is, too, whose host's clock was set forward since."""
    pid_file = tmp_path / "app.pid"
    app = apps.start("a", pid_file=pid_file)
    wait_for(lambda: pid_file.exists() and pid_file.read_text(), "the app to write its file")
    began_s = psutil.Process(app.main.pid).create_time()
    os.utime(pid_file, (began_s - 60, began_s - 60))

    sidecar = apps.attach("a", pid_file=pid_file)
    wait_for(lambda: "write the file anew" in sidecar.log(), "it to be said")
    os.utime(pid_file)

    wait_for(lambda: "the app goes on" in sidecar.log(), "the app to be led")
    assert f"process {app.main.pid}, which {pid_file} names" in sidecar.log()


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
