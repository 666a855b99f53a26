"""A job that makes a hundred orphans which end at once, says so in FILE, and goes on."""

import os
import sys
import time

for _ in range(100):
    child = os.fork()
    if child == 0:
        if os.fork() == 0:
            time.sleep(0.01)  # Longer than the parent lives.
        os._exit(0)
    os.waitpid(child, 0)
with open(sys.argv[1], "w") as file:
    file.write("all born")
time.sleep(600)
