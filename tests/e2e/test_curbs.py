"""`pause`, `resume`, `cordon`, `uncordon`: what holds until somebody says otherwise."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from coordsidecar.store import registry
from coordsidecar.store.curbs import MOST_CORDONS, Cordon, Curbs
from coordsidecar.store.protocol import Election
from tests.cli.command import Result, coordsidecar, refusal
from tests.e2e.arena import Arena
from tests.e2e.sidecars import Sidecar, wait_for


def told(arena: Arena) -> list[str]:
    """Where: the options of an operator's question."""
    return arena.options()[:4]


def order(arena: Arena, word: str, *options: str) -> Result:
    """About the election; of a real store that is slow, and to be believed at once."""
    return coordsidecar(word, *told(arena), arena.election.name, "--rpc-timeout", "30s", *options)


def status(arena: Arena) -> Result:
    return order(arena, "status", "--json")


def waits_for_the_pause(sidecar: Sidecar) -> None:
    wait_for(lambda: "paused: elected, but paused by" in sidecar.log(), "who is elected to wait")


def two(arena: Arena) -> tuple[Sidecar, Sidecar]:
    """One leads, another stands by."""
    first = arena.start("--id", "one")
    arena.stamps.wait_for_stints(1)
    second = arena.start("--id", "two")
    wait_for(lambda: "standing-by" in second.log(), "the second to stand by")
    return first, second


def test_nobody_takes_over_in_a_pause_and_somebody_does_once_it_is_lifted(arena: Arena) -> None:
    first, second = two(arena)

    paused = order(arena, "pause", "--yes", "--reason", "a migration")
    led = status(arena)
    first.signal(signal.SIGTERM)
    assert first.wait() == 128 + signal.SIGTERM
    waits_for_the_pause(second)
    nobody = order(arena, "status")
    moved = order(arena, "step-down", "--yes")
    waited = [
        order(arena, "wait", "--for", state, "--timeout", "0s")
        for state in ("no-leader", "leader", "not=one", "leader=two")
    ]
    resumed = order(arena, "resume", "--yes")
    wait_for(second.leads, "the second to lead")

    assert (paused.status, led.status, nobody.status, resumed.status) == (0, 4, 4, 0)
    assert json.loads(led.out)["leader"]["id"] == "one"
    assert json.loads(led.out)["paused"]["reason"] == "a migration"
    assert "PAUSED until it is resumed" in nobody.out
    assert moved.status == 1
    assert "resume it first" in moved.out
    assert [answer.status for answer in waited] == [0, 124, 124, 124]
    assert "PAUSED" not in resumed.out.partition("now: ")[2]
    assert "a migration" in second.log()
    assert status(arena).status == 0
    arena.stamps.assert_never_two()


def test_a_job_that_runs_goes_on_in_a_pause(arena: Arena) -> None:
    first, _ = two(arena)

    assert order(arena, "pause", "--yes").status == 0
    since_ns = arena.stamps.stints()[0].last_ns
    wait_for(
        lambda: arena.stamps.stints()[0].last_ns > since_ns + 6 * 10**9, "the same job to go on"
    )

    assert first.leads()
    assert len(arena.stamps.stints()) == 1


def test_a_pause_ends_by_itself_if_it_was_to(arena: Arena) -> None:
    first, second = two(arena)

    assert order(arena, "pause", "--yes", "--for", "2s").status == 0
    first.signal(signal.SIGTERM)
    waits_for_the_pause(second)
    wait_for(second.leads, "the second to lead")

    assert status(arena).status == 0  # Nobody else is kept waiting by it.
    arena.stamps.assert_never_two()


def test_a_pause_that_is_over_is_taken_out_while_the_leader_leads_on(arena: Arena) -> None:
    first, _ = two(arena)

    assert order(arena, "pause", "--yes", "--for", "1s").status == 0
    wait_for(lambda: status(arena).status == 0, "the pause to be over")

    assert first.leads()
    assert len(arena.stamps.stints()) == 1


def test_a_pause_outlives_every_sidecar_and_the_store(arena_of_own: Arena) -> None:
    arena = arena_of_own
    first, second = two(arena)
    assert order(arena, "pause", "--yes").status == 0
    for sidecar in (first, second):
        sidecar.signal(signal.SIGTERM)
        sidecar.wait()
    assert arena.server is not None
    arena.server.kill()
    arena.server.restart()

    third = arena.start("--id", "three")
    waits_for_the_pause(third)

    assert status(arena).status == 4
    assert len(arena.stamps.stints()) == 1
    assert order(arena, "resume", "--yes").status == 0
    wait_for(third.leads, "the third to lead")


def test_an_outage_of_the_store_ends_the_job_in_a_pause_as_ever(network_arena: Arena) -> None:
    arena = network_arena
    way = arena.proxy()
    first = arena.start("--id", "one", by=way)
    arena.stamps.wait_for_stints(1)
    second = arena.start("--id", "two")
    wait_for(lambda: "standing-by" in second.log(), "the second to stand by")
    assert order(arena, "pause", "--yes").status == 0

    way.cut()
    waits_for_the_pause(second)

    assert not first.leads()
    assert not second.leads()
    assert order(arena, "resume", "--yes").status == 0
    wait_for(second.leads, "the second to lead")
    arena.stamps.assert_never_two()


def test_who_is_cordoned_hands_over_and_leads_again_only_once_it_may(arena: Arena) -> None:
    first, second = two(arena)
    words = ["--name", arena.election.name, "--rpc-timeout", "30s", "--yes"]

    cordoned = coordsidecar("cordon", *told(arena), "one", *words, "--wait", "--reason", "reboot")
    arena.stamps.wait_for_stints(2)
    second.signal(signal.SIGTERM)
    second.wait()
    wait_for(lambda: "elected, but cordoned by" in first.log(), "the first to give it back")
    led_meanwhile = len(arena.stamps.stints())
    again = coordsidecar("uncordon", *told(arena), "one", *words)
    wait_for(first.leads, "the first to lead again")

    assert (cordoned.status, again.status) == (0, 0)
    assert "CORDONED one: cordoned by" in cordoned.out
    assert "stepping-down: cordoned by" in first.log()
    assert led_meanwhile == 2
    assert not json.loads(status(arena).out)["cordoned"]
    arena.stamps.assert_never_two()


def test_a_cordon_holds_for_all_elections_of_a_namespace(arena: Arena, tmp_path: Path) -> None:
    arena.election = Election(tmp_path.name, "nightly")
    if arena.scheme == "kubernetes":
        sentence = refusal("cordon", *told(arena), "one", "--yes")
        assert sentence.endswith("ask for one by its name: --name NAME")
        return
    others = [part if part != arena.election.name else "another" for part in arena.options()]
    first = arena.start("--id", "one")
    arena.stamps.wait_for_stints(1)
    second = arena.start_words(*others, "--id", "one", "--", "sleep", "600")
    wait_for(second.leads, "it to lead another election")

    result = coordsidecar("cordon", *told(arena), "one", "--yes", "--json", "--rpc-timeout", "30s")
    for sidecar in (first, second):
        wait_for(lambda s=sidecar: "stepping-down" in s.log(), "it to hand over")  # type: ignore[misc]

    assert result.status == 0
    names = [one["election"] for one in json.loads(result.out)["elections"]]
    assert names == [f"{tmp_path.name}/another", f"{tmp_path.name}/nightly"]


def test_a_namespace_is_cordoned_as_a_whole_or_not_at_all(arena: Arena, tmp_path: Path) -> None:
    if arena.scheme == "kubernetes":
        pytest.skip("it lists no elections")
    arena.election = Election(tmp_path.name, "nightly")
    other = Election(tmp_path.name, "another")
    others = [other.name if part == "nightly" else part for part in arena.options()]
    arena.start("--id", "one")
    arena.stamps.wait_for_stints(1)
    second = arena.start_words(*others, "--id", "two", "--", "sleep", "600")
    wait_for(second.leads, "it to lead another election")
    directory = registry.directory(told(arena)[1], namespace=other.namespace, environ={})
    full = Curbs(cordons=tuple(Cordon(f"n{number}", "ann") for number in range(MOST_CORDONS)))
    directory.curb("nightly", lambda _: full, timeout_s=30)

    result = coordsidecar("cordon", *told(arena), "three", "--yes", "--rpc-timeout", "30s")

    assert result.status == 1
    assert "nightly: 32 instances are cordoned already; uncordon some; nothing was" in result.out
    assert not directory.board("another", timeout_s=30).curbs


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["pause"], "pause takes the NAME of one election"),
        (["pause", "a", "--for", "0s"], "--for must be more than 0s, and 720h at most"),
        (["pause", "a", "--reason", "x" * 201], "--reason may have 200 characters"),
        (["resume", "a", "--for", "1h"], "no such option: --for"),
        (["cordon"], "cordon takes the ID of one instance"),
        (["cordon", ""], "ID: '' is not allowed"),
        (["uncordon", "a", "--wait"], "no such option: --wait"),
    ],
)
def test_what_cannot_be_ordered_is_told_in_a_sentence(words: list[str], sentence: str) -> None:
    assert refusal(*words).startswith(sentence)


@pytest.mark.parametrize("word", ["pause", "resume", "cordon", "uncordon"])
def test_where_nobody_ever_led_nothing_is_changed(arena: Arena, word: str) -> None:
    about = ["one", "--name", arena.election.name] if "cordon" in word else [arena.election.name]

    result = coordsidecar(word, *told(arena), *about, "--yes", "--rpc-timeout", "30s")

    assert result.status == 1
    assert "nobody has ever led" in result.out
    assert "nothing was changed" in result.out


def test_without_a_terminal_it_takes_a_yes(arena: Arena) -> None:
    arena.start("--id", "one")
    arena.stamps.wait_for_stints(1)

    sentence = refusal("pause", *told(arena), arena.election.name, "--rpc-timeout", "30s")

    assert sentence == "without a terminal to ask on, pause takes --yes"
    assert status(arena).status == 0
