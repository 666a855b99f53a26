"""The office record: it tells an orderly end from a sudden one, and tokens are counted by it.

Which lock somebody holds is one thing, told by the store: a revision, an index. Under which token
its job acts is another: a store that lost its data, or was restored from an old backup, gives out
numbers that it gave out before, while what was fenced with them lives on. So tokens only ever go up
from what this record says, and from what anybody here has seen. As long as no store goes back, both
are the same number.
"""

from __future__ import annotations

import json

from coordsidecar.store import history as terms
from coordsidecar.store.curbs import NO_CURBS, Curbs
from coordsidecar.store.history import History
from coordsidecar.utc import utc
from coordsidecar.value import Value, replace

__all__ = ["Held", "Limits", "Office", "fit_for_run"]

_MOST_TOKEN = 2**62
_MOST_BEATS = 2**62
_LONGEST_TTL_S = 86400.0
_CURBS, _HISTORY = "curbs", "history"


class Limits(Value):
    """When a term is over that nobody renews; as its leader wrote it down.

    Its job is dead ``ttl_s`` after the last renewal at the latest; if none followed for
    ``quiet_s``, whatever follows later (rule S16). None: nothing follows from such a silence.
    """

    ttl_s: float
    quiet_s: float | None = None

    @classmethod
    def read(cls, ttl_s: object, quiet_s: object) -> Limits | None:
        """What a record says, which anybody may have written; None: it says nothing of use."""
        ttl, quiet = _duration_s(ttl_s), _duration_s(quiet_s)
        if ttl is None:
            return None
        return cls(ttl, quiet if quiet is not None and quiet < ttl else None)


def _duration_s(value: object) -> float | None:
    # A bool is an int to Python, but no number of seconds.
    if type(value) is not int and type(value) is not float:
        return None
    assert isinstance(value, int | float)
    return float(value) if 0 < value <= _LONGEST_TTL_S else None


def fit_for_run(run: str) -> bool:
    """Whether it may be the mark of a run: it is looked for in the environment of processes."""
    return len(run) <= 64 and run.isascii()


class Held(Value):
    """We hold the election.

    ``token`` is the fencing token: strictly greater than every earlier holder's. ``clean`` says
    that the holder before us resigned after its job was confirmed dead, so that ours may start at
    once; otherwise a takeover delay is due, and ``last_run`` names the run (see `Office`) whose
    remains may still live. ``last_led`` is the token of the last that took office; whoever has seen
    a higher one knows that the store has lost its data; ``last_limits`` are those of its term.
    ``in_office``: the campaign took office, too. ``beat``: see `Behind`. ``curbs``: who may not
    lead for now, by an operator's order; it may be we.
    """

    token: int
    clean: bool
    last_run: str
    cursor: int
    in_office: bool = False
    last_led: int = 0
    last_limits: Limits | None = None
    beat: int | None = None
    curbs: Curbs = NO_CURBS  # Immutable.


class Office(Value):
    """The record that tells an orderly end from a sudden one (safety rule S9).

    A leader writes ``led``, its token, before its job starts and ``released`` after the job's tree
    is confirmed dead. Tokens are counted by it: the next is above ``led``. ``run`` is the unique
    mark that every process of that run carries in its environment. ``lock`` names the lock under
    which ``led`` was led (a revision, an index, a file). ``limits``: of the term of ``led``; None:
    unknown. ``beat`` counts the renewals of the term, in stores where they leave no other trace.
    ``curbs``: what operators have ordered, and ``history``: the last terms; whoever writes the
    record anew keeps them.
    """

    led: int = 0
    released: int = 0
    run: str = ""
    lock: str = ""
    limits: Limits | None = None
    beat: int = 0
    curbs: Curbs = NO_CURBS
    history: History = ()

    @property
    def clean(self) -> bool:
        return self.led == self.released

    def may_be_succeeded(self, floor: int) -> bool:
        """Whether office may be taken together with the lock: all is clean, led by ``floor`` or a
        higher token, and nobody is kept from it."""
        return self.clean and self.led >= floor and not self.curbs

    def led_under(self, lock: int) -> bool:
        """Whether ``led`` was led under this very lock.

        Old records do not name it: there it was the token.
        """
        return self.led >= lock and (self.lock or str(self.led)) == str(lock)

    def token_under(self, lock: int) -> int:
        """The token of who holds ``lock``, for stores that number their locks.

        It is the lock's number, unless the store went back and gave out that number before.
        """
        return self.led if self.led_under(lock) else max(lock, self.led + 1)

    def leader_token(self, lock: int) -> int:
        """The token to show of whoever else holds ``lock``, who may know nothing of this record."""
        return self.led if self.led_under(lock) else lock

    def taken(
        self,
        token: int,
        *,
        lock: int,
        run: str,
        floor: int,
        limits: Limits | None = None,
        record: str = "",
    ) -> Office | None:
        """The record of who holds ``lock`` and takes office; None: ``token`` is of another term.

        ``record``: what it says of itself.

        How the one before left is kept for whoever reads it. Any `released` but our own token means
        "in office", so no record that a stranger wrote may have it so.
        """
        led = max(token, floor + 1)
        if self.token_under(lock) not in (token, led):
            return None
        released = min(self.released, led - 1)
        curbs, history = self.curbs.of_next_term, self.history
        if record:
            history = terms.begun(history, led, record, utc())
        return Office(led, released, run, str(lock), limits, curbs=curbs, history=history)

    def taken_by_its_write(
        self, led: int, *, run: str, limits: Limits | None, record: str
    ) -> Office:
        """As `taken`, by a write that will number the term: until then ``led`` stands for it, and
        then it is `numbered`."""
        assert not self.curbs, "see `may_be_succeeded`"
        history = terms.begun(self.history, led, record, utc())
        return Office(led, self.released, run, limits=limits, history=history)

    def numbered(self, led: int) -> Office:
        """As it stands once the write that it was taken by has this number."""
        history = self.history
        if history and history[-1].token == self.led:
            history = (*history[:-1], replace(history[-1], token=led))
        return replace(self, led=led, lock=str(led), history=history)

    def resigned(self, token: int | None, *, run: str, why: str | None = None) -> Office:
        """The record once the job of ``run`` under ``token`` is dead: the same, unless it led last.

        The token alone does not tell: after a loss of data another run may lead under that number.
        ``why``: that it ended goes into the history.
        """
        if token is None or (self.led, self.run) != (token, run):
            return self
        history = self.history
        if why is not None:
            history = terms.ended(history, token, why, utc())
        return replace(self, released=self.led, history=history)

    def held(self, token: int, *, cursor: int, proven: bool = False) -> Held:
        """How things stand for who holds the election by ``token`` and finds this record.

        ``proven``: the store vouches for the end of the leader before, who did not resign.
        """
        ended = self.clean or self.led == token  # Nobody before us, or ourselves.
        return Held(
            token,
            clean=ended or proven,
            last_run="" if ended else self.run,
            cursor=cursor,
            last_led=self.led,
            last_limits=self.limits,
            curbs=self.curbs,
        )

    def encode(self) -> str:
        fields: dict[str, object] = {
            "led": self.led,
            "released": self.released,
            "run": self.run,
            "lock": self.lock,
        }
        if self.limits is not None:
            fields["ttl"] = self.limits.ttl_s
            if self.limits.quiet_s is not None:
                fields["quiet"] = self.limits.quiet_s
        if self.beat:
            fields["beat"] = self.beat
        if self.curbs:
            fields[_CURBS] = self.curbs.as_fields()
        if self.history:
            fields[_HISTORY] = terms.as_list(self.history)
        return json.dumps(fields)

    @classmethod
    def put_into(cls, record: bytes, curbs: Curbs) -> str | None:
        """``record`` with these ``curbs``, and all else in it as it is; None: it is no record."""
        if cls.decode(record).led < 0:
            return None
        fields = json.loads(record)
        return json.dumps(fields | {_CURBS: curbs.as_fields()})

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
        if not fit_for_run(run):
            return unreadable
        if led >= _MOST_TOKEN:  # None that is above it would be left.
            return unreadable
        limits = Limits.read(fields.get("ttl"), fields.get("quiet"))
        beat = fields.get("beat")
        if type(beat) is not int or not 0 <= beat < _MOST_BEATS:
            beat = 0  # It only has to change.
        curbs, history = Curbs.read(fields.get(_CURBS)), terms.read(fields.get(_HISTORY))
        return cls(led, released, run, lock, limits, beat, curbs, history)
