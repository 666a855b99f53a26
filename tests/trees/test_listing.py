"""A process is listed while it ends: an answer, but of the root of a tree it proves nothing."""

from __future__ import annotations

import subprocess
import sys

from tests.errors.supervisor import CALLS

# What the kernel answers who lists a process that has ended since its folder was opened.
_PROGRAM = """
import ctypes, errno, os, struct, sys
from coordsidecar.trees.process import NotSeenError, living_thread
from coordsidecar.trees.tree import descendants

class Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))

load, equal, give, allow, refuse = 0x20, 0x15, 0x06, 0x7FFF0000, 0x00050000
code = struct.pack("HBBI", load, 0, 0, 0) + struct.pack("HBBI", equal, 0, 1, int(sys.argv[1]))
code += struct.pack("HBBI", give, 0, 0, refuse | errno.ESRCH)
code += struct.pack("HBBI", give, 0, 0, allow)
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
assert libc.prctl(22, 2, ctypes.byref(Program(4, code)), 0, 0) == 0  # PR_SET_SECCOMP
print(living_thread(f"/proc/{os.getpid()}"))
try: print(descendants(os.getpid(), leave_out=()))
except NotSeenError: print("not seen")
"""


def test_a_process_that_ends_while_it_is_listed_has_no_threads_and_no_known_tree() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(CALLS["getdents64"])],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stdout == "None\nnot seen\n", done.stderr
