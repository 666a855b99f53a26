"""What a store is: the one interface between coordsidecar and etcd, Consul, a lock file, ….

A store holds *elections*. A candidate opens a *session* (an etcd lease, a Consul session, an open
lock file), *campaigns* with it, and holds the election when its candidacy is the oldest. A session
that is not renewed within its TTL dies, and its candidacy with it.

A store answers **yes, no, or not at all**, and the three are never mixed up:

* yes: the method returns;
* no: `SessionLostError` (the session is gone for good), or an answer such as `Absent`;
* not at all: `UnreachableError`. Nothing is known, not even whether a write was applied.

A fourth kind, `RefusedError`, is for people to mend: a wrong password, a missing permission, a
certificate that does not verify, a TTL below the server's least.

Adapters only translate. They hold no thread that outlives a call, no retry policy and no clock of
their own. Every call returns or raises within its ``timeout_s``; where several endpoints are
configured, a call tries them in turn, the one that answered last first, with the budget divided.
A store object has a connection for its watch and one for all else: while one thread
is in `watch`, another may call.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from coordsidecar.hints import Protocol
from coordsidecar.value import Value

__all__ = [
    "Absent",
    "Behind",
    "Election",
    "Held",
    "Leader",
    "Office",
    "RefusedError",
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
    """

    handle: str
    ttl_s: float
    fds: tuple[int, ...] = ()


class Held(Value):
    """We hold the election.

    ``token`` is the fencing token: strictly greater than every earlier holder's. ``clean`` says
    that the holder before us resigned after its job was confirmed dead, so that ours may start at
    once; otherwise a takeover delay is due, ``last_run`` names the run (see `Office`) whose remains
    may still live, and ``last_led`` is its token. ``in_office``: the campaign took office, too.
    """

    token: int
    clean: bool
    last_run: str
    cursor: int
    in_office: bool = False
    last_led: int = 0


class Behind(Value):
    """Somebody else holds the election, or stands before us in the queue.

    ``leader`` is the holder's record as it stands in the store: written by anybody, so untrusted.
    ``leader_token`` is the holder's token. ``ahead`` is the key to watch.
    """

    leader: str
    leader_token: int
    ahead: str
    cursor: int


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


class Leader(Value):
    """Who holds an election, as a linearizable read found it."""

    token: int
    record: str


class Office(Value):
    """The record that tells an orderly end from a sudden one (safety rule S9).

    A leader writes ``led`` before its job starts and ``released`` after the job's tree is confirmed
    dead. ``run`` is the unique mark that every process of that run carries in its environment.
    ``lock`` names the lock itself, for stores whose lock can be replaced behind our back.
    """

    led: int = 0
    released: int = 0
    run: str = ""
    lock: str = ""

    @property
    def clean(self) -> bool:
        return self.led == self.released

    def held(self, token: int, *, cursor: int, proven: bool = False) -> Held:
        """How things stand for who holds the election by ``token`` and finds this record.

        ``proven``: the store vouches for the end of the leader before, who did not resign.
        """
        if self.clean or self.led == token:  # Nobody before us, or ourselves.
            return Held(token, clean=True, last_run="", cursor=cursor)
        return Held(token, clean=proven, last_run=self.run, cursor=cursor, last_led=self.led)

    def encode(self) -> str:
        return json.dumps(
            {"led": self.led, "released": self.released, "run": self.run, "lock": self.lock}
        )

    @classmethod
    def decode(cls, raw: str | bytes | None) -> Office:
        """Read a record that anybody may have written; what cannot be read counts as unclean.

        ``None`` (there is no record: nobody ever led) is clean.
        """
        if raw is None:
            return cls()
        unreadable = cls(led=-1, released=0)
        try:
            fields = json.loads(raw)
        except (ValueError, RecursionError):
            return unreadable
        if not isinstance(fields, dict):
            return unreadable
        led, released = fields.get("led"), fields.get("released")
        run, lock = fields.get("run", ""), fields.get("lock", "")
        # bool is an int to Python, but a record that says `true` was not written by us.
        if type(led) is not int or type(released) is not int:
            return unreadable
        if not isinstance(run, str) or not isinstance(lock, str):
            return unreadable
        if len(run) > 64 or not run.isascii():  # It is looked for in the environment of processes.
            return unreadable
        return cls(led=led, released=released, run=run, lock=lock)


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
        ...

    def renew(self, session: Session, *, timeout_s: float) -> float:
        """Renew the session and return the TTL granted, in seconds."""
        ...

    def campaign(
        self, session: Session, *, record: str, run: str = "", timeout_s: float
    ) -> Standing:
        """Become a candidate, unless we are one, and say where we stand. Safe to repeat.

        With a ``run``, this may take office in the same transaction (`Held.in_office`), but only
        where the office record is clean.
        """
        ...

    def standing(self, session: Session, *, timeout_s: float) -> Standing:
        """Say where we stand, by a linearizable read. Changes nothing."""
        ...

    def take_office(self, session: Session, token: int, *, run: str, timeout_s: float) -> bool:
        """Record ``led = token`` in the transaction that checks that the election is still ours.

        False: it is not ours. Safe to repeat.
        """
        ...

    def resign(self, session: Session, token: int | None, *, timeout_s: float) -> None:
        """Give up our candidacy. Call it only once the job of ``token`` is confirmed dead.

        Records ``released = token`` where ``led == token``, in the transaction that gives the key
        up if it is still ours; if it no longer is, the record alone is mended. ``None``: we never
        took office. Safe to repeat; does not raise `SessionLostError`.
        """
        ...

    def close(self, session: Session, *, timeout_s: float) -> None:
        """End the session. Call it after `resign`. Does not raise `SessionLostError`."""
        ...

    def watch(
        self, session: Session, standing: Held | Behind | Vacant, *, timeout_s: float
    ) -> bool:
        """Block until our standing may have changed (True), or for at most ``timeout_s`` (False).

        Only a hint: the caller asks `standing` again. Misses nothing that happened since
        ``standing`` was read.
        """
        ...

    def leader(self, *, timeout_s: float) -> Leader | None:
        """Who holds the election now, by a linearizable read; needs no session."""
        ...


class StoreFactory(Protocol):
    """What the entry-point group ``coordsidecar.stores`` names. Does no I/O but to read files."""

    def __call__(self, url: str, *, election: Election, environ: Mapping[str, str]) -> Store:
        """Build a store. `ValueError` says in one sentence what is wrong with ``url``."""
        ...
