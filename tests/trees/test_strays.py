"""What a helper left is found although whoever it was below ends just as we look."""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import ctypes, os, signal, subprocess
from contextlib import suppress
from coordsidecar.trees import tree
from coordsidecar.trees.process import is_dead
from coordsidecar.trees.strays import kill_strays

assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER
beside = {**os.environ, "COORDSIDECAR_BESIDE": str(os.getpid())}
script = "setsid sleep 600 & echo $!; wait"
hook = subprocess.Popen(["sh", "-c", script], env=beside, stdout=subprocess.PIPE)
stray = int(hook.stdout.readline())
children = tree.children
overlooked = False

def children_of_one_who_ends(pid):
    global overlooked
    if pid == hook.pid and not overlooked:
        hook.kill()
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        overlooked = stray not in children(pid)
    return children(pid)

tree.children = children_of_one_who_ends
while not kill_strays(os.getpid(), leave_out=()):
    with suppress(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
print(overlooked, is_dead(stray))
with suppress(ProcessLookupError):
    os.kill(stray, signal.SIGKILL)
"""


def test_who_is_below_one_that_ends_while_we_look_is_killed_by_a_look_to_come() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.stdout == "True True\n", done.stderr
