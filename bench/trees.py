"""Prints how long a job that forks as fast as it can takes to be gone, once it is to be killed.

    python -m bench.trees                          some minutes
    python -m bench.trees --rounds 3 --forkers 16 --killers guard --busy 2

The job is so many lines of processes of which each forks and ends at once, in C; ``setsid``: each
in a session of its own. Who kills is the guard (told twice to stop), the elector (of a guard that
is frozen, or was killed), or the fuse (guard and elector were killed at once). The time is from
then, or from the elector's word that it begins, until the one who kills has proven that nobody is
left, and has ended. Each round is in a PID namespace of its own, with a limit on its processes, so
nobody gets out; ``--busy``: beside so many loops that do nothing. It needs a C compiler, and root.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

_KILLERS = ("guard", "elector-frozen", "elector-dead", "fuse")
_HABITS = ("ignore-term", "setsid", "setsid ignore-term")
_NAMESPACE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
_AT_MOST_S = 60
_BOUNDED = ("timeout", "-s", "KILL", str(_AT_MOST_S), *_NAMESPACE)
_PIDS = 2000
_FORK_FOR_S = 0.5


def main() -> None:
    options = _options()
    if options.inside:
        _inside(options)
    with tempfile.TemporaryDirectory(prefix="coordsidecar-bench-") as name:
        program = Path(name) / "forker"
        source = Path(__file__).with_name("forker.c")
        subprocess.run(["cc", "-O1", "-o", str(program), str(source)], check=True)
        print(f"{'killed by':15} {'forkers':>7} {'habits':20} {'median':>9} {'most':>9}  rounds")
        for killer in options.killers:
            for count in options.forkers:
                for habits in options.habits:
                    _print_row(killer, count, habits, options, program)


def _print_row(
    killer: str, count: int, habits: str, options: argparse.Namespace, program: Path
) -> None:
    took_s = [_round(killer, count, habits, options, program) for _ in range(options.rounds)]
    known = [s for s in took_s if s is not None]
    late = len(took_s) - len(known)
    figures = f"{statistics.median(known):7.3f} s {max(known):7.3f} s" if known else f"{'-':>19}"
    more = f", of which {late} not within {_AT_MOST_S} s" if late else ""
    print(f"{killer:15} {count:7} {habits:20} {figures}  {len(took_s)}{more}", flush=True)


def _round(
    killer: str, count: int, habits: str, options: argparse.Namespace, program: Path
) -> float | None:
    """How long it took, in seconds; None if it did not end."""
    inside = [
        "-m",
        "bench.trees",
        "--inside",
        "--killers",
        killer,
        "--forkers",
        str(count),
        "--habits",
        habits,
    ]
    with tempfile.TemporaryDirectory(prefix="coordsidecar-bench-") as folder:
        own = ["--folder", folder, "--program", str(program)]
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"])
                for _ in range(options.busy)]  # fmt: skip
        try:
            done = subprocess.run(
                [*_BOUNDED, sys.executable, *inside, *own],
                stdout=subprocess.PIPE,
                text=True,
                check=False,
            )
        finally:
            for loop in busy:
                loop.kill()
                loop.wait()
        if done.returncode not in (0, -signal.SIGKILL, 128 + signal.SIGKILL):
            sys.exit((Path(folder) / "log").read_text())
    return float(done.stdout) if done.returncode == 0 else None


# ── in the PID namespace, as its first process ─────────────────────────────────────────────────


def _inside(options: argparse.Namespace) -> None:
    """Play one round; print the seconds."""
    # It belongs to the namespace since Linux 6.14; before, there is no limit here.
    if os.readlink("/proc/self") == "1" and _kernel() >= (6, 14):
        Path("/proc/sys/kernel/pid_max").write_text(str(_PIDS))
    (killer,), (count,), (habits,) = options.killers, options.forkers, options.habits
    folder = Path(options.folder)
    program = folder / "forker"
    program.hardlink_to(options.program)  # Its own name, so that `pids` knows it.
    with (folder / "log").open("wb") as log:
        sidecar = [sys.executable, "-m", "coordsidecar", "--store", f"local:{folder}"]
        its_options = ["--name", "trees", "--stop-timeout", "50s"]
        guard = subprocess.Popen(
            [*sidecar, *its_options, "--", str(program), str(count), *habits.split()], stderr=log
        ).pid
    _reap_until(lambda: _pids("job-fuse"))
    fork_until_s = time.monotonic() + _FORK_FOR_S
    _reap_until(lambda: time.monotonic() > fork_until_s)
    (fuse,), others = _pids("job-fuse"), _children(guard)
    elector = next(pid for pid in others if "coordsidecar" in _cmdline(pid) and pid != fuse)
    print(_strike(killer, folder, guard=guard, elector=elector, fuse=fuse))
    sys.stdout.flush()
    assert not _pids("forker")
    os._exit(0)


def _strike(killer: str, folder: Path, *, guard: int, elector: int, fuse: int) -> float:
    if killer == "elector-frozen":
        os.kill(guard, signal.SIGSTOP)
        _reap_until(lambda: b"killing" in (folder / "log").read_bytes())
    since_s = time.monotonic()
    if killer == "guard":
        os.kill(guard, signal.SIGTERM)
        _reap_until(lambda: b"stop" in (folder / "log").read_bytes())
        since_s = time.monotonic()
        os.kill(guard, signal.SIGTERM)
    elif killer == "elector-dead":
        os.kill(guard, signal.SIGKILL)
    elif killer == "fuse":
        os.kill(elector, signal.SIGKILL)
        os.kill(guard, signal.SIGKILL)
    last = {"guard": guard, "fuse": fuse}.get(killer, elector)
    _reap_until(lambda: not Path(f"/proc/{last}").exists())
    return time.monotonic() - since_s


def _reap_until(condition: Callable[[], object]) -> None:
    while not condition():
        for _ in range(1000):
            try:
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    break
            except ChildProcessError:
                break
        time.sleep(0.001)


def _everyone() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _pids(name: str) -> list[int]:
    return [pid for pid in _everyone() if _read(pid, "comm").strip() == name]


def _cmdline(pid: int) -> str:
    return _read(pid, "cmdline")


def _read(pid: int, file: str) -> str:
    try:
        return Path(f"/proc/{pid}/{file}").read_text(errors="replace")
    except OSError:
        return ""  # It ended.


def _kernel() -> tuple[int, ...]:
    return tuple(int(part) for part in os.uname().release.split(".")[:2])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.trees", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--forkers", type=_numbers, default=[16, 64, 200], help="16,64,200")
    parser.add_argument("--habits", type=_words, default=_HABITS, help=",".join(_HABITS))
    parser.add_argument("--killers", type=_words, default=_KILLERS, help=",".join(_KILLERS))
    parser.add_argument("--busy", type=int, default=0, help="loops that take processor time")
    for internal in ("--folder", "--program"):
        parser.add_argument(internal, help=argparse.SUPPRESS)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _words(text: str) -> list[str]:
    return text.split(",")


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


if __name__ == "__main__":
    main()
