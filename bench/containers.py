"""Prints how long a start takes in a container of our image, and outside of it.

    ./check --containers tests/containers/test_image.py      builds the image
    python -m bench.containers --rounds 20

A start counts from the launch of ``coordsidecar`` to the first word of its job, with lock files as
the store. In the container, a process that is there already launches it, so that neither podman nor
the kernel's own work for a container is counted. Outside, it is this Python and this checkout. The
rounds alternate, so that noise of the machine meets both alike.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

IMAGE = "localhost/coordsidecar:test"
_IMAGES = Path(__file__).parents[1] / ".cache" / "containers"
# Runs in the image's Python or in ours: launches what its arguments say, and prints the ns.
_MEASURE = """
import subprocess, sys, tempfile, time
with tempfile.TemporaryDirectory() as folder:
    began_ns = time.monotonic_ns()
    words = [sys.argv[1], "--store", "local:" + folder, "--name", "bench", "--", "echo", "up"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    said = process.stdout.readline()
    print(time.monotonic_ns() - began_ns)
    sys.exit(process.wait() or said != b"up\\n")
"""


def main() -> None:
    options = _options()
    for variable, name in (
        ("CONTAINERS_STORAGE_CONF", "storage.conf"),
        ("CONTAINERS_CONF", "containers.conf"),
    ):
        os.environ.setdefault(variable, str(_IMAGES / name))
    program = shutil.which("coordsidecar", path=str(Path(sys.executable).parent))
    if program is None or shutil.which("podman") is None:
        sys.exit(
            "bench: this takes podman, and coordsidecar beside this Python: ./check --containers"
        )
    with ExitStack() as stack:
        name = f"coordsidecar-bench-{uuid.uuid4().hex[:8]}"
        stack.callback(_run, "podman", "rm", "--force", "--time", "0", name)
        sleeper = ("--entrypoint", "sleep", IMAGE, "infinity")
        _run("podman", "run", "--detach", "--name", name, "--network", "none", *sleeper)
        inside = ("podman", "exec", name, "python3", "-c", _MEASURE, "coordsidecar")
        places: dict[str, Callable[[], float]] = {
            "outside": lambda: _start_ms(sys.executable, "-c", _MEASURE, program),
            "in a container": lambda: _start_ms(*inside),
        }
        figures: dict[str, list[float]] = {place: [] for place in places}
        for measure in places.values():
            measure()  # The first reads the files from the disk.
        for _ in range(options.rounds):
            for place, measure in places.items():
                figures[place].append(measure())
    print(f"launch to job running, ms{'median':>16}{'min':>8}{'max':>8}")
    for place, values in figures.items():
        print(f"  {place:24}{statistics.median(values):15.1f}{min(values):8.1f}{max(values):8.1f}")
    outside, inside_ms = (statistics.median(values) for values in figures.values())
    print(f"  {'ratio':24}{inside_ms / outside:15.2f}")


def _start_ms(*words: str) -> float:
    return int(_run(*words)) / 1e6


def _run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        sys.exit(f"bench: {words[0]} {words[1]}: {done.stderr.strip()}")
    return done.stdout


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.containers")
    parser.add_argument("--rounds", type=int, default=20, help="starts of each (default: 20)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
