"""wide.py COUNT: so many lines of processes of which each forks and ends, deaf to SIGTERM; every
other one in a session of its own each time."""

import os
import signal
import sys
import time

signal.signal(signal.SIGTERM, signal.SIG_IGN)


def fork() -> int:
    while True:
        try:
            return os.fork()
        except OSError:
            pass  # The limit is reached; somebody will end.


for line in range(int(sys.argv[1])):
    if fork() == 0:
        while True:
            if fork():
                os._exit(0)
            if line % 2:
                os.setsid()
time.sleep(600)
