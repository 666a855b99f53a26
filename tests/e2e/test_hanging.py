"""An elector that hangs where nobody is told of it, and that cannot even be reaped; and one whose
look at another process hangs."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

from tests.e2e.arena import PATIENT_TTL, Arena
from tests.e2e.at_once import kill_at_once
from tests.e2e.sidecars import wait_for

# As if the memory of one that it looks at were to come from a server that is gone.
_SWEEPS_FOR_EVER = """
import time
from coordsidecar.cli import main
from coordsidecar.trees.hunt import Hunt

Hunt.kill_pass = lambda hunt: time.sleep(3600)
main.main()
"""
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


def test_a_candidate_whose_sweep_of_this_host_hangs_makes_way_for_others(
    arena_of: Callable[[str], Arena],
) -> None:
    arena = arena_of("etcd")
    arena.ttl = "2s"
    first = arena.start()
    arena.stamps.wait_for_stints(1)
    second = arena.start(program=(sys.executable, "-c", _SWEEPS_FOR_EVER))
    wait_for(lambda: "standing-by" in second.log(), "the second to stand by")
    third = arena.start()
    wait_for(lambda: "standing-by" in third.log(), "the third to stand by")

    kill_at_once(lambda: [psutil.Process(first.pid), *first.everyone()])

    wait_for(third.leads, "the third to lead")
    assert "the sweep of this host does not end; making way" in second.log()
    assert "elector-replaced" not in second.log(), "its loop hung"
