"""The referee: what the jobs of one election wrote, and whether two of them ever were active.

Every two milliseconds each job appends ``<CLOCK_MONOTONIC ns> <pid> <token>`` to one file (see
``tests/e2e/jobs/stamp.py``). The order of the lines is the order in which the writes arrived. The
referee is what a user's fenced resource is: it refuses a write whose token is lower than the
highest that it has seen. And it is more than that, for it reads the clock in the stamps: a job that
made one after a later job had begun was active beside it, whether or not the write was refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Account", "Ledger", "Overlap", "Stint"]

# Of a long run only the last jobs are remembered; one from before would be refused as backward.
_KEPT_STINTS = 8


@dataclass(slots=True)
class Stint:
    """One job: from its first stamp to its latest."""

    token: int
    pid: int
    first_ns: int
    last_ns: int


@dataclass(slots=True)
class Overlap:
    """A job was active though a later one had begun: its first and last stamp since then."""

    old: Stint
    new: Stint
    from_ns: int
    until_ns: int
    refused: int = 0
    """How many of these writes the referee refused for their token."""
    accepted: int = 0

    @property
    def ms(self) -> float:
        """How long: 0.0 if it was a single stamp."""
        return (self.until_ns - self.from_ns) / 1e6


@dataclass(slots=True)
class Account:
    """What happened since the last account was taken."""

    stints: list[Stint] = field(default_factory=list)
    """Those that began, in the order of their first stamps."""
    overlaps: list[Overlap] = field(default_factory=list)
    refused: int = 0
    """Writes refused for a token that was out of date."""
    backward: list[str] = field(default_factory=list)
    """Jobs that began with a token that is no higher than the one before."""

    @property
    def overlap_ms(self) -> float:
        return max((overlap.ms for overlap in self.overlaps), default=0.0)


class Ledger:
    """The file of one election, read as it grows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()
        self._file = path.open("rb")
        self._rest = b""
        self._stints: dict[tuple[int, int], Stint] = {}
        self._overlaps: dict[tuple[int, int, int], Overlap] = {}
        self._highest_token = 0
        self._account = Account()

    def close(self) -> None:
        self._file.close()

    def read(self) -> None:
        """Take in what has been written since."""
        lines = (self._rest + self._file.read()).split(b"\n")
        self._rest = lines.pop()  # A line that is not complete yet, or nothing.
        for line in lines:
            at_ns, pid, token = map(int, line.split())
            self._take_in(at_ns, pid, token)

    @property
    def latest(self) -> Stint | None:
        """The stint that began last, as it was when the file was last read."""
        return max(self._stints.values(), key=lambda stint: stint.first_ns, default=None)

    def newest(self) -> Stint | None:
        """The stint that began last, as it is now."""
        self.read()
        return self.latest

    def account(self) -> Account:
        """Read, return what happened since the last account, and open another."""
        self.read()
        account, self._account = self._account, Account()
        account.overlaps = list(self._overlaps.values())
        account.stints.sort(key=lambda stint: stint.first_ns)
        self._overlaps = {}
        kept = sorted(self._stints.items(), key=lambda item: item[1].first_ns)[-_KEPT_STINTS:]
        self._stints = dict(kept)
        return account

    def _take_in(self, at_ns: int, pid: int, token: int) -> None:
        accepted = token >= self._highest_token
        self._highest_token = max(token, self._highest_token)
        self._account.refused += not accepted
        stint = self._stints.get((token, pid))
        if stint is None:
            stint = self._begin(at_ns, pid, token)
        stint.last_ns = max(at_ns, stint.last_ns)
        for later in self._later_than(stint):
            if at_ns >= later.first_ns:
                self._note(stint, later, at_ns, accepted=accepted)

    def _begin(self, at_ns: int, pid: int, token: int) -> Stint:
        stint = Stint(token, pid, at_ns, at_ns)
        for other in self._stints.values():
            if other.last_ns >= at_ns > other.first_ns:
                # It wrote between our first stamp and its arrival here.
                self._note(other, stint, at_ns, accepted=True)
                self._note(other, stint, other.last_ns, accepted=True)
            if (other.first_ns < at_ns) != (other.token < token):
                self._account.backward.append(f"token {token} after {other.token}")
        self._stints[token, pid] = stint
        self._account.stints.append(stint)
        return stint

    def _later_than(self, stint: Stint) -> list[Stint]:
        return [other for other in self._stints.values() if other.first_ns > stint.first_ns]

    def _note(self, old: Stint, new: Stint, at_ns: int, *, accepted: bool) -> None:
        key = (old.token, old.pid, new.first_ns)
        overlap = self._overlaps.setdefault(key, Overlap(old, new, at_ns, at_ns))
        overlap.from_ns = min(at_ns, overlap.from_ns)
        overlap.until_ns = max(at_ns, overlap.until_ns)
        overlap.refused += not accepted
        overlap.accepted += accepted
