"""``orphans.py FILE [COUNT]``: makes so many orphans which end at once, says so, and goes on."""

import os
import sys
import time

for _ in range(int(sys.argv[2]) if len(sys.argv) > 2 else 100):
    child = os.fork()
    if child == 0:
        if os.fork() == 0:
            time.sleep(0.01)  # Longer than the parent lives.
        os._exit(0)
    os.waitpid(child, 0)
with open(sys.argv[1], "w") as file:
    file.write("all born")
time.sleep(600)
