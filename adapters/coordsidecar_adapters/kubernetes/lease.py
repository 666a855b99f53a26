"""A Lease as one answer of the API server has it, and the writes that change it.

The fields of ``spec`` mean what they mean to client-go's leader election, so that we exclude each
other (k8s.io/client-go/tools/leaderelection): who is named as holder leads until nobody has written
the Lease for ``leaseDurationSeconds``, by the watch of whoever looks, not by the times in it. What
only we need stands in annotations, which other holders leave alone: so it says whose it is.
"""

from __future__ import annotations

import json
import math
import time
import zlib
from collections.abc import Mapping

from coordsidecar.hints import Any
from coordsidecar.store.curbs import Curbs
from coordsidecar.store.orders import Order
from coordsidecar.store.protocol import Limits, Office, UnreachableError
from coordsidecar.utc import utc
from coordsidecar.value import Value, replace

__all__ = [
    "NO_LEASE",
    "Lease",
    "acquisition",
    "curbed",
    "in_office",
    "ordered",
    "release",
    "renewal",
    "unheld",
]

Json = dict[str, Any]

_OFFICE = "coordsidecar/office"
_TERM = "coordsidecar/term"
_LEADER = "coordsidecar/leader"
_ORDER = "coordsidecar/order"

# In what is written together with the lock: the version of the Lease that this write makes. It is
# known only thereafter; the first renewal writes it down.
_BY_THIS_WRITE = 0
_MOST_LEADER_CHARACTERS = 4096
_MOST_VERSION = 2**62
_MOST_BEAT = 2**160
_MOST_TRANSITIONS = 2**31 - 1
_LONGEST_TIME = 40
_LONGEST_S = 86400.0
# Of a holder that does not say for how long it holds: as long as client-go's default.
_UNSAID_S = 15.0
# What client-go leaves behind; 0 is not allowed.
_RELEASED_S = 1


class Lease(Value):
    """``version`` is its resourceVersion, 0 if there is no such Lease; ``holder``: "" is nobody.

    ``lock`` is the version by which its holder acquired it, 0 if that is none of ours, and
    ``replaced`` the beat of whoever held it until then.
    ``lock_written``, ``office_written``: these stand in it in full, not as `_BY_THIS_WRITE`, which
    the next write of anybody of ours has to put right, lest it be taken for that one.
    """

    version: int
    holder: str = ""
    duration_s: float = _UNSAID_S
    transitions: int = 0
    acquired: str = ""
    renewed: str = ""
    lock: int = 0
    replaced: int = 0
    leader: str = ""
    office: Office = Office()
    order: Order | None = None
    lock_written: bool = True
    office_written: bool = True

    @classmethod
    def read(cls, found: object) -> Lease:
        """Read what the API server answered; `UnreachableError`: it is no Lease."""
        try:
            assert isinstance(found, dict)
            metadata, spec = found["metadata"], found.get("spec") or {}
            return _read(_version(metadata["resourceVersion"]), metadata, spec)
        except (AssertionError, TypeError, KeyError, ValueError, AttributeError) as e:
            raise UnreachableError(f"Kubernetes answered what it never does: {e!r}") from e

    @property
    def beat(self) -> int:
        """What each renewal changes, and no other write: a label would keep the dead alive.

        As client-go compares. All digits of the time of the last renewal, and a sum of the rest.
        """
        rest = f"{self.holder} {self.acquired} {self.transitions} {self.duration_s}"
        digits = "".join(filter(str.isdecimal, self.renewed[:_LONGEST_TIME]))
        return (int(digits or "0") << 32) + zlib.crc32(rest.encode(errors="replace")) + 1

    @property
    def in_office(self) -> bool:
        """Whether who holds it has taken office under it, as only ours do."""
        return self.lock > 0 and self.office.led_under(self.lock)

    @property
    def limits(self) -> Limits:
        """When the term of its holder is over."""
        told = self.office.limits if self.in_office else None
        # Whoever else holds it, client-go's holders among them, holds it by its duration.
        ttl_s = told.ttl_s if told else self.duration_s
        return Limits(ttl_s, told.quiet_s if told and told.quiet_s else ttl_s)

    @property
    def leader_token(self) -> int:
        """The token of its holder; 0: it is none of ours, and has none."""
        return self.office.leader_token(self.lock) if self.lock else 0

    def acquired_by(self, version: int) -> Lease:
        """As its holder knows it, whoever wrote it since: it was acquired by ``version``."""
        # What was read may have been numbered by the version of a later write of somebody else's.
        office = self.office if self.office_written else self.office.numbered(version)
        return replace(self, lock=version, office=office)

    def may_be_succeeded(self, floor: int) -> bool:
        """Whether office may be taken with the lock: by a version that will be high enough."""
        return self.office.may_be_succeeded(floor) and self.office.led <= self.version


NO_LEASE = Lease(0)


def unheld() -> Json:
    """A new one. Whoever deleted the one before deleted what it told of its leader, who may still
    run; so this one says of nobody that he has resigned."""
    return {"metadata": {"annotations": {_OFFICE: "{}"}}, "spec": {}}


def acquisition(
    lease: Lease, holder: str, record: str, ttl_s: float, *, run: str, limits: Limits | None
) -> Json:
    """Take it; with a ``run`` office as well."""
    annotations = {
        _TERM: _term(holder, _BY_THIS_WRITE, lease.beat),
        _LEADER: record[:_MOST_LEADER_CHARACTERS],
    }
    if run:
        office = lease.office.taken_by_its_write(
            _BY_THIS_WRITE, run=run, limits=limits, record=record
        )
        annotations[_OFFICE] = office.encode()
    elif not lease.office_written:
        annotations[_OFFICE] = lease.office.encode()
    now = _now(lease)
    spec = _held(holder, ttl_s) | {"acquireTime": now, "renewTime": now}
    # As client-go counts: how often it has passed from one to another.
    spec["leaseTransitions"] = min(lease.transitions + 1, _MOST_TRANSITIONS)
    return _write(lease, annotations, spec)


def renewal(lease: Lease, ttl_s: float) -> Json:
    """Renew it, as its holder; and say in full what was taken by the version of its write."""
    spec = _held(lease.holder, ttl_s) | {"renewTime": _now(lease)}
    return _write(lease, _in_full(lease), spec)


def in_office(lease: Lease, office: Office, ttl_s: float) -> Json:
    """Take office, as its holder."""
    annotations = {_TERM: _term(lease.holder, lease.lock, lease.replaced), _OFFICE: office.encode()}
    return _write(lease, annotations, _held(lease.holder, ttl_s) | {"renewTime": _now(lease)})


def ordered(lease: Lease, order: Order) -> Json:
    """Leave an order for whoever leads."""
    return _write(lease, _in_full(lease) | {_ORDER: order.encode()}, {})


def curbed(lease: Lease, curbs: Curbs) -> Json:
    """Put into the office record what operators have ordered to hold."""
    office = replace(lease.office, curbs=curbs)
    return _write(lease, _in_full(lease) | {_OFFICE: office.encode()}, {})


def release(lease: Lease, office: Office, *, ours: bool) -> Json:
    """Give it up, if it is ``ours``; and replace the office record."""
    now = _now(lease)
    spec = _held("", _RELEASED_S) | {"acquireTime": now, "renewTime": now} if ours else {}
    changed = office != lease.office or not lease.office_written
    annotations = {_OFFICE: office.encode()} if changed else {}
    return _write(lease, annotations, spec)


def _write(lease: Lease, annotations: Mapping[str, str], spec: Json) -> Json:
    """A merge patch that is carried out only where the Lease is still as in ``lease``."""
    # Without a version it would be carried out whatever the Lease is by then, and whoever holds it.
    assert lease.version, "what is not there is made, not changed"
    metadata: Json = {"resourceVersion": str(lease.version)}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"metadata": metadata, "spec": spec} if spec else {"metadata": metadata}


def _in_full(lease: Lease) -> dict[str, str]:
    """What stands in it as `_BY_THIS_WRITE`, which ours would be taken for."""
    annotations = {}
    if not lease.lock_written:
        annotations[_TERM] = _term(lease.holder, lease.lock, lease.replaced)
    if not lease.office_written:
        annotations[_OFFICE] = lease.office.encode()
    return annotations


def _held(holder: str, duration_s: float) -> Json:
    # Whole seconds, and no fewer than we hold it for.
    return {"holderIdentity": holder, "leaseDurationSeconds": math.ceil(duration_s)}


def _term(holder: str, lock: int, replaced: int) -> str:
    return json.dumps({"holder": holder, "lock": lock, "replaced": replaced})


def _now(lease: Lease) -> str:
    """A MicroTime, unlike the last one. To whoever waits only that says anything."""
    now_s = time.time()
    while (now := utc(now_s, digits=6)) == lease.renewed:
        now_s += 1e-6
    return now


def _read(version: int, metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> Lease:
    annotations = metadata.get("annotations") or {}
    holder = spec.get("holderIdentity") or ""
    office = Office.decode(annotations.get(_OFFICE))
    lock, replaced = _term_of(holder, annotations.get(_TERM))
    office_written = _OFFICE not in annotations or office.led != _BY_THIS_WRITE
    lock_written = lock != _BY_THIS_WRITE
    if not office_written:
        office = office.numbered(version)
    if not lock_written:
        lock = version
    leader = annotations.get(_LEADER) if lock is not None else holder
    duration, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    return Lease(
        version=version,
        holder=str(holder),
        duration_s=min(float(_count(duration)), _LONGEST_S) or _UNSAID_S,
        transitions=_count(transitions),
        acquired=str(spec.get("acquireTime") or ""),
        renewed=str(spec.get("renewTime") or ""),
        lock=lock or 0,
        replaced=replaced,
        leader=str(leader or "")[:_MOST_LEADER_CHARACTERS],
        office=office,
        order=Order.decode(str(annotations.get(_ORDER) or "")),
        lock_written=lock_written,
        office_written=office_written,
    )


def _term_of(holder: str, raw: object) -> tuple[int | None, int]:
    """By which version this holder acquired it, after which beat; None: it is not one of ours."""
    try:
        term = json.loads(str(raw)) if holder and raw else None
        if not isinstance(term, dict) or term["holder"] != holder:
            return None, 0
        lock, replaced = term["lock"], term["replaced"]
    except (ValueError, KeyError, RecursionError):
        return None, 0
    # A bool is an int to Python, but no number.
    if type(lock) is not int or type(replaced) is not int:
        return None, 0
    if not (0 <= lock < _MOST_VERSION and 0 <= replaced < _MOST_BEAT):
        return None, 0
    return lock, replaced


def _version(version: object) -> int:
    """As a number: versions of one kind of object only grow, each new one among them."""
    number = int(version) if isinstance(version, str) else 0
    if not 0 < number < _MOST_VERSION:
        raise ValueError("resourceVersion is no number")
    return number


def _count(value: object) -> int:
    """A number that counts something; 0: it is none."""
    # A bool is an int to Python, but no number.
    if type(value) is not int:
        return 0
    assert isinstance(value, int)
    return value if 0 < value <= _MOST_TRANSITIONS else 0
