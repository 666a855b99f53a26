"""A job with a screen: says that it is up, ticks, and says which key ended it.

No shell program: one that starts `sleep` again and again shares its memory with it for an instant,
and cannot be stopped just then.
"""

import os
import signal
import sys
import time


def say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


def ended_by(signum: int, frame: object) -> None:
    say(f"job-got-{signal.Signals(signum).name.removeprefix('SIG')}")
    sys.exit(7 if signum == signal.SIGINT else 8)


signal.signal(signal.SIGINT, ended_by)
signal.signal(signal.SIGQUIT, ended_by)
say("job-is-up")
while True:
    time.sleep(0.05)
    say("tick")
