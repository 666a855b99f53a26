"""Ctrl-Z, fg and bg: sidecar and job stop and go on together, and the shell has its prompt."""

from __future__ import annotations

import os
import shlex
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.e2e.arena import Arena
from tests.e2e.sidecars import wait_for
from tests.guard.shell import CTRL_C, CTRL_Z, TICK, Shell
from tests.guard.terminal import terminal
from tests.guard.test_hooks import note, notes
from tests.guard.usurper import usurped


def test_ctrl_z_suspends_both_and_fg_resumes_both(shell: Shell) -> None:
    shell.run(shell.line(TICK))
    shell.screen.wait_for("tick")

    shell.screen.type(CTRL_Z)

    shell.prompts()
    shell.owners(psutil.STATUS_STOPPED)
    shell.run("fg")
    shell.screen.wait_for("tick")
    shell.screen.type(CTRL_C)
    shell.screen.wait_for("job-got-INT")
    shell.last_code(7)


def test_ctrl_z_works_again_and_again(shell: Shell) -> None:
    shell.run(shell.line(TICK))
    for _ in range(3):
        shell.screen.wait_for("tick")

        shell.screen.type(CTRL_Z)

        shell.prompts()
        shell.owners(psutil.STATUS_STOPPED)
        shell.run("fg")
        shell.screen.clear()
    shell.screen.wait_for("tick")


@pytest.mark.parametrize("signal", ["TSTP", "STOP"])
def test_a_job_that_stops_itself_gives_the_shell_its_prompt(shell: Shell, signal: str) -> None:
    shell.run(shell.line(f"echo job-is-up; kill -{signal} $$; echo job-is-back"))
    shell.screen.wait_for("job-is-up")

    shell.prompts()

    shell.owners(psutil.STATUS_STOPPED)
    shell.run("fg")
    shell.screen.wait_for("job-is-back")
    shell.last_code(0)


def test_a_job_in_the_background_stops_when_it_reads_and_fg_lets_it_read(shell: Shell) -> None:
    shell.run(shell.line('read line; echo "you said: $line"') + " &")
    shell.owners(psutil.STATUS_STOPPED)
    shell.prompts()

    shell.run("fg")
    shell.screen.type("words\n")

    shell.screen.wait_for("you said: words")
    shell.last_code(0)


def test_bg_lets_a_suspended_job_go_on_in_the_background(shell: Shell) -> None:
    shell.run(shell.line(TICK))
    shell.screen.wait_for("tick")
    shell.screen.type(CTRL_Z)
    shell.prompts()

    shell.run("bg")

    shell.screen.wait_for("tick", times=3)
    shell.prompts()
    shell.run("kill %1; wait %1")
    shell.prompts()
    wait_for(lambda: len(shell.screen.everyone()) == 1, "all but the shell to end")


def test_a_suspended_sidecar_can_be_killed(shell: Shell) -> None:
    shell.run(shell.line(TICK))
    shell.screen.wait_for("tick")
    shell.screen.type(CTRL_Z)
    shell.prompts()
    shell.owners(psutil.STATUS_STOPPED)

    shell.run("kill -KILL %1")

    wait_for(lambda: len(shell.screen.everyone()) == 1, "all but the shell to end")


def test_a_job_that_was_stopping_goes_on_stopping_after_fg(shell: Shell) -> None:
    program = (
        "trap 'echo job-got-TERM; read line; exit 3' TERM; echo job-is-up;"
        "while :; do read -t 0.05; done"
    )
    shell.run(shell.line(f"exec bash -c {shlex.quote(program)}", "--stop-timeout", "600s"))
    shell.screen.wait_for("job-is-up")
    shell.guards()[0].terminate()
    shell.screen.wait_for("job-got-TERM")
    shell.screen.wait_for("stopping the job")  # And SIGCONT is sent, which would undo a Ctrl-Z.

    shell.screen.type(CTRL_Z)

    shell.owners(psutil.STATUS_STOPPED)
    shell.prompts()
    shell.run("fg")
    shell.screen.type("\n")
    shell.screen.wait_for("job-ended")
    shell.last_code(3)


def test_ctrl_z_suspends_a_standby_command_and_fg_resumes_it(shell: Shell, arena: Arena) -> None:
    arena.start()
    arena.stamps.wait_for_stints(1)
    standby = arena.folder / "standby.sh"
    standby.write_text(TICK)
    shell.run(shell.line("exit 9", "--standby", f"sh {standby}"))
    shell.screen.wait_for("tick")

    shell.screen.type(CTRL_Z)

    shell.prompts()
    shell.owners(psutil.STATUS_STOPPED)
    shell.run("fg")
    shell.screen.wait_for("tick", times=3)


def test_a_tree_that_is_frozen_to_stand_by_does_not_suspend_us(shell: Shell, arena: Arena) -> None:
    """The job stops, but not for want of the terminal, which is ours meanwhile for Ctrl-C."""
    shell.run(shell.line(TICK, "--while-standby", "freeze", "--takeover-delay", "0s"))
    shell.screen.wait_for("tick")

    with usurped(arena):
        shell.screen.wait_for("standing-by")
        shell.screen.clear()

    shell.screen.wait_for("tick", times=3)
    shell.screen.type(CTRL_C)
    shell.screen.wait_for("job-got-INT")
    shell.last_code(7)


def test_ctrl_c_ends_a_sidecar_whose_tree_is_frozen(shell: Shell, arena: Arena) -> None:
    shell.run(shell.line(TICK, "--while-standby", "freeze"))
    shell.screen.wait_for("tick")

    with usurped(arena):
        shell.screen.wait_for("standing-by")

        shell.screen.type(CTRL_C)

        shell.last_code(130)


def test_ctrl_z_with_nobody_to_resume_us_suspends_nobody(arena: Arena, tmp_path: Path) -> None:
    """As in `docker run -it`: the sidecar leads the session, and no shell could say fg."""
    job = tmp_path / "job.sh"
    job.write_text(TICK)
    line = [sys.executable, "-m", "coordsidecar", *arena.options(), "--", "sh", str(job)]
    with terminal(*line, env=dict(os.environ)) as screen:
        screen.wait_for("tick")

        screen.type(CTRL_Z)

        screen.clear()
        screen.wait_for("tick", times=5)
        screen.type(CTRL_C)
        screen.wait_for("job-got-INT")
        assert screen.process.wait(timeout=60) == 7


def test_a_job_that_is_suspended_is_not_sick_when_it_goes_on(shell: Shell, tmp_path: Path) -> None:
    """Nobody looks meanwhile: that it does nothing is no fault of its own."""
    beat, ledger = tmp_path / "beat", tmp_path / "ledger"
    too_old = (
        f"import os, time; raise SystemExit(time.time() - os.stat({str(beat)!r}).st_mtime > 5)"
    )
    check = f"{note(ledger, 'check')}; {shlex.join([sys.executable, '-S', '-c', too_old])}"
    often = ("--health-interval", "100ms", "--health-fall", "1", "--ttl", "30s")
    # No shell program, for the same reason as TICK is none.
    beats = f"import time\nwhile True:\n open({str(beat)!r}, 'w').close()\n time.sleep(0.05)"
    job = shlex.join([sys.executable, "-I", "-S", "-c", beats])
    shell.run(shell.line(f"exec {job}", "--health-cmd", check, *often))
    shell.screen.wait_for(" healthy: ")

    shell.screen.type(CTRL_Z)
    shell.prompts()
    wait_for(lambda: time.time() - beat.stat().st_mtime > 6, "it to have done nothing for a while")
    shell.run("fg")

    looks = len(notes(ledger))
    wait_for(lambda: len(notes(ledger)) > looks + 2, "it to be looked at again")
    shell.screen.type(CTRL_C)
    shell.last_code(130)
    assert "unhealthy" not in shell.screen.screen
