"""Terminals: the job has it while it runs, and the shell gets its prompt back."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.arena import Arena
from tests.e2e.sidecars import wait_for
from tests.guard.terminal import Terminal, terminal
from tests.guard.usurper import usurped

_TICK = f"exec {sys.executable} -I -S {Path(__file__).parent / 'jobs' / 'tick.py'}"
_CTRL_C, _CTRL_Z, _CTRL_D, _CTRL_BACKSLASH = "\x03", "\x1a", "\x04", "\x1c"


class Shell:
    """An interactive bash with job control, and how to start a sidecar in it."""

    def __init__(self, screen: Terminal, arena: Arena) -> None:
        self.screen = screen
        self._arena = arena

    def line(self, job: str, *options: str) -> str:
        """The command line that has a sidecar run the shell program ``job``."""
        path = self._arena.folder / "job.sh"
        path.write_text(job)
        words = ["coordsidecar", *self._arena.options(), *options, "--", "sh", str(path)]
        return shlex.join([sys.executable, "-m", *words])

    def run(self, line: str) -> None:
        self.screen.type(line + "\n")

    def prompts(self) -> None:
        """Wait until the shell answers: the terminal is its own again."""
        self.run("echo prompt-$((6 * 7))")
        self.screen.wait_for("prompt-42")
        self.screen.clear()

    def last_code(self, code: int) -> None:
        self.run("echo code-$(($?))")
        self.screen.wait_for(f"code-{code}\r\n")

    def owners(self, state: str) -> list[psutil.Process]:
        """Guard and job, as soon as they are in ``state``."""
        wait_for(lambda: self._in(state), f"guard and job to be {state}")
        return self._in(state)

    def guards(self) -> list[psutil.Process]:
        """The guard, and what else the shell has started."""
        return psutil.Process(self.screen.process.pid).children()

    def _in(self, state: str) -> list[psutil.Process]:
        both = self.guards()
        for guard in self.guards():
            for child in guard.children():
                with contextlib.suppress(psutil.ZombieProcess):  # An elector that has resigned.
                    both += [child] if "coordsidecar" not in child.cmdline() else []
        return both if len(both) > 1 and {one.status() for one in both} == {state} else []


@pytest.fixture
def shell(arena: Arena) -> Iterator[Shell]:
    env = {name: value for name, value in os.environ.items() if "COORDSIDECAR" not in name}
    bash = ("bash", "--norc", "--noprofile", "--noediting", "-i")
    with terminal(*bash, env=env) as screen:
        shell = Shell(screen, arena)
        shell.run("stty -echo")
        shell.prompts()
        yield shell


@pytest.mark.parametrize(
    ("key", "name", "code"), [(_CTRL_C, "INT", 7), (_CTRL_BACKSLASH, "QUIT", 8)]
)
def test_keys_reach_the_job_and_its_code_the_shell(
    shell: Shell, key: str, name: str, code: int
) -> None:
    shell.run(shell.line(_TICK))
    shell.screen.wait_for("job-is-up")

    shell.screen.type(key)

    shell.screen.wait_for(f"job-got-{name}")
    shell.last_code(code)


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


def test_ctrl_z_suspends_both_and_fg_resumes_both(shell: Shell) -> None:
    shell.run(shell.line(_TICK))
    shell.screen.wait_for("tick")

    shell.screen.type(_CTRL_Z)

    shell.prompts()
    shell.owners(psutil.STATUS_STOPPED)
    shell.run("fg")
    shell.screen.wait_for("tick")
    shell.screen.type(_CTRL_C)
    shell.screen.wait_for("job-got-INT")
    shell.last_code(7)


def test_ctrl_z_works_again_and_again(shell: Shell) -> None:
    shell.run(shell.line(_TICK))
    for _ in range(3):
        shell.screen.wait_for("tick")

        shell.screen.type(_CTRL_Z)

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
    shell.run(shell.line(_TICK))
    shell.screen.wait_for("tick")
    shell.screen.type(_CTRL_Z)
    shell.prompts()

    shell.run("bg")

    shell.screen.wait_for("tick", times=3)
    shell.prompts()
    shell.run("kill %1; wait %1")
    shell.prompts()
    wait_for(lambda: len(shell.screen.everyone()) == 1, "all but the shell to end")


def test_a_pipeline_gets_the_end_of_its_input(shell: Shell) -> None:
    shell.run(shell.line("cat") + " | tr a-z A-Z")
    shell.screen.wait_for("started the job")

    shell.screen.type("words\n" + _CTRL_D)

    shell.screen.wait_for("WORDS")
    shell.last_code(0)


def test_a_terminal_that_is_closed_leaves_nobody_behind(shell: Shell) -> None:
    shell.run(shell.line("echo job-is-up; while :; do sleep 0.05; done"))
    shell.screen.wait_for("job-is-up")

    shell.screen.hang_up()

    wait_for(lambda: not shell.screen.everyone(), "everybody to end")


def test_a_suspended_sidecar_can_be_killed(shell: Shell) -> None:
    shell.run(shell.line(_TICK))
    shell.screen.wait_for("tick")
    shell.screen.type(_CTRL_Z)
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

    shell.screen.type(_CTRL_Z)

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
    standby.write_text(_TICK)
    shell.run(shell.line("exit 9", "--standby", f"sh {standby}"))
    shell.screen.wait_for("tick")

    shell.screen.type(_CTRL_Z)

    shell.prompts()
    shell.owners(psutil.STATUS_STOPPED)
    shell.run("fg")
    shell.screen.wait_for("tick", times=3)


def test_a_tree_that_is_frozen_to_stand_by_does_not_suspend_us(shell: Shell, arena: Arena) -> None:
    """The job stops, but not for want of the terminal, which is ours meanwhile for Ctrl-C."""
    shell.run(shell.line(_TICK, "--while-standby", "freeze", "--takeover-delay", "0s"))
    shell.screen.wait_for("tick")

    with usurped(arena):
        shell.screen.wait_for("standing-by")
        shell.screen.clear()

    shell.screen.wait_for("tick", times=3)
    shell.screen.type(_CTRL_C)
    shell.screen.wait_for("job-got-INT")
    shell.last_code(7)


def test_ctrl_c_ends_a_sidecar_whose_tree_is_frozen(shell: Shell, arena: Arena) -> None:
    shell.run(shell.line(_TICK, "--while-standby", "freeze"))
    shell.screen.wait_for("tick")

    with usurped(arena):
        shell.screen.wait_for("standing-by")

        shell.screen.type(_CTRL_C)

        shell.last_code(130)


def test_ctrl_z_with_nobody_to_resume_us_suspends_nobody(arena: Arena, tmp_path: Path) -> None:
    """As in `docker run -it`: the sidecar leads the session, and no shell could say fg."""
    job = tmp_path / "job.sh"
    job.write_text(_TICK)
    line = [sys.executable, "-m", "coordsidecar", *arena.options(), "--", "sh", str(job)]
    with terminal(*line, env=dict(os.environ)) as screen:
        screen.wait_for("tick")

        screen.type(_CTRL_Z)

        screen.clear()
        screen.wait_for("tick", times=5)
        screen.type(_CTRL_C)
        screen.wait_for("job-got-INT")
        assert screen.process.wait(timeout=60) == 7
