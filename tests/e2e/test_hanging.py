"""An elector that hangs where nobody is told of it, and that cannot even be reaped."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from tests.e2e.arena import PATIENT_TTL, Arena
from tests.e2e.sidecars import wait_for

_SEIZE, _INTERRUPT, _DETACH = 0x4206, 0x4207, 17


def _ptrace(request: int, pid: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(request, pid, None, None) == -1:
        raise OSError(ctypes.get_errno(), f"ptrace {request:#x}")


@contextmanager
def held(process: psutil.Process) -> Iterator[None]:
    """Its main thread hangs, as under a debugger: its parent hears of no stop, nor can reap it."""
    _ptrace(_SEIZE, process.pid)
    _ptrace(_INTERRUPT, process.pid)
    os.waitpid(process.pid, 0)  # We are told, who trace it.
    try:
        yield
    finally:
        try:
            _ptrace(_DETACH, process.pid)
        except ProcessLookupError:  # It was killed meanwhile: reaped by us, then by its parent.
            os.waitpid(process.pid, 0)


def test_an_elector_that_hangs_and_cannot_be_reaped_is_followed_by_another(arena: Arena) -> None:
    arena.ttl = PATIENT_TTL
    sidecar = arena.start()
    arena.stamps.wait_for_stints(1)
    elector = sidecar.elector()

    with held(elector):
        wait_for(lambda: "going on without it" in sidecar.log(), "the guard to give it up")
        wait_for(lambda: sidecar.elector() != elector, "another elector")
        assert elector.status() == psutil.STATUS_ZOMBIE

    sidecar.end()
    assert len(arena.stamps.stints()) == 1, "the job went on"
    assert sidecar.log().count("the elector hangs") == 1
