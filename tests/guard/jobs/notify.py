"""A job that speaks sd_notify(3) by hand: ``notify.py STEP …``, one step after the other.

``NAME=VALUE``        say that (``\\n`` between two of them)
``while:PATH:TEXT``   say TEXT again and again, as long as there is such a file
``until:PATH``        wait until there is such a file
``flood:N``           send N datagrams that nobody wants, and as many descriptors
``note:PATH:TEXT``    add a line to a file; ``$NAME`` in it is a variable, ``$$`` the pid
``run:COMMAND``       by a shell; wait for it
``exec:COMMAND``      become that
``sleep``             for ever
"""

import array
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Sequence


def address() -> str:
    name = os.environ["NOTIFY_SOCKET"]
    return "\0" + name[1:] if name.startswith("@") else name


def say(data: bytes, fds: Sequence[int] = (), flags: int = 0) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        sender.sendmsg([data], rights, flags, address())


def flood(count: int) -> None:
    """Too long, no text, no assignment, with a descriptor each, and what might look well."""
    dice = random.Random(7)
    kinds = (b"x" * 60_000, b"FDSTORE=1", b"", b"\0WATCHDOG=1", b"STATUS=%d\x1b[2J", b"NOISE")
    with open(os.devnull) as null, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [null.fileno()] * 8))]
        sender.connect(address())
        for number in range(count):
            data = dice.choice(kinds)
            data = data % number if b"%d" in data else data or dice.randbytes(200)
            sender.sendmsg([data], rights)


def step(what: str) -> None:
    word, _, rest = what.partition(":")
    if word == "while":
        path, _, text = rest.partition(":")
        while os.path.exists(path):
            say(text.encode())
            time.sleep(0.05)
    elif word == "until":
        while not os.path.exists(rest):
            time.sleep(0.01)
    elif word == "flood":
        flood(int(rest))
    elif word == "note":
        path, _, text = rest.partition(":")
        with open(path, "a") as file:
            file.write(os.path.expandvars(text.replace("$$", str(os.getpid()))) + "\n")
    elif word == "run":
        subprocess.run(rest, shell=True, check=False)
    elif word == "exec":
        os.execv("/bin/sh", ["sh", "-c", f"exec {rest}"])
    elif word == "sleep":
        time.sleep(600)
    else:
        say(what.replace("\\n", "\n").encode())


for argument in sys.argv[1:]:
    step(argument)
