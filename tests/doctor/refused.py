"""Coordsidecar under a seccomp filter that answers one system call in the kernel's place.

    python refused.py CALL ERRNO ARGUMENTS...

CALL is a name from `CALLS`. With ERRNO 0 it seems to work, and does nothing.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

# By machine, its number; and what its first argument has to be, if that matters.
CALLS: dict[str, tuple[dict[str, int], int | None]] = {
    "pdeathsig": ({"x86_64": 157, "aarch64": 167}, 1),
    "subreaper": ({"x86_64": 157, "aarch64": 167}, 36),
    "pidfd": ({"x86_64": 434, "aarch64": 434}, None),
    "eventfd": ({"x86_64": 290, "aarch64": 19}, None),
    "timerfd": ({"x86_64": 283, "aarch64": 85}, None),
    "signalfd": ({"x86_64": 289, "aarch64": 74}, None),
    "flock": ({"x86_64": 73, "aarch64": 32}, None),
    "setpriority": ({"x86_64": 141, "aarch64": 140}, None),
    "sched_setscheduler": ({"x86_64": 144, "aarch64": 119}, None),
}
_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _MODE_FILTER = 22, 38, 2
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_LOAD, _IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER_AT, _FIRST_ARGUMENT_AT = 0, 16


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def refuse(call: str, error: int) -> None:
    """From now on, for this process and all that it makes."""
    numbers, argument = CALLS[call]
    wanted = [(_NUMBER_AT, numbers[os.uname().machine])]
    wanted += [] if argument is None else [(_FIRST_ARGUMENT_AT, argument)]
    code = b""
    for left, (where, value) in zip(range(2 * len(wanted) - 1, 0, -2), wanted, strict=True):
        code += struct.pack("HBBI", _LOAD, 0, 0, where)
        code += struct.pack("HBBI", _IF_EQUAL, 0, left, value)
    code += struct.pack("HBBI", _RETURN, 0, 0, _ERRNO | error)
    code += struct.pack("HBBI", _RETURN, 0, 0, _ALLOW)
    program = _Program(len(code) // 8, code)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    assert libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0) == 0


if __name__ == "__main__":
    _, name, error_text, *words = sys.argv
    from coordsidecar.cli.main import main

    refuse(name, int(error_text))
    main(words)
