"""What the job gets from whoever started the sidecar, signals and descriptors, and no more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from coordsidecar.trees.process import state_of
from tests.e2e.arena import Arena
from tests.e2e.sidecars import wait_for

_ORPHANS = Path(__file__).parent / "jobs" / "orphans.py"
_SHOW_SIGNALS = ["grep", "-E", "^Sig(Ign|Blk)", "/proc/self/status"]


@pytest.mark.parametrize(
    "through",
    [
        ("env",),
        ("nohup",),
        ("env", "--ignore-signal=INT,QUIT"),  # A shell's background job, as in a script.
        ("env", "--ignore-signal=HUP,TERM,CHLD,USR1"),
        ("env", "--block-signal=USR1,WINCH"),
        ("env", "--block-signal"),
    ],
    ids=" ".join,
)
def test_ignored_and_blocked_signals_reach_the_job_as_the_shell_set_them(
    arena: Arena, through: tuple[str, ...]
) -> None:
    expected = subprocess.run(
        [*through, *_SHOW_SIGNALS], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, check=True, restore_signals=True, timeout=60,
    ).stdout  # fmt: skip

    sidecar = arena.start(command=_SHOW_SIGNALS, through=through, stdout=subprocess.PIPE)
    shown, _ = sidecar.process.communicate(timeout=60)

    assert shown == expected
    assert sidecar.wait() == 0


def test_a_sidecar_that_was_started_with_signals_blocked_hears_them(arena: Arena) -> None:
    sidecar = arena.start("--stop-timeout", "100ms", through=("env", "--block-signal"))
    arena.stamps.wait_for_stints(1)

    sidecar.signal(signal.SIGTERM)

    # The job has it blocked, as it was told to.
    assert sidecar.wait() == 128 + signal.SIGKILL


def test_a_pipeline_in_the_job_ends_as_in_a_shell(arena: Arena) -> None:
    """Python ignores SIGPIPE; the job must not, or `yes` would complain instead of ending."""
    sidecar = arena.start(
        command=["sh", "-c", "yes 2>&1 | head -n 1; exit 5"], stdout=subprocess.PIPE
    )

    shown, _ = sidecar.process.communicate(timeout=60)

    assert (sidecar.wait(), shown) == (5, b"y\n")


def test_a_job_under_nohup_outlives_a_hangup(arena: Arena) -> None:
    sidecar = arena.start(through=("nohup",))
    arena.stamps.wait_for_stints(1)

    sidecar.signal(signal.SIGHUP)
    os.kill(sidecar.job().pid, signal.SIGHUP)
    sidecar.signal(signal.SIGTERM)

    assert sidecar.wait() == 128 + signal.SIGTERM


def test_descriptors_are_inherited_and_ours_are_not(arena: Arena, tmp_path: Path) -> None:
    """The job has what its caller gave it, and the lock; but no socket or timer of the guard's."""
    (tmp_path / "given").write_text("through descriptor 7")
    show = "cat <&7; readlink /proc/self/fd/*"
    command = ["sh", "-c", f'exec 7<{tmp_path}/given; exec "$@"', "sh"]

    sidecar = arena.start(command=["sh", "-c", show], through=command, stdout=subprocess.PIPE)
    shown, _ = sidecar.process.communicate(timeout=60)

    assert shown.startswith(b"through descriptor 7")
    links = shown.decode().removeprefix("through descriptor 7").split()
    ours = [link for link in links if link.startswith(("socket:", "anon_inode:"))]
    assert ours == []
    assert any(link.endswith(".lock") for link in links), "the kernel's lock is held by the job too"


def test_the_job_gets_its_standard_input(arena: Arena) -> None:
    sidecar = arena.start(
        command=["cat"], through=["sh", "-c", 'echo words | "$@"', "sh"], stdout=subprocess.PIPE
    )

    shown, _ = sidecar.process.communicate(timeout=60)

    assert shown == b"words\n"


def zombies(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [one for one in processes if state_of(one.pid) == "Z"]


def test_a_hundred_orphans_are_reaped(arena: Arena, tmp_path: Path) -> None:
    sidecar = arena.start(
        command=[sys.executable, "-I", "-S", str(_ORPHANS), str(tmp_path / "born")]
    )
    wait_for(lambda: (tmp_path / "born").exists(), "the orphans to be born")

    wait_for(lambda: not zombies(sidecar.children()), "the guard to reap the orphans")
    assert sidecar.job().is_running()


@pytest.mark.parametrize("given", [(), ("LC_CTYPE=POSIX",), ("LC_CTYPE=C.UTF-8",)])
def test_the_job_gets_the_locale_that_we_were_given(arena: Arena, given: tuple[str, ...]) -> None:
    found = arena.folder / "environ"
    without = ("env", "-u", "LC_ALL", "-u", "LANG", "-u", "LC_CTYPE", *given)

    sidecar = arena.start(command=["sh", "-c", f"env > {found}"], through=without)

    assert sidecar.wait() == 0
    assert [line for line in found.read_text().splitlines() if line.startswith("LC_")] == [*given]
