"""The same as ``stamp.c``, for machines without a C compiler: ``stamp.py FOLDER PERIOD_US``."""

import os
import struct
import sys
import time


def main() -> None:
    first_ns = time.monotonic_ns()
    folder, period_us = sys.argv[1], int(sys.argv[2])
    file = os.open(f"{folder}/{os.getpid()}", os.O_WRONLY | os.O_CREAT, 0o644)
    while True:
        os.pwrite(file, struct.pack("=qq", first_ns, time.monotonic_ns()), 0)
        time.sleep(period_us / 1e6)


main()
