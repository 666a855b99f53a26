"""What a store is: the one interface between coordsidecar and etcd, Consul, a lock file, ….

A store holds *elections*. A candidate opens a *session* (an etcd lease, a Consul session, an open
lock file), *campaigns* with it, and holds the election when its candidacy is the oldest. A session
that is not renewed within its TTL dies, and its candidacy with it.

A store answers **yes, no, or not at all**, and the three are never mixed up:

* yes: the method returns;
* no: `SessionLostError` (the session is gone for good), or an answer such as `Absent`;
* not at all: `UnreachableError`. Nothing is known, not even whether a write was applied.

A fourth kind, `RefusedError`, is for people to mend: a missing permission, a certificate that does
not verify, a TTL below the server's least. One of these cannot be mended while we run: a wrong
password that we were started with, `LoginRefusedError`.

Adapters only translate. They hold no thread that outlives a call, no retry policy and no clock of
their own. Every call returns or raises within its ``timeout_s``; where several endpoints are
configured, a call tries them in turn, the one that answered last first, with the budget divided.
It has a connection for its watch and one for all else: while one is in `watch`, another may call.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from coordsidecar.hints import Protocol
from coordsidecar.store.curbs import NO_CURBS, Curbs
from coordsidecar.store.office import Held, Limits, Office
from coordsidecar.store.orders import Order
from coordsidecar.value import Value

__all__ = [
    "Absent",
    "Behind",
    "Election",
    "Held",
    "Leader",
    "Limits",
    "LoginRefusedError",
    "NothingToPrepare",
    "Office",
    "RefusedError",
    "Renewal",
    "Session",
    "SessionLostError",
    "Standing",
    "Store",
    "StoreError",
    "StoreFactory",
    "UnreachableError",
    "Vacant",
]


class StoreError(Exception):
    """What a store could not do. The message says what happened, where, and what to do about it."""


class UnreachableError(StoreError):
    """No answer at all: nothing is known, and a write may or may not have been applied."""


class SessionLostError(StoreError):
    """The store answered: this session is gone. It never comes back."""


class RefusedError(StoreError):
    """The store answered, but will not serve us until somebody changes something."""


class LoginRefusedError(RefusedError):
    """The password or token that we were started with is no good, and we know no other.

    What is read from a file is not meant: it may be another by the next call.
    """


class Election(Value):
    """Which election: keys live below ``<namespace>/<name>``."""

    namespace: str
    name: str

    @property
    def prefix(self) -> str:
        """The key prefix, without a slash at either end."""
        return f"{self.namespace}/{self.name}"


class Session(Value):
    """A live session.

    ``handle`` is all that another process needs to adopt the session. ``ttl_s`` is the TTL the
    server granted, which may differ from the one asked for; ``math.inf`` for a kernel lock, which
    lasts for as long as a descriptor of it is open. ``fds`` are those descriptors.

    ``doubted_until_s``: so long, whoever opened it does not believe that who led before has ended
    (rule S9), nor does who adopts it. To the store it is nothing.
    """

    handle: str
    ttl_s: float
    fds: tuple[int, ...] = ()
    doubted_until_s: float = -math.inf


class Behind(Value):
    """Somebody else holds the election, or stands before us in the queue.

    ``leader`` is the holder's record as it stands in the store: written by anybody, so untrusted.
    ``leader_token`` is the holder's token; ``in_office``: it has taken office under it, as only
    instances of ours do. ``ahead`` is the key to watch. ``limits`` are those of its
    term.

    What tells when it last renewed, as far as the store can tell: ``quiet_s``, for how long at the
    least it had not when this was asked, or ``beat``, a number that each renewal changes.
    ``next_in_line``: nobody stands between. ``may_follow``: whoever leads will appoint us, should
    it resign. ``curbs``: as in `Held`.
    """

    leader: str
    leader_token: int
    ahead: str
    cursor: int
    in_office: bool = False
    limits: Limits | None = None
    quiet_s: float | None = None
    beat: int | None = None
    next_in_line: bool = True
    may_follow: bool = False
    curbs: Curbs = NO_CURBS


class Vacant(Value):
    """Nobody holds the election, but the store does not give it to us yet (Consul's lock-delay).

    ``last_led`` is as in `Held`: where it changes, somebody has led meanwhile.
    """

    retry_after_s: float
    cursor: int
    last_led: int = 0


class Absent(Value):
    """We are not a candidate: our key was deleted, or was never there."""


Standing = Held | Behind | Vacant | Absent


class Renewal(Value):
    """The session lives on for ``ttl_s``, as granted.

    ``standing``: where we stood after that, if it was asked for: by a linearizable read, so that it
    is the proof without which no deadline moves (rule S17). ``order``: the last of all."""

    ttl_s: float
    standing: Standing | None = None
    order: Order | None = None


class Leader(Value):
    """Who holds an election, as a linearizable read found it."""

    token: int
    record: str


class Store(Protocol):
    """One election in one store. Every method may raise any `StoreError` but where it says not."""

    def open(
        self, *, ttl_s: float, takeover_delay_s: float, record: str, timeout_s: float
    ) -> Session:
        """Open a session that the server ends ``ttl_s`` after the last renewal.

        ``record`` (JSON: who we are) becomes the value of our candidate key. ``takeover_delay_s``
        is for stores that enforce such a delay themselves when a session dies (Consul's
        lock-delay). An answer that was lost leaves a session that dies of itself.
        """

    def renew(self, session: Session, *, look: bool, timeout_s: float) -> Renewal:
        """Renew the session and, with ``look``, say where we stand thereafter.

        Both, or neither: a look that is refused or not answered fails the whole of it, whatever
        became of the session. With ``look``, a renewal of a term whose record has limits with a
        ``quiet_s`` is one that every other candidate can tell; otherwise that is taken out of the
        record before this returns.
        """

    def campaign(
        self,
        session: Session,
        *,
        record: str,
        run: str = "",
        floor: int = 0,
        limits: Limits | None = None,
        depose: int | None = None,
        timeout_s: float,
    ) -> Standing:
        """Become a candidate, unless we are one, and say where we stand. Safe to repeat.

        With a ``run``, whoever leads may appoint us (`resign`), and this may take office in the
        same transaction (`Held.in_office`), but only
        where the office record is clean and led by ``floor`` or a higher token (else the store has
        lost its data, and somebody may lead who has not heard of it), and nobody is kept from it by
        an operator. ``limits``: see `take_office`.

        ``depose``: take the lock from the leader whose `Behind.beat` that was, if it still is, and
        the lock is still held under the term in office: a store that gives an election away by
        itself need not know how.
        """

    def standing(self, session: Session, *, timeout_s: float) -> Standing:
        """Say where we stand, by a linearizable read, and what tells of the leader's last renewal.

        Changes nothing, nor costs the store a write.
        """

    def take_office(
        self,
        session: Session,
        token: int,
        *,
        run: str,
        record: str = "",
        floor: int = 0,
        limits: Limits | None = None,
        curbs: Curbs = NO_CURBS,
        timeout_s: float,
    ) -> int | None:
        """Record that we lead, in the transaction that checks that the election is still ours.

        Returns the token under which we do: ``token``, which is what `Held` said, or one that is
        above ``floor``, the highest that anybody here has ever seen. (Only a store that lost its
        data makes the two differ.) From now on `Held.token` is that. None: it is not ours, or what
        operators have ordered is no longer ``curbs``, by which we may lead. Safe to repeat.
        ``limits`` go into the record, for whoever comes after us, and who we are by ``record``.
        """

    def prepare(self, session: Session, *, timeout_s: float) -> None:
        """Find out what `resign` would ask first. Changes nothing; to fail costs time alone."""

    def resign(
        self, session: Session, token: int | None, *, run: str, why: str = "", timeout_s: float
    ) -> None:
        """Give up our candidacy. Call it only once the job of ``token`` is confirmed dead.

        Records ``released = token`` where this ``run`` led last, under ``token``, in the
        transaction that gives the key up if it is still ours; if it no longer is, the record alone
        is mended. ``None``: we never took office, and if we were appointed meanwhile, it is given
        back. Safe to repeat; does not raise `SessionLostError`. ``why`` it ended, for the history.

        Where the store can, the same transaction appoints whoever stands next: it takes office for
        that candidate, if it is one of ours and still stands there; but not where operators have
        ordered who may not lead.
        """

    def close(self, session: Session, *, timeout_s: float) -> None:
        """End the session. Call it after `resign`. Does not raise `SessionLostError`."""

    def watch(
        self, session: Session, standing: Held | Behind | Vacant, *, timeout_s: float
    ) -> bool | Held:
        """Block until our standing may have changed (True), or for at most ``timeout_s`` (False).

        Only a hint: the caller asks `standing` again. Misses nothing that happened since
        ``standing`` was read. `Held`: whoever resigned has appointed us, at that ``cursor``. It was
        so once; how long ago, a watch cannot tell.
        """

    def leader(self, *, timeout_s: float) -> Leader | None:
        """Who holds the election now, by a linearizable read; needs no session."""


class NothingToPrepare:
    """Of a store in which `Store.resign` asks nothing beforehand."""

    def prepare(self, session: Session, *, timeout_s: float) -> None: ...


class StoreFactory(Protocol):
    """What the entry-point group ``coordsidecar.stores`` names. Does no I/O but to read files."""

    def __call__(self, url: str, *, election: Election, environ: Mapping[str, str]) -> Store:
        """Build a store. `ValueError` says in one sentence what is wrong with ``url``."""
