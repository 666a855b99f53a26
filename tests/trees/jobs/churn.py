"""Fork on and on, each parent ending at once, each child in a session of its own; mark FILE."""

import os
import sys
import time

out = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
if os.fork():
    os._exit(0)
while True:
    if os.fork():
        os._exit(0)
    os.setsid()
    os.write(out, b"x")
    time.sleep(0.0005)
