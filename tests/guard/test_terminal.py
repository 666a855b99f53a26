"""Terminals: the job has it while it runs, and the shell gets it back."""

from __future__ import annotations

import os
import shlex
import signal
import sys

import pytest

from tests.e2e.arena import Arena
from tests.e2e.sidecars import wait_for
from tests.guard.shell import CTRL_BACKSLASH, CTRL_C, CTRL_D, TICK, Shell
from tests.guard.terminal import terminal


@pytest.mark.parametrize(("key", "name", "code"), [(CTRL_C, "INT", 7), (CTRL_BACKSLASH, "QUIT", 8)])
def test_keys_reach_the_job_and_its_code_the_shell(
    shell: Shell, key: str, name: str, code: int
) -> None:
    shell.run(shell.line(TICK))
    shell.screen.wait_for("job-is-up")

    shell.screen.type(key)

    shell.screen.wait_for(f"job-got-{name}")
    shell.last_code(code)


@pytest.mark.parametrize("restart", ["never", "on-failure", "always"])
def test_a_job_that_ends_of_ctrl_c_is_not_started_again(arena: Arena, restart: str) -> None:
    """Its code is that of SIGINT, as with a shell; or Ctrl-C would never end us."""
    line = [sys.executable, "-m", "coordsidecar", *arena.options(), "--restart", restart]
    with terminal(*line, "--", "sleep", "600", env=dict(os.environ)) as screen:
        screen.wait_for("started the job")

        screen.type(CTRL_C)

        assert screen.process.wait(timeout=60) == 128 + signal.SIGINT
        assert not screen.everyone()


def test_a_job_that_outlives_ctrl_c_goes_on(arena: Arena) -> None:
    line = [sys.executable, "-m", "coordsidecar", *arena.options(), "--restart", "always"]
    job = ["sh", "-c", "trap 'echo got it' INT; echo up; while :; do sleep 0.05; done"]
    with terminal(*line, "--", *job, env=dict(os.environ)) as screen:
        screen.wait_for("up")

        screen.type(CTRL_C)

        screen.wait_for("got it")
        screen.clear()
        screen.type(CTRL_C)
        screen.wait_for("got it")


def test_an_interactive_program_reads_the_terminal(shell: Shell) -> None:
    job = 'test -t 0 && test -t 1 && test -t 2 && read line && echo "you said: $line"'
    shell.run(shell.line(job))
    shell.screen.wait_for("started the job")

    shell.screen.type("words\n")

    shell.screen.wait_for("you said: words")
    shell.last_code(0)


def test_the_terminal_goes_back_to_the_shell_at_the_end(shell: Shell) -> None:
    shells = shell.screen.foreground()
    shell.run(shell.line("echo job-is-up; read line"))
    shell.screen.wait_for("job-is-up")
    jobs = shell.screen.foreground()

    shell.screen.type("\n")

    shell.last_code(0)
    assert shell.screen.foreground() == shells
    assert jobs != shells


def test_the_terminal_goes_back_to_a_script_at_the_end(arena: Arena) -> None:
    """A shell without job control does not take it back by itself."""
    line = [sys.executable, "-m", "coordsidecar", *arena.options(), "--", "echo", "job-is-up"]
    script = f"{shlex.join(line)}; read line; echo after-$line"
    with terminal("sh", "-c", script, env=dict(os.environ)) as screen:
        screen.wait_for("job-ended")

        screen.type("words\n")

        screen.wait_for("after-words")


def test_a_pipeline_gets_the_end_of_its_input(shell: Shell) -> None:
    shell.run(shell.line("cat") + " | tr a-z A-Z")
    shell.screen.wait_for("started the job")

    shell.screen.type("words\n" + CTRL_D)

    shell.screen.wait_for("WORDS")
    shell.last_code(0)


def test_a_terminal_that_is_closed_leaves_nobody_behind(shell: Shell) -> None:
    shell.run(shell.line("echo job-is-up; while :; do sleep 0.05; done"))
    shell.screen.wait_for("job-is-up")

    shell.screen.hang_up()

    wait_for(lambda: not shell.screen.everyone(), "everybody to end")
