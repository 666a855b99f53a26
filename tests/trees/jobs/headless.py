"""A job whose first thread ends: /proc calls the process a zombie, and it works on.

headless.py FILE
"""

import ctypes
import sys
import threading
import time


def work() -> None:
    while True:
        with open(sys.argv[1], "a") as file:
            file.write(".")
        time.sleep(0.002)


threading.Thread(target=work).start()
ctypes.CDLL(None).pthread_exit(None)
