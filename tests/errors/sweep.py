"""Which refusals there are to play."""

from __future__ import annotations

from collections.abc import Iterator

from tests.errors.play import play
from tests.errors.supervisor import CALLS, Refusal

__all__ = ["refusals"]

_ERRORS = ("EAGAIN", "EMFILE", "ENFILE", "ENOMEM", "EPERM", "ENOSYS", "ENOSPC", "EIO", "EINTR")
_OURS = ("process-one", "guard", "elector", "job-fuse", "job-to-be")
# Not calls that can be refused for a lack of anything, and Python asks nobody whether they were.
_NEVER_FAIL = {"rt_sigprocmask", "rt_sigaction", "set_robust_list"}
# Of a file; the interpreter, which reads modules, would take it for their end.
_NEVER_SO = {("read", "EAGAIN")}


def refusals(store: str | None, *, most: int, as_process_one: bool) -> Iterator[Refusal]:
    """Each call of each process: its first ``most`` times, its last, and for ever from the first
    and the last on; with each error."""
    seen = play(None, store=store, calls=sorted(CALLS), as_process_one=as_process_one)
    assert not seen.faults, (seen.faults, seen.text)
    for (who, call), times in sorted(seen.asked.items()):
        if who not in _OURS or call in _NEVER_FAIL:
            continue
        for error in _ERRORS:
            if (call, error) in _NEVER_SO:
                continue
            for nth in sorted({*range(1, min(most, times) + 1), times}):
                yield Refusal(who, call, error, nth)
            if error != "EINTR":  # No signal comes for ever; whoever tries again is right.
                for nth in sorted({1, times}):
                    yield Refusal(who, call, error, nth, for_ever=True)
