"""The store, asked: each endpoint on its own, then what a candidate needs of all of them.

What one endpoint lacks is a failure only if there is no other that works.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from coordsidecar.core.timing import Timing
from coordsidecar.doctor.finding import Finding, fail, ok, split_remedy, warn
from coordsidecar.duration import format_duration
from coordsidecar.hints import TYPE_CHECKING
from coordsidecar.store.protocol import RefusedError, Store, StoreError
from coordsidecar.value import replace

if TYPE_CHECKING:
    from coordsidecar.store.examiner import Certificate, Endpoint, Examiner

__all__ = ["StoreFindings", "clock"]

# A slow store is to be measured, not given up: longer than any call of a sidecar takes.
_PATIENCE_S = 10.0
_TRIPS = 5
_MOST_CLOCK_S = 2.0
_SOON_S = 14 * 86400.0
_CHECK_URL = "see whether it runs there, and what of a firewall is between; or correct --store"
_RENEW = "have it renewed; a sidecar takes no new connection to it from then on"
_RIGHTS = "see docs/stores.md for the rights that it takes"
_LOG_IN = "give one that it knows: the README's table of stores says how"
_SET_CLOCK = (
    "have both hosts' clocks kept by NTP; the election does not need it, but those who compare "
    "logs do"
)


class StoreFindings:
    """What is found out about one store; then ``trip_s`` is the longest median of a round trip.

    None: there is no such measure.
    """

    def __init__(
        self, examiner: Examiner | None, store: Store, *, named: bool, timing: Timing
    ) -> None:
        """``named``: the election is one that was asked for, and not just any."""
        self._examiner = examiner
        self._store = store
        self._named = named
        self._timing = timing
        self.trip_s: float | None = None

    def all(self) -> Iterator[Finding]:
        endpoints = self._examiner.endpoints if self._examiner else ()
        found = [list(self._of_endpoint(endpoint)) for endpoint in endpoints]
        works = [all(finding.state != "fail" for finding in one) for one in found]
        for one in found:
            for finding in one:
                spared = any(works) and finding.state == "fail"
                yield replace(finding, state="warn") if spared else finding
        if endpoints and not any(works):
            return
        if self._examiner is not None:
            yield from self._session(self._examiner)
        if not self._named:
            yield warn(
                "rights",
                "election",
                "which election is not said: what a candidate may do there was not looked at",
                "give --name, or set COORDSIDECAR_NAME",
            )
            return
        if self._examiner is not None:
            yield from self._needs(self._examiner)
        else:
            said = "this store comes without an examiner: whether it grants all was not looked at"
            yield warn("rights", "election", said, "see what its package says of rights")
        yield self._election()

    def _of_endpoint(self, endpoint: Endpoint) -> Iterator[Finding]:
        name = endpoint.name
        began_s = time.monotonic()
        try:
            certificate = endpoint.knock(timeout_s=_PATIENCE_S)
        except RefusedError as error:
            yield ok("reachable", name, "accepts connections")
            yield fail("tls", name, *split_remedy(error, _CHECK_URL))
            return
        except StoreError as error:
            yield fail("reachable", name, *split_remedy(error, _CHECK_URL))
            return
        took = _shown(time.monotonic() - began_s)
        yield ok("reachable", name, f"accepts connections, in {took}")
        if certificate is not None:
            yield _expiry(name, certificate, now_s=time.time())
        try:
            whom = endpoint.log_in(timeout_s=_PATIENCE_S)
        except StoreError as error:
            yield fail("log-in", name, *split_remedy(error, _LOG_IN))
            return
        yield ok("log-in", name, whom)
        try:
            yield self._round_trip(endpoint)
            asked_s = time.time()
            theirs_s = endpoint.clock_s(timeout_s=_PATIENCE_S)
        except StoreError as error:
            yield fail("round-trip", name, *split_remedy(error, _CHECK_URL))
            return
        if theirs_s is not None:
            yield clock(name, theirs_s, (asked_s, time.time()))

    def _round_trip(self, endpoint: Endpoint) -> Finding:
        trips_s = []
        for _ in range(_TRIPS):
            began_s = time.monotonic()
            if not endpoint.ask(timeout_s=_PATIENCE_S):
                said = "not measured: the election may not be read"
                return warn("round-trip", endpoint.name, said, _RIGHTS)
            trips_s.append(time.monotonic() - began_s)
        median_s = statistics.median(trips_s)
        self.trip_s = max(self.trip_s or 0.0, median_s)
        call_s = self._timing.rpc_timeout_s
        said = f"a linearizable read takes {_shown(median_s)} (median of {_TRIPS})"
        if median_s <= call_s / 10:
            return ok("round-trip", endpoint.name, said)
        said += f", more than a tenth of a call's time-out of {format_duration(call_s)}"
        remedy = "use a longer --ttl, or a store that is nearer"
        return warn("round-trip", endpoint.name, said, remedy)

    def _session(self, examiner: Examiner) -> Iterator[Finding]:
        asked_s = self._timing.ttl_s
        subject = f"TTL of {format_duration(asked_s)}"
        try:
            granted_s = examiner.grant(
                asked_s, takeover_delay_s=self._timing.takeover_delay_s, timeout_s=_PATIENCE_S
            )
        except StoreError as error:
            yield fail("session", subject, *split_remedy(error, _RIGHTS))
            return
        if granted_s is None:
            return
        granted = format_duration(granted_s)
        if granted_s > asked_s + 1:  # Some count whole seconds, and round up.
            said = f"the store grants no less than {granted}"
            remedy = f"use --ttl {granted}, or have the servers grant less"
            yield warn("session", subject, said, remedy)
        else:
            yield ok("session", subject, f"granted, renewed and closed again ({granted})")

    def _needs(self, examiner: Examiner) -> Iterator[Finding]:
        try:
            needs = examiner.needs(timeout_s=_PATIENCE_S)
        except StoreError as error:
            yield fail("rights", "election", *split_remedy(error, _RIGHTS))
            return
        for need in needs:
            if not need.lacks:
                yield ok("rights", need.subject, "is as it has to be")
            elif need.vital:
                yield fail("rights", need.subject, need.lacks, need.remedy)
            else:
                yield warn("rights", need.subject, need.lacks, need.remedy)

    def _election(self) -> Finding:
        try:
            leader = self._store.leader(timeout_s=_PATIENCE_S)
        except StoreError as error:
            return fail("election", "election", *split_remedy(error, _RIGHTS))
        said = f"is led with token {leader.token}" if leader else "can be read; nobody leads"
        return ok("election", "election", said)


def clock(name: str, theirs_s: float, ours_s: tuple[float, float]) -> Finding:
    """Compare a server's clock, told in whole seconds, with ours before and after it was asked."""
    asked_s, heard_s = ours_s
    # It was anything from theirs_s up to a second later, somewhen in between.
    off_s = max(asked_s - (theirs_s + 1), theirs_s - heard_s, 0.0)
    if off_s <= _MOST_CLOCK_S:
        return ok("clock", name, "its clock and ours agree")
    which = "ahead of" if theirs_s > heard_s else "behind"
    said = f"its clock is {format_duration(off_s)} {which} ours"
    return warn("clock", name, said, _SET_CLOCK)


def _expiry(name: str, certificate: Certificate, *, now_s: float) -> Finding:
    if certificate.until_s is None:
        said = "the server's certificate is not verified: whoever answers is trusted"
        return warn("tls", name, said, "verify it: name its CA")
    left_s = certificate.until_s - now_s
    day = time.strftime("%Y-%m-%d", time.gmtime(certificate.until_s))
    said = f"the certificate verifies, until {day} ({left_s / 86400:.0f} days)"
    return warn("tls", name, said, _RENEW) if left_s < _SOON_S else ok("tls", name, said)


def _shown(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
