"""The job of the end-to-end tests: proves that it runs, every two milliseconds.

``stamp.py FILE [HABIT …]`` appends ``<CLOCK_MONOTONIC ns> <pid> <token>`` to FILE. Habits make it a
difficult job: see the code.
"""

import os
import signal
import sys
import time


def daemonise() -> None:
    """Double fork with setsid, as daemons do; the first process ends when the last one runs."""
    if os.fork():
        os.wait()
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)


def end_slowly(signum: int, frame: object) -> None:
    time.sleep(0.3)
    os._exit(0)


def main() -> None:
    path, *habits = sys.argv[1:]
    if "ignore-term" in habits:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "slow-term" in habits:
        signal.signal(signal.SIGTERM, end_slowly)
    if "close-fds" in habits:
        os.closerange(3, 256)
    if "daemon-child" in habits and os.fork() == 0:
        daemonise()
    if "setsid-child" in habits and os.fork() == 0:
        os.setsid()
    main_pid = os.getpid()
    if "fork-on" in habits:
        os.fork()  # The child forks without end, and each parent ends.
    out = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    token = os.environ.get("COORDSIDECAR_TOKEN", "-")
    if "as-token" in habits:
        token = habits[habits.index("as-token") + 1]
    while True:
        if "fork-on" in habits and os.getpid() != main_pid and os.fork():
            os._exit(0)
        if "setsid-on" in habits and os.getpid() not in (main_pid, os.getsid(0)):
            os.setsid()
        os.write(out, f"{time.monotonic_ns()} {os.getpid()} {token}\n".encode())
        time.sleep(0.002)


main()
