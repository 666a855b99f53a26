"""The job's exit code is the sidecar's."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.e2e.arena import Arena
from tests.guard.forked import exit_codes


def test_every_exit_code_of_the_job_is_passed_on(tmp_path: Path) -> None:
    runs = [(["sh", "-c", f"exit {code}"], None) for code in range(256)]

    codes = exit_codes(runs, folder=tmp_path, env=dict(os.environ))

    assert codes == list(range(256))


def test_a_job_killed_by_a_signal_gives_128_and_the_signal(tmp_path: Path) -> None:
    fatal = [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGKILL, signal.SIGTERM]
    fatal += [signal.SIGABRT, signal.SIGSEGV, signal.SIGPIPE, signal.SIGUSR1]
    runs = [(["sh", "-c", f"ulimit -c 0; kill -{int(signum)} $$"], None) for signum in fatal]

    codes = exit_codes(runs, folder=tmp_path, env=dict(os.environ))

    assert codes == [128 + signum for signum in fatal]


def assert_one_sentence(log: str, command: str) -> None:
    complaints = [line for line in log.splitlines() if f"cannot run '{command}': " in line]
    assert len(complaints) == 1
    assert "Traceback" not in log


def test_a_command_that_is_not_there_gives_127_and_a_sentence(arena: Arena) -> None:
    sidecar = arena.start(command=["no-such-command", "at", "all"])

    assert sidecar.wait() == 127
    assert_one_sentence(sidecar.log(), "no-such-command")


@pytest.mark.parametrize("kind", ["file", "folder", "rubbish"])
def test_a_command_that_is_not_executable_gives_126_and_a_sentence(
    arena: Arena, tmp_path: Path, kind: str
) -> None:
    command = tmp_path / "command"
    if kind == "folder":
        command.mkdir()
    else:
        command.write_text("rubbish")
        command.chmod(0o755 if kind == "rubbish" else 0o644)

    sidecar = arena.start(command=[str(command)])

    assert sidecar.wait() == 126
    assert_one_sentence(sidecar.log(), str(command))


@pytest.mark.parametrize("first_line", ["#!/no/such/interpreter -u", "#!/no/such/interpreter"])
def test_a_script_whose_interpreter_is_missing_gives_127_and_names_it(
    arena: Arena, tmp_path: Path, first_line: str
) -> None:
    """The kernel only says that there is no such file, of a file that everybody can see."""
    script = tmp_path / "script"
    script.write_text(first_line + "\n")
    script.chmod(0o755)

    sidecar = arena.start(command=[str(script)])

    assert sidecar.wait() == 127
    assert "its interpreter, /no/such/interpreter, is not there" in sidecar.log()


def test_a_command_that_cannot_be_run_here_leaves_the_lead_to_another(arena: Arena) -> None:
    arena.start(command=["no-such-command"]).wait()

    arena.start()

    arena.stamps.wait_for_stints(1)


def test_nothing_is_on_standard_output_but_what_the_job_wrote(arena: Arena) -> None:
    sidecar = arena.start(command=["sh", "-c", "echo from the job"], stdout=subprocess.PIPE)

    written, _ = sidecar.process.communicate(timeout=60)

    assert written == b"from the job\n"
    assert sidecar.wait() == 0
