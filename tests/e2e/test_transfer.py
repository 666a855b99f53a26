"""`coordsidecar transfer`: the lead passes to the one that is named, or to another in time."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from itertools import pairwise

import pytest

from tests.cli.command import Result, coordsidecar, refusal
from tests.e2e.arena import Arena
from tests.e2e.sidecars import Sidecar, wait_for
from tests.servers import EtcdServer

_ROUNDS = 6


def told(arena: Arena) -> list[str]:
    """Where, and which."""
    return [*arena.options()[:4], arena.election.name, "--rpc-timeout", "30s"]


def transfer(arena: Arena, to: str, *options: str) -> Result:
    more = ["--timeout", "50s", "--yes", *options]
    return coordsidecar("transfer", *told(arena), "--to", to, *more)


def fleet(arena: Arena, count: int) -> dict[str, Sidecar]:
    """By id: the first leads, the others stand by in this order, where there is one."""
    found: dict[str, Sidecar] = {}
    for number in range(count):
        node_id = f"node-{number}"
        found[node_id] = sidecar = arena.start("--id", node_id)
        if number == 0:
            arena.stamps.wait_for_stints(1)
        else:
            wait_for(lambda s=sidecar: "standing-by" in s.log(), "it to stand by")  # type: ignore[misc]
    return found


def stands_by(arena: Arena, node_id: str, nodes: dict[str, Sidecar]) -> bool:
    """Where the store tells; else it is not resting, by its log."""
    waiting = json.loads(coordsidecar("status", *told(arena), "--json").out)["waiting"]
    if waiting is None:
        last = nodes[node_id].log().splitlines()[-1]
        return "standing-by" in last or "watch" in last
    return any(one["id"] == node_id for one in waiting)


def test_the_one_that_is_named_leads_time_after_time(arena: Arena) -> None:
    nodes = fleet(arena, 4)
    targets = [f"node-{number}" for number in (3, 1, 2, 0, 3, 2)]

    results = []
    for to in targets:
        # Who gave its place back, so that another may lead, is back in a moment.
        wait_for(lambda to=to: stands_by(arena, to, nodes), "it to stand by")  # type: ignore[misc]
        results.append(transfer(arena, to, "--json", "--reason", "a test"))

    assert [result.status for result in results] == [0] * _ROUNDS
    assert [json.loads(result.out)["leader"]["id"] for result in results] == targets
    stints = arena.stamps.wait_for_stints(_ROUNDS + 1)
    wait_for(nodes["node-2"].leads, "the last one to lead")
    assert all(int(a.token) < int(b.token) for a, b in pairwise(stints))
    assert len(stints) == _ROUNDS + 1
    assert "ordered a transfer to node-3: a test" in nodes["node-0"].log()
    arena.stamps.assert_never_two()


def test_should_it_not_take_over_another_does_in_time(arena: Arena) -> None:
    nodes = fleet(arena, 3)
    for process in nodes["node-2"].everyone():
        process.suspend()

    result = transfer(arena, "node-2", "--within", "1s")
    wait_for(lambda: nodes["node-1"].leads() or nodes["node-0"].leads(), "another to lead")

    assert result.status in (1, 124)
    assert result.status == 124 or "node-2 did not take it within 1s" in result.out
    arena.stamps.assert_never_two()


def test_a_leader_that_is_killed_in_the_middle_is_followed_by_the_one_that_is_named(
    arena: Arena,
) -> None:
    command = arena.stamps.command("slow-term")
    first = arena.start("--id", "node-0", command=command)
    arena.stamps.wait_for_stints(1)
    others = {node_id: arena.start("--id", node_id) for node_id in ("node-1", "node-2")}
    for sidecar in others.values():
        wait_for(lambda s=sidecar: "standing-by" in s.log(), "it to stand by")  # type: ignore[misc]
    words = ["transfer", *told(arena), "--to", "node-2", "--within", "50s", "--timeout", "50s"]
    with subprocess.Popen(
        [sys.executable, "-m", "coordsidecar", *words, "--yes"], stdout=subprocess.PIPE
    ) as ordering:
        wait_for(lambda: "stepping-down" in first.log(), "the order to arrive")
        first.signal(signal.SIGKILL)
        ordering.communicate(timeout=60)

    assert ordering.returncode == 0
    wait_for(others["node-2"].leads, "the one that is named to lead")
    arena.stamps.assert_never_two()


def test_two_operators_at_once_get_one_of_both(arena: Arena) -> None:
    fleet(arena, 3)
    words = [sys.executable, "-m", "coordsidecar", "transfer", *told(arena), "--timeout", "50s"]
    targets = ["node-1", "node-2"]
    ordering = [
        subprocess.Popen([*words, "--to", to, "--yes", "--json"], stdout=subprocess.PIPE, text=True)
        for to in targets
    ]

    outputs = [operator.communicate(timeout=60)[0] for operator in ordering]

    assert {operator.returncode for operator in ordering} <= {0, 1}
    assert json.loads(outputs[0])["leader"]["id"] in targets
    arena.stamps.assert_never_two()


@pytest.fixture
def etcd_arena(etcd: EtcdServer, arena_of: object) -> Arena:
    assert callable(arena_of)
    found = arena_of("etcd")
    assert isinstance(found, Arena)
    return found


def test_whom_it_cannot_be_for_is_told_before_anything_is_changed(etcd_arena: Arena) -> None:
    arena = etcd_arena
    assert isinstance(arena.server, EtcdServer)
    nobody = transfer(arena, "node-1")
    fleet(arena, 2)
    with subprocess.Popen(
        arena.server.etcdctl_argv("elect", arena.election.prefix, "somebody else"),
        stdout=subprocess.PIPE,
    ) as other:
        try:
            wait_for(
                lambda: "somebody else" in coordsidecar("status", *told(arena)).out, "it to stand"
            )
            foreign = transfer(arena, "somebody else")
        finally:
            other.terminate()
    unknown = transfer(arena, "node-7")
    itself = transfer(arena, "node-0")
    stale = transfer(arena, "node-1", "--token", "1")

    assert (nobody.status, foreign.status, unknown.status) == (3, 1, 1)
    assert "another program's candidate, which takes no orders" in foreign.out
    assert "nobody stands by as node-7, but node-1" in unknown.out
    assert (itself.status, itself.out.splitlines()[-1]) == (0, "node-0 leads")
    assert stale.status == 1
    assert len(arena.stamps.stints()) == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["transfer", "a"], "transfer takes --to ID, as status shows it"),
        (["transfer", "a", "--to", "b", "--within", "0s"], "--within must be more than 0s"),
        (["transfer", "a", "--to", "b", "--reason", "x" * 201], "--reason may have 200"),
        (["transfer", "--to", "b"], "transfer takes the NAME of one election"),
    ],
)
def test_what_cannot_be_ordered_is_told_in_a_sentence(words: list[str], sentence: str) -> None:
    assert refusal(*words).startswith(sentence)
