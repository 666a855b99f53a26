"""A job for --while-standby signal. ``obedient.py FILE HABIT``: leads on USR1, stands by on USR2.

While it leads it stamps FILE with CLOCK_MONOTONIC ns, its pid and the number of its turn.
``acknowledges``: it creates $COORDSIDECAR_ACK when it stands by; ``deaf``: once it leads, it does
for ever.
"""

import os
import signal
import sys
import time

path, habit = sys.argv[1:]
leads = os.environ["COORDSIDECAR_ROLE"] == "leader"
turn = 0
signals = {signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM}
signal.pthread_sigmask(signal.SIG_BLOCK, signals)
out = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
while True:
    got = signal.sigtimedwait(signals, 0.002)
    if got is not None and got.si_signo == signal.SIGUSR1:
        leads, turn = True, turn + 1
    elif got is not None and got.si_signo == signal.SIGUSR2 and habit != "deaf":
        leads = False
        if habit == "acknowledges":
            with open(os.environ["COORDSIDECAR_ACK"], "w"):
                pass
    elif got is not None and got.si_signo == signal.SIGTERM and habit != "deaf":
        sys.exit(0)
    if leads:
        os.write(out, f"{time.monotonic_ns()} {os.getpid()} {turn}\n".encode())
