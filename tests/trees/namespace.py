"""In a PID namespace of its own, with a limit: a wide job is told to stop, and the next one starts.

namespace.py FOLDER BUSY: prints ``gone`` once the first sidecar has ended and nobody of its job is
left, ``next`` once the next job has run. BUSY loops take processor time beside it.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

_WIDE = Path(__file__).parent / "jobs" / "wide.py"
_LINES = "16"
_MOST_PIDS = "900"


def living(program: str) -> list[int]:
    found = []
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and program in Path(f"/proc/{entry}/cmdline").read_text():
                found.append(int(entry))
        except OSError:
            continue  # It ended.
    return found


def main() -> None:
    folder, busy = sys.argv[1], int(sys.argv[2])
    try:
        Path("/proc/sys/kernel/pid_max").write_text(_MOST_PIDS)  # Its own since Linux 6.14.
    except OSError:
        sys.exit("no limit")
    sidecar = [sys.executable, "-m", "coordsidecar", "--store", f"local:{folder}", "--name", "x"]
    for _ in range(busy):
        subprocess.Popen([sys.executable, "-c", "while True: pass"])
    job = [sys.executable, "-S", str(_WIDE), _LINES]
    first = subprocess.Popen([*sidecar, "--stop-timeout", "200ms", "--", *job])
    while len(living(str(_WIDE))) < int(_LINES):
        time.sleep(0.01)
    first.send_signal(signal.SIGTERM)
    first.wait()
    assert not living(str(_WIDE))
    print("gone", flush=True)
    subprocess.run([*sidecar, "--", "echo", "next"], check=True)


if __name__ == "__main__" and os.getpid() == 1:
    main()
