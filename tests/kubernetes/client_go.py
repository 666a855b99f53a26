"""client-go's own example of a leader election, as a process; what it does it tells in its log.

Its constants: it leads for 60 s after a renewal, gives up once none has succeeded for 15 s, and
renews, or looks whether the Lease is free, every 5 s (every 5 to 11 s while it waits). Older
versions, such as the one here, wait for their own 60 s, whatever the holder wrote into the Lease.
On SIGTERM it releases the Lease and ends.
"""

from __future__ import annotations

import datetime
import re
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tests.e2e.sidecars import wait_for
from tests.servers.leases import OperatedLease

__all__ = ["DURATION_S", "LONGEST_PAUSE_S", "ClientGo"]

DURATION_S = 60
LONGEST_PAUSE_S = 11.0
"""Between two looks at a Lease that another holds."""

_ELECTED = "successfully acquired lease"
_SEEN = "new leader elected: "
_AT = re.compile(r"^I(\d{4} \d\d:\d\d:\d\d\.\d{6}) ")
_WAIT_S = 180.0


class ClientGo:
    """A candidate of the name that the Lease will show."""

    def __init__(self, argv: Sequence[str], *, name: str, log_path: Path) -> None:
        self.name = name
        self._log_path = log_path
        with log_path.open("wb") as log:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def log(self) -> str:
        return self._log_path.read_text()

    def leads(self) -> bool:
        return _ELECTED in self.log() and self.process.poll() is None

    def wait_until_it_leads(self) -> int:
        """Return since when, on CLOCK_MONOTONIC in ns: not before it acquired the Lease."""
        wait_for(self.leads, f"{self.name} to lead", within_s=_WAIT_S)
        [line] = [line for line in self.log().splitlines() if _ELECTED in line]
        return _monotonic_ns(line)

    def wait_until_it_follows(self, holder: str) -> None:
        """Until it has seen that ``holder`` leads."""
        wait_for(lambda: f"{_SEEN}{holder}" in self.log(), f"{self.name} to see {holder}")

    def release(self, lease: OperatedLease) -> int:
        """Let it release the Lease, by which it leads, and end; return when it was asked to, in ns.

        If it is just renewing it does not get to that; so this comes right after a renewal.
        """
        then = lease.spec()["renewTime"]
        wait_for(lambda: lease.spec()["renewTime"] != then, f"{self.name} to renew")
        asked_ns = time.monotonic_ns()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=_WAIT_S)
        # On a busy host it may have been renewing after all: then the Lease names it for longer.
        free = f"the Lease not to name {self.name}"
        wait_for(lambda: lease.holder() != self.name, free, within_s=2 * DURATION_S)
        return asked_ns

    def kill(self) -> None:
        """Let it end as its host ends: the Lease names it still."""
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        if self.process.poll() is None:
            self.kill()


def _monotonic_ns(line: str) -> int:
    """When it was logged. By the wall clock, and so good to whatever that has been set by."""
    matched = _AT.match(line)
    assert matched, line
    # It logs no year, in local time.
    year = time.localtime().tm_year
    at = datetime.datetime.strptime(f"{year}{matched[1]}", "%Y%m%d %H:%M:%S.%f").astimezone()
    ago_ns = time.time_ns() - int(at.timestamp() * 1e6) * 1000
    return time.monotonic_ns() - ago_ns
