"""Whatever the other one says, and whatever a store holds: guard and elector can live with it."""

from __future__ import annotations

import json
import math
import os
import select
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coordsidecar.core import messages as msg
from coordsidecar.core.election import step as election_core
from coordsidecar.core.election.moves import (
    Answered,
    Event,
    Gone,
    Look,
    Open,
    Refused,
    Silent,
    TellGuard,
)
from coordsidecar.core.election.phases import Adopting, Claiming, Joining, Leading, Opening, Waiting
from coordsidecar.core.guard import step as guard_core
from coordsidecar.core.guard.moves import Heard
from coordsidecar.core.guard.phases import Hook, Idle, Lead, Rejoin, Running, Stopping, lease_of
from coordsidecar.elector.mailbox import Mailbox
from coordsidecar.elector.workers import Workers
from coordsidecar.linux import BootTimer
from coordsidecar.log import Log, json_safe
from coordsidecar.store.history import id_of
from coordsidecar.store.protocol import (
    Absent,
    Behind,
    Held,
    Office,
    RefusedError,
    Session,
    Store,
    Vacant,
)
from coordsidecar.trees.hunt import Hunt
from tests.core.election import electors
from tests.core.guard import guards
from tests.fuzz.nasty import NASTY_RECORDS, any_text, any_value, encoded, examples, mutated

_RECORDS = [raw.decode(errors="replace")[:5000] for raw in NASTY_RECORDS.values()]
_records = st.sampled_from(_RECORDS) | any_value.map(json.dumps) | any_text
_reasons = _records.map(lambda text: text[:2000]) | st.just("\U0001f600" * 2000)
_tokens = st.integers(1, 2**63 - 1)
_standings = st.one_of(
    st.builds(Held, _tokens, st.booleans(), _records, _tokens),
    st.builds(Behind, _records, _tokens, any_text, _tokens),
    st.builds(Vacant, st.floats(0, 1e6), _tokens),
    st.just(Absent()),
    st.builds(Gone, _reasons),
    st.builds(Silent, _reasons),
    st.builds(Refused, _reasons),
)
_PHASES = [Opening(), Joining(), Waiting(electors.BEHIND), Claiming(electors.CLEAN, 100.0)]
_PHASES += [Leading(electors.CLEAN), Adopting(7), Adopting(None)]


@examples(8)
@given(st.sampled_from(_PHASES), _standings)
def test_the_elector_can_live_with_whatever_the_store_holds(phase: Any, standing: Any) -> None:
    op = Open() if isinstance(phase, Opening) else Look(electors.SESSION)
    if isinstance(phase, Opening) and not isinstance(standing, Silent | Refused):
        return
    state = electors.elector(phase, call=op, connected=not isinstance(phase, Opening))

    state, effects = electors.take(state, Answered(op, 101.0, standing, 0.5), 101.0)

    for effect in effects:
        if isinstance(effect, TellGuard):
            msg.encode(effect.message)
    assert math.isfinite(election_core.next_wake_s(state, electors.AIMS))


class _Wordy:
    """A store that refuses everything, at length."""

    def open(self, **_: object) -> Session:
        raise RefusedError("\U0001f600" * 1_000_000)


def test_no_refusal_is_too_long_for_the_guard() -> None:
    inbox = Mailbox[Event]()
    store = cast(Store, _Wordy())
    workers = Workers(store, inbox, timing=electors.TIMING, run="r", record="{}")

    workers.take(Open())
    poll = select.poll()
    poll.register(inbox.fd, select.POLLIN)
    poll.poll()
    (answered,) = inbox.take()

    assert isinstance(answered, Answered)
    assert isinstance(answered.result, Refused)
    msg.encode(msg.Failed(125, answered.result.reason))


_LEASED = ["Leased", vars(guards.LONGER)]
_SAID = [
    _LEASED,
    ["Lost", {"token": 7, "reason": "x"}],
    ["Released", {"token": 7}],
    ["Following", {"leader": "x", "token": 9}],
    ["Failed", {"exit_code": 125, "reason": "x"}],
    ["Ready", {}],
    ["Holding", {"handle": "x", "ttl_s": 15.0, "doubted_until_s": 0.0}],
]
_GUARDS = [Idle(), Running(guards.LEASE), Stopping(guards.LEASE, 110.0, Rejoin())]
_GUARDS += [Hook(guards.LEASE, "pre-start", 110.0, Lead(gated=True))]


@examples(20)
@given(st.sampled_from(_SAID).flatmap(mutated), st.sampled_from(_GUARDS))
@example(["Leased", {"token": 7, "step_down_at_s": 1e300, "run_until_s": 1e300}], _GUARDS[1])
def test_no_word_of_an_elector_breaks_the_guard(said: Any, phase: Any) -> None:
    try:
        message = msg.decode(encoded(said))
    except msg.MessageError:
        return

    guard, _ = guards.take(guards.at(phase), Heard(message), 101.0)  # type: ignore[arg-type]

    assert guard_core.next_wake_s(guard, guards.PLAN) < math.inf
    timer = BootTimer()
    timer.arm(lease.run_until_s if (lease := lease_of(guard.phase)) else math.inf)
    timer.close()


@examples(5)
@given(_records)
def test_who_else_leads_is_shown_in_one_short_line(record: str) -> None:
    name = id_of(record)
    read_fd, write_fd = os.pipe()

    with os.fdopen(write_fd, "w") as stream:
        log = Log(fmt="text", election="e", node_id="i", stream=stream)
        log.event("standing-by", f"{name} leads", token=7)
        os.close(log._fd)
    with os.fdopen(read_fd, "rb") as file:
        line = file.read()

    assert 0 < len(name) <= 200
    assert line.count(b"\n") == 1
    assert line[:-1].decode().isprintable()
    json.dumps(json_safe({"leader": name})).encode()


@examples(5)
@given(st.binary(max_size=200) | st.sampled_from([*NASTY_RECORDS.values()]) | _records)
def test_the_run_that_an_office_record_names_can_be_hunted(raw: bytes | str) -> None:
    office = Office.decode(raw)

    assert Office.decode(office.encode()) == office
    Hunt(office.run)


@pytest.mark.parametrize("at_s", [1e10, 1e300, 2.0**63, -1e300, 0.0, -math.inf, math.inf])
def test_a_timer_takes_any_time(at_s: float) -> None:
    timer = BootTimer()
    timer.arm(at_s)
    timer.close()
