"""A job that notes every signal it gets, by name, in FILE, and lives on.

``note_signals.py FILE [ready]``: with ``ready``, the first line says that it listens.
"""

import os
import signal
import sys

out = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
deaf = {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}
asked = signal.valid_signals() - deaf
signal.pthread_sigmask(signal.SIG_BLOCK, asked)
os.write(out, b"ready\n")
while True:
    os.write(out, b"%d\n" % signal.sigwait(asked))
