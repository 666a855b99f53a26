"""An app that knows nothing of any sidecar: it adds its number and the time to a file, on and on.

app.py FILE NAME [pid file | "and execs"]: with the latter it becomes another program in a while.
"""

import os
import sys
import time

stamps = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
if sys.argv[3:] == ["and execs"]:
    time.sleep(3)
    os.execlp("sleep", "sleep", "600")
if len(sys.argv) > 3:
    with open(sys.argv[3], "w") as file:
        file.write(f"{os.getpid()}\n")
if os.fork() == 0:  # A worker, which has left its session and its parent behind.
    os.setsid()
    while os.getppid() != 1:
        os.write(stamps, f"{sys.argv[2]} {os.getpid()} {time.monotonic_ns()}\n".encode())
        time.sleep(0.005)
    os._exit(0)
while True:
    os.write(stamps, f"{sys.argv[2]} {os.getpid()} {time.monotonic_ns()}\n".encode())
    time.sleep(0.005)
