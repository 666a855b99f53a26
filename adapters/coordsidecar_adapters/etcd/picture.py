"""What we last saw of an election in etcd.

All of it are guesses that save a round trip; a wrong one is found out by the next transaction, and
costs one more.
"""

from __future__ import annotations

import math

from coordsidecar.store.orders import Order
from coordsidecar.store.protocol import Absent, Behind, Office, Standing
from coordsidecar_adapters.etcd.lease import Told
from coordsidecar_adapters.etcd.txn import Answer, Key, Witness

__all__ = ["Picture"]


class Picture:
    """``created``: when our key was (a revision); ``record``: the office record, as it is there.

    ``witness``: of the last transaction. ``judged``: the key of a leader whose silence shows that
    its term is over, as its record says; empty: there is none before us. ``run``: the mark of our
    run, if we may be appointed under it. ``heir``: who stood next behind us; ``vouched``: of whom
    we were told that its lease was renewed ``vouched_at_s`` (`time.monotonic`), or before.
    """

    def __init__(self) -> None:
        self.created = 0
        self.record: bytes | None = None
        self.witness: Witness | None = None
        self.judged = self.run = ""
        self.heir: Key | None = None
        self.vouched: Key | None = None
        self.vouched_at_s = -math.inf
        # It is looked at often, and seldom another: with each renewal it is read.
        self._read: tuple[bytes | None, Office] = (None, Office.decode(None))
        # The key by which we took office, when it was created, and the token: whoever writes into
        # the record cannot change what it is, as long as the key is ours.
        self._term = ("", 0, 0)

    @property
    def office(self) -> Office:
        if self._read[0] != self.record:
            self._read = self.record, Office.decode(self.record)
        return self._read[1]

    def took(self, name: str, office: Office) -> None:
        """We wrote this record; by our key ``name``."""
        self.record = office.encode().encode()
        self._term = (name, self.created, office.led)

    def token(self, name: str) -> int:
        """Our token, by the key of ours as we know it."""
        if self._term[:2] == (name, self.created):
            return self._term[2]
        return self.office.token_under(self.created)

    def found_changed(self, answer: Answer) -> None:
        """Something was not as we had seen it; this is how our key, the record and the next are."""
        _, key, _, record, heir = answer.keys
        asked_for, self.created = self.created, 0 if key is None else key.created
        self.heir = heir if asked_for == self.created else None
        self.record = None if record is None else record.value

    @property
    def order(self) -> Order | None:
        """An operator's, to whoever is in office: whoever follows writes the record anew."""
        return Order.within(self.record)

    def is_judged(self, created: int) -> bool:
        """Whether silence ends the term of whoever leads by the key that was created then."""
        limits = self.office.limits if self.office.led_under(created) else None
        return limits is not None and limits.quiet_s is not None

    def judge(self, answer: Answer, told: Told | None = None) -> Standing | None:
        """Say where we stand; None: the key before ours was looked for in the wrong place.

        ``told``: of the leader's lease, before this was asked.
        """
        ahead, ours, first, record, *heir = answer.keys
        self.record = None if record is None else record.value
        self.judged = ""
        office = self.office
        if ours is None or first is None:
            return Absent()
        asked_for, self.created = self.created, ours.created
        if first.name == ours.name:
            if asked_for != ours.created:
                self.heir = None  # It was looked for in the wrong place.
            elif heir:
                self.heir = heir[0]
            return office.held(self.token(ours.name), cursor=answer.revision)
        if asked_for != ours.created or ahead is None:
            return None
        in_office = office.led_under(first.created)
        self.judged = first.name if self.is_judged(first.created) else ""
        quiet_s = None
        if told is not None and (told.key, told.witness) == (self.judged, answer.witness):
            quiet_s = told.quiet_s
        return Behind(
            leader=first.text,
            leader_token=office.leader_token(first.created),
            ahead=ahead.name,
            cursor=answer.revision,
            in_office=in_office,
            limits=office.limits if in_office else None,
            quiet_s=quiet_s,
            next_in_line=ahead.name == first.name,
            may_follow=in_office and ahead.name == first.name and self.run != "",
            curbs=office.curbs,
        )
