"""Coordsidecar under a filter that asks a supervisor about certain system calls, first.

    python launcher.py SOCKET NUMBER,NUMBER ARGUMENTS...

The interpreter has started by then: what is refused is refused to us, not to it. The filter's
descriptor goes to the supervisor by SOCKET, a descriptor; from a thread, for a filter is its
thread's and that of what this one makes from then on.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys
import threading

LAUNCHER = os.path.abspath(__file__)
SECCOMP = {"x86_64": 317, "aarch64": 277}
_PR_SET_NO_NEW_PRIVS = 38
_SET_MODE_FILTER, _NEW_LISTENER = 1, 8
# Only a deadly signal ends the wait for an answer: else a call that no signal can interrupt would
# be. From Linux 5.19 on.
_WAIT_KILLABLE = 32
_ALLOW, _ASK = 0x7FFF0000, 0x7FC00000
_LOAD_NUMBER, _IF_EQUAL, _RETURN = 0x20, 0x15, 0x06


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def ask_about(numbers: list[int], *, machine: str) -> int:
    """Have these system calls, in this thread and all it makes, decided by whoever has what this
    returns."""
    code = struct.pack("HBBI", _LOAD_NUMBER, 0, 0, 0)
    for left, number in zip(range(len(numbers), 0, -1), numbers, strict=True):
        code += struct.pack("HBBI", _IF_EQUAL, left, 0, number)
    code += struct.pack("HBBI", _RETURN, 0, 0, _ALLOW) + struct.pack("HBBI", _RETURN, 0, 0, _ASK)
    program = _Program(len(code) // 8, code)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    call = SECCOMP[machine]
    for flags in (_NEW_LISTENER | _WAIT_KILLABLE, _NEW_LISTENER):
        listener = libc.syscall(call, _SET_MODE_FILTER, flags, ctypes.byref(program))
        if listener >= 0:
            break
    assert listener >= 0, f"no seccomp filter here: errno {ctypes.get_errno()}"
    return int(listener)


def ask_by(link: socket.socket, numbers: list[int]) -> None:
    listeners: list[int] = []
    made = threading.Event()

    def hand_over() -> None:
        made.wait()
        socket.send_fds(link, [b"filter"], listeners)
        os.close(listeners[0])
        link.close()

    thread = threading.Thread(target=hand_over)
    thread.start()
    listeners.append(ask_about(numbers, machine=os.uname().machine))
    made.set()
    thread.join()


if __name__ == "__main__":
    _, socket_text, numbers_text, *words = sys.argv
    from coordsidecar.cli.main import main

    ask_by(socket.socket(fileno=int(socket_text)), [int(text) for text in numbers_text.split(",")])
    main(words)
