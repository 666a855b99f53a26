"""What a store shows of itself to who asks, before a sidecar is started, whether all is well.

Apart from `protocol`, since no sidecar needs it. An adapter only finds out; what is a failure, and
what merely a warning, its caller decides. All may raise any `StoreError`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from coordsidecar.hints import Protocol
from coordsidecar.store.protocol import Election
from coordsidecar.value import Value

__all__ = ["Certificate", "Endpoint", "Examiner", "ExaminerFactory", "Need"]


class Certificate(Value):
    """A server's. ``until_s``: when it expires, in seconds since 1970.

    None: it was not looked at, because it is not to be verified.
    """

    until_s: float | None


class Need(Value):
    """Something that a candidate needs: a right to keys, a folder that can be written to.

    ``subject`` names it as docs/stores.md does. ``lacks``: what of it is missing; empty: nothing
    is. ``remedy``: what to do about that. ``vital``: an instance cannot do without.
    """

    subject: str
    lacks: str = ""
    remedy: str = ""
    vital: bool = True


class Endpoint(Protocol):
    """One of the servers that a URL names, asked alone."""

    name: str

    def knock(self, *, timeout_s: float) -> Certificate | None:
        """Open a connection, and close it. The server's certificate; None: there is no TLS.

        `RefusedError`: it was reached, but TLS was not agreed upon.
        """

    def log_in(self, *, timeout_s: float) -> str:
        """Log in, as far as one has to. As whom, in words."""

    def ask(self, *, timeout_s: float) -> bool:
        """Put the linearizable read that each renewal takes; False: it may not be read."""

    def clock_s(self, *, timeout_s: float) -> float | None:
        """The server's time in seconds since 1970, as it tells it in whole ones; None: it does
        not."""


class Examiner(Protocol):
    """A store that can be examined without taking part in its elections."""

    endpoints: Sequence[Endpoint]

    def grant(self, ttl_s: float, *, takeover_delay_s: float, timeout_s: float) -> float | None:
        """Open a session, renew it and close it. The TTL that was granted; None: it has none.

        Leaves nothing behind, but where no answer comes: that dies of itself.
        """

    def needs(self, *, timeout_s: float) -> Sequence[Need]:
        """All that a candidate needs in this election, whether it is there or not. Changes
        nothing."""


class ExaminerFactory(Protocol):
    """Builds an examiner; talks to nobody yet."""

    def __call__(self, url: str, *, election: Election, environ: Mapping[str, str]) -> Examiner:
        """Raises `ValueError`, as the `StoreFactory` does."""
