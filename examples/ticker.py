"""A job to try coordsidecar with: prints a line a second, with the token under which it runs."""

import os
import time

number = 0
while True:
    number += 1
    token = os.environ.get("COORDSIDECAR_TOKEN", "none")
    print(f"tick {number}, pid {os.getpid()}, token {token}", flush=True)
    time.sleep(1)
