"""What operators have ordered to hold stands in the way of office, wherever office is taken."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from coordsidecar.store import registry
from coordsidecar.store.curbs import MOST_CORDONS, NO_CURBS, Cordon, Curbs, Pause, Transfer
from coordsidecar.store.directory import Directory
from coordsidecar.store.protocol import Behind, Election, Held, Limits, RefusedError
from coordsidecar.value import replace
from coordsidecar_adapters.local.orders import OrderFiles
from tests.contract.candidate import CALL_S, Candidate, NewCandidate
from tests.contract.harness import Harness

PAUSE = Pause("a mark", 60.0, "ann", "2026-11-30T10:00:00Z", "a migration")
CORDON = Cordon("web-1", "bob", "2026-11-30T10:00:00Z")
LIMITS = Limits(60.0, 30.0)
ALL = Curbs(PAUSE, (CORDON,), Transfer(1, "web-2", 10.0, "eve"))

Curb = Callable[[Curbs], object]


@pytest.fixture
def directory(harness: Harness, election: Election) -> Directory:
    return registry.directory(harness.url, namespace=election.namespace, environ={})


@pytest.fixture
def curb(directory: Directory, election: Election) -> Curb:
    return lambda curbs: directory.curb(election.name, lambda _: curbs, timeout_s=CALL_S)


def proof(candidate: Candidate) -> Held:
    standing = candidate.renews_and_looks()
    assert isinstance(standing, Held)
    return standing


def test_who_leads_and_who_stands_by_are_told_and_nothing_else_changes(
    candidate: NewCandidate, curb: Curb
) -> None:
    leader, other = candidate(), candidate()
    token = leader.leads()
    other.campaign()

    curb(ALL)
    behind = other.standing()

    assert (proof(leader).token, proof(leader).curbs) == (token, ALL)
    assert isinstance(behind, Behind)
    assert (behind.leader_token, behind.in_office, behind.curbs) == (token, True, ALL)


def test_an_operator_is_shown_it_and_what_it_was_made_of(
    candidate: NewCandidate, directory: Directory, election: Election
) -> None:
    candidate().leads()
    were: list[Curbs] = []

    def add(curbs: Curbs) -> Curbs:
        were.append(curbs)
        return replace(curbs, cordons=(*curbs.cordons, CORDON))

    made = [directory.curb(election.name, add, timeout_s=CALL_S) for _ in range(2)]

    assert were == [NO_CURBS, Curbs(cordons=(CORDON,))]
    assert directory.board(election.name, timeout_s=CALL_S).curbs == made[-1]
    assert made[-1].cordons == (CORDON, CORDON)


def test_who_took_office_with_its_campaign_keeps_its_token(
    candidate: NewCandidate, curb: Curb
) -> None:
    leader = candidate()
    first = leader.leads()
    leader.resign(first)
    heir = candidate()
    held = heir.wins(run="b-run", limits=LIMITS)
    if not held.in_office:
        pytest.skip("this store takes office by itself")

    curb(ALL)  # Before the first renewal, by which some stores write down what they left open.

    assert proof(heir).token == held.token
    heir.resign(held.token)
    assert candidate().wins().token > held.token


def test_nobody_takes_office_with_a_campaign_nor_is_appointed(
    candidate: NewCandidate, curb: Curb
) -> None:
    leader, heir = candidate(), candidate()
    token = leader.leads()
    heir.campaign(run="b-run", limits=LIMITS)
    curb(Curbs(PAUSE))
    proof(leader)

    leader.resign(token)
    held = heir.wins(run="b-run", limits=LIMITS)

    assert not held.in_office
    assert (held.last_led, held.clean, held.curbs) == (token, True, Curbs(PAUSE))


def test_a_pause_that_comes_as_the_leader_resigns_is_not_overlooked(
    candidate: NewCandidate, curb: Curb
) -> None:
    leader, heir = candidate(), candidate()
    token = leader.leads()
    heir.campaign(run="b-run", limits=LIMITS)
    proof(leader)
    leader.prepare()

    curb(Curbs(PAUSE))  # It has not heard of it when it resigns.
    leader.resign(token)
    held = heir.wins(run="b-run", limits=LIMITS)

    assert not held.in_office
    assert (held.last_led, held.clean, held.curbs) == (token, True, Curbs(PAUSE))


def test_nor_is_one_that_it_hears_of_only_when_it_asks_who_is_next(
    candidate: NewCandidate, curb: Curb
) -> None:
    leader = candidate()
    token = leader.leads()
    proof(leader)
    heir = candidate()
    heir.campaign(run="b-run", limits=LIMITS)

    curb(Curbs(PAUSE))
    leader.resign(token)
    held = heir.wins(run="b-run", limits=LIMITS)

    assert not held.in_office
    assert (held.last_led, held.clean, held.curbs) == (token, True, Curbs(PAUSE))


def test_office_is_taken_by_what_holds_and_no_other(candidate: NewCandidate, curb: Curb) -> None:
    first = candidate()
    first.resign(first.leads())
    leader = candidate()
    held = leader.wins()

    curb(Curbs(PAUSE))
    by_nothing = leader.take_office(held.token)
    curb(ALL)
    by_what_was = leader.take_office(held.token, curbs=Curbs(PAUSE))
    led_meanwhile = leader.standing()
    by_what_is = leader.take_office(held.token, curbs=ALL)

    assert (by_nothing, by_what_was) == (None, None)
    assert isinstance(led_meanwhile, Held)
    assert led_meanwhile.last_led < held.token
    assert by_what_is == held.token


def test_with_a_new_term_a_pause_and_a_transfer_are_over_and_a_cordon_is_not(
    candidate: NewCandidate, curb: Curb
) -> None:
    first = candidate()
    first.resign(first.leads())
    curb(ALL)
    leader = candidate()
    held = leader.wins()

    assert leader.take_office(held.token, curbs=ALL) == held.token

    assert proof(leader).curbs == Curbs(cordons=(CORDON,))


def test_who_leads_takes_what_is_over_out_of_the_record_and_leads_on(
    candidate: NewCandidate, curb: Curb, directory: Directory, election: Election
) -> None:
    leader = candidate()
    token = leader.leads()
    curb(replace(ALL, transfer=None))
    proof(leader)

    again = leader.take_office(token, curbs=replace(ALL, transfer=None))

    assert again == token
    held = proof(leader)
    assert (held.token, held.curbs) == (token, Curbs(cordons=(CORDON,)))
    assert directory.board(election.name, timeout_s=CALL_S).curbs == Curbs(cordons=(CORDON,))


def test_all_that_may_be_ordered_is_read_however_it_is_spelt(
    candidate: NewCandidate, curb: Curb
) -> None:
    leader = candidate()
    token = leader.leads()
    wide = "\N{GRINNING FACE}" * 200
    cordons = tuple(Cordon(f"{number}{wide}"[:200], wide[:100], wide[:100], wide)
                    for number in range(MOST_CORDONS))  # fmt: skip
    most = Curbs(Pause(wide[:100], None, wide[:100], wide[:100], wide), cordons)

    curb(most)

    assert (proof(leader).token, proof(leader).curbs) == (token, most)


@pytest.mark.stores("local")
@pytest.mark.parametrize("was", [NO_CURBS, Curbs(replace(PAUSE, mark="over"))], ids=["none", "one"])
def test_who_takes_office_waits_for_an_order_that_is_being_written(
    harness: Harness,
    candidate: NewCandidate,
    curb: Curb,
    election: Election,
    monkeypatch: pytest.MonkeyPatch,
    was: Curbs,
) -> None:
    """Where it is a file of its own, it could be overlooked between a look and the record."""
    monkeypatch.setattr("coordsidecar_adapters.local.store._TURN_PATIENCE_S", CALL_S)
    first = candidate()
    first.resign(first.leads())
    curb(was)
    leader = candidate()
    held = leader.wins()
    files = OrderFiles(f"{harness.url.removeprefix('local:')}/{election.prefix}")

    with ThreadPoolExecutor(1) as elector:
        with files.turn(CALL_S) as is_ours:
            taking = elector.submit(leader.take_office, held.token, curbs=was)
            time.sleep(0.05)  # Were it not to wait, it would be done by then.
            files.write_curbs(Curbs(PAUSE))
        taken = taking.result()

    assert is_ours
    assert taken is None
    assert files.curbs() == Curbs(PAUSE)


@pytest.mark.stores("local")
def test_an_operator_who_is_stopped_while_writing_keeps_nobody_from_leading(
    harness: Harness, candidate: NewCandidate, election: Election
) -> None:
    leader = candidate()
    held = leader.wins()
    files = OrderFiles(f"{harness.url.removeprefix('local:')}/{election.prefix}")

    with files.turn(CALL_S):
        assert leader.take_office(held.token) == held.token


def test_it_outlives_the_term_in_which_it_was_ordered(
    candidate: NewCandidate, curb: Curb, directory: Directory, election: Election
) -> None:
    leader = candidate()
    token = leader.leads()
    curb(ALL)
    proof(leader)

    leader.resign(token)

    assert directory.board(election.name, timeout_s=CALL_S).curbs == ALL


def test_where_nobody_ever_led_nothing_is_ordered(
    directory: Directory, election: Election, curb: Curb
) -> None:
    with pytest.raises(RefusedError):
        curb(ALL)

    assert not directory.board(election.name, timeout_s=CALL_S).curbs


def test_operators_who_order_at_once_lose_nothing(
    candidate: NewCandidate, harness: Harness, election: Election
) -> None:
    candidate().leads()
    ids = [f"web-{number}" for number in range(4)]

    def cordon(node_id: str) -> None:
        own = registry.directory(harness.url, namespace=election.namespace, environ={})

        def add(curbs: Curbs) -> Curbs:
            return replace(curbs, cordons=(*curbs.cordons, Cordon(node_id, "ann")))

        own.curb(election.name, add, timeout_s=CALL_S)

    with ThreadPoolExecutor(len(ids)) as operators:
        list(operators.map(cordon, ids))

    own = registry.directory(harness.url, namespace=election.namespace, environ={})
    curbs = own.board(election.name, timeout_s=CALL_S).curbs
    assert sorted(cordon.id for cordon in curbs.cordons) == ids
