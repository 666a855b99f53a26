"""wide.py COUNT: so many lines of processes of which each forks and ends, deaf to SIGTERM; every
other one in a session of its own each time."""

import os
import signal
import sys
import time

signal.signal(signal.SIGTERM, signal.SIG_IGN)
for line in range(int(sys.argv[1])):
    if os.fork() == 0:
        while True:
            try:
                if os.fork():
                    os._exit(0)
            except OSError:
                continue  # The limit is reached; somebody will end.
            if line % 2:
                os.setsid()
time.sleep(600)
