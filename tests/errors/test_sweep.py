"""Whatever the kernel refuses us, we go on, or end in a sentence with a code that is documented.

These are the refusals that limits, old kernels, seccomp profiles and full disks are made of; by
``python -m tests.errors`` every call is refused with every error.
"""

from __future__ import annotations

import os

import pytest

from tests.errors.play import play
from tests.errors.supervisor import CALLS, Refusal
from tests.servers import EtcdServer

_ONCE_AND_FOR_EVER = [
    *(("guard", "clone", "EAGAIN", nth) for nth in (1, 2, 3)),
    *(("guard", "pidfd_open", error, nth) for error in ("ENOSYS", "EMFILE") for nth in (1, 2)),
    *(("guard", "pidfd_send_signal", error, 1) for error in ("ENOSYS", "EPERM")),
    *(("guard", "timerfd_create", error, 1) for error in ("ENOSYS", "EMFILE")),
    *(("guard", "socketpair", "EMFILE", nth) for nth in (1, 2)),
    ("guard", "pipe2", "EMFILE", 1),
    ("guard", "prctl", "EPERM", 1),
    ("guard", "openat", "EMFILE", 1),
    ("guard", "openat", "ENFILE", 60),
    ("guard", "getdents64", "ENOMEM", 20),
    ("guard", "mmap", "ENOMEM", 1),
    ("guard", "sendmsg", "EMFILE", 1),
    ("guard", "recvmsg", "ENOMEM", 2),
    ("guard", "rename", "ENOSPC", 1),
    *(("elector", "clone3", "EAGAIN", nth) for nth in (1, 2)),
    ("elector", "eventfd2", "EMFILE", 2),
    ("elector", "mmap", "ENOMEM", 8),  # A thread's first frame.
    ("elector", "timerfd_create", "ENOSYS", 1),
    ("elector", "openat", "EMFILE", 10),
    ("elector", "fsync", "ENOSPC", 1),
    ("elector", "flock", "EIO", 1),
    ("elector", "inotify_init1", "EMFILE", 1),
    ("elector", "sendmsg", "EPERM", 1),
    ("elector", "getrandom", "ENOSYS", 1),
    ("job-fuse", "timerfd_create", "EMFILE", 1),
    ("job-to-be", "recvmsg", "ENOMEM", 1),
    ("job-to-be", "execve", "EAGAIN", 1),
]
_REFUSALS = [
    Refusal(who, call, error, nth, for_ever)
    for who, call, error, nth in _ONCE_AND_FOR_EVER
    for for_ever in (False, True)
    if call in CALLS
]


@pytest.mark.parametrize("refusal", _REFUSALS, ids=str)
def test_a_refusal_is_borne_or_ends_in_a_sentence(refusal: Refusal) -> None:
    outcome = play(refusal, calls=[refusal.call])

    assert not outcome.faults, outcome.text


@pytest.mark.parametrize("call", ["connect", "socket", "recvfrom", "clone3"])
@pytest.mark.parametrize("error", ["EMFILE", "EPERM"])
def test_so_is_one_of_what_a_store_over_the_network_needs(
    etcd: EtcdServer, call: str, error: str
) -> None:
    refusal = Refusal("elector", call, error, 1, for_ever=True)

    outcome = play(refusal, store=f"etcd://{etcd.endpoint}", calls=[call])

    assert not outcome.faults, outcome.text


_REFUSED_ABOVE = [
    Refusal("process-one", call, error, nth, for_ever)
    for call, error, nth in (
        ("clone", "EAGAIN", 1),
        ("eventfd2", "EMFILE", 1),
        ("pidfd_open", "ENOSYS", 1),
        ("pidfd_open", "EMFILE", 2),
        ("signalfd4", "ENOSYS", 1),
        ("timerfd_create", "EMFILE", 1),
        ("timerfd_settime", "EINTR", 2),
        ("getdents64", "ENOMEM", 5),
        ("openat", "ENFILE", 40),
        ("poll", "EINTR", 1),
    )
    if call in CALLS
    for for_ever in ((False,) if error == "EINTR" else (False, True))
]


@pytest.mark.skipif(os.geteuid() != 0, reason="a PID namespace takes root")
@pytest.mark.parametrize("refusal", _REFUSED_ABOVE, ids=str)
def test_so_is_one_of_process_one_of_a_container(refusal: Refusal) -> None:
    outcome = play(refusal, calls=[refusal.call], as_process_one=True)

    assert not outcome.faults, outcome.text
    assert outcome.asked[refusal.who, refusal.call] >= refusal.nth, "it was refused nothing"


def test_who_is_refused_nothing_runs_the_job() -> None:
    outcome = play(None, calls=["openat", "clone"])

    assert (outcome.code, outcome.faults) == (7, [])
    assert outcome.asked["guard", "clone"] >= 3
