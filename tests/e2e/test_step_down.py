"""`coordsidecar step-down`: an order of an operator's, to real sidecars on every store."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from coordsidecar.store.protocol import Election
from tests.cli.command import Result, coordsidecar, refusal
from tests.e2e.arena import Arena
from tests.e2e.sidecars import Sidecar, Stamps, wait_for
from tests.servers import EtcdServer, Proxy

_TTL = "3s"
_ROUNDS = 6


def told(arena: Arena) -> list[str]:
    """Where, and which: the options of an operator's question, and NAME."""
    store, url, namespace, name = arena.options()[:4]
    return [store, url, namespace, name, arena.election.name]


def step_down(arena: Arena, *options: str) -> Result:
    return coordsidecar("step-down", *told(arena), "--timeout", "50s", *options)


def test_another_leads_and_the_one_that_led_stands_by_again(arena: Arena) -> None:
    first, second = arena.pair()
    before = arena.stamps.stints()[0].token

    result = step_down(arena, "--yes", "--reason", "a reboot", "--sit-out", "1s")
    wait_for(second.leads, "the second to lead")
    wait_for(
        lambda: "standing-by" in first.log().partition("stepping-down")[2],
        "the first to stand by again",
    )

    assert (result.status, result.err) == (0, "")
    assert re.search(rf"^before: .*token {before}$", result.out, re.MULTILINE)
    assert re.search(r"^now: .*token \d+$", result.out, re.MULTILINE)
    assert re.search(r"stepping-down: .+@.+ ordered to step down: a reboot; SIGKILL", first.log())
    assert not first.leads()
    arena.stamps.assert_never_two()


def test_so_it_does_time_after_time_in_a_fleet(
    etcd: EtcdServer, fleet: Callable[[], Arena]
) -> None:
    arena = fleet()
    everybody = [arena.start() for _ in range(5)]
    arena.stamps.wait_for_stints(1)
    wait_for(lambda: sum("standing-by" in one.log() for one in everybody) == 4, "four to stand by")

    results = [step_down(arena, "--yes", "--json", "--sit-out", "1s") for _ in range(_ROUNDS)]

    assert [result.status for result in results] == [0] * _ROUNDS
    for result in results:
        fields = json.loads(result.out)
        assert fields["leader"]["token"] > fields["before"]["leader"]["token"]
    stints = arena.stamps.wait_for_stints(_ROUNDS + 1)
    assert sum(one.leads() for one in everybody) == 1
    assert [int(a.token) < int(b.token) for a, b in pairwise(stints)] == [True] * _ROUNDS
    arena.stamps.assert_never_two()


def test_one_that_stands_alone_leads_again_once_it_has_sat_out(
    etcd: EtcdServer, fleet: Callable[[], Arena]
) -> None:
    arena = fleet()
    only = arena.start()
    arena.stamps.wait_for_stints(1)

    result = step_down(arena, "--yes", "--sit-out", "100ms")

    assert result.status == 0
    wait_for(only.leads, "its job to run again")
    assert only.log().count("stepping-down") == 1
    arena.stamps.assert_never_two()


def test_an_order_that_comes_too_late_is_refused_and_one_of_old_means_nothing(
    etcd: EtcdServer, fleet: Callable[[], Arena]
) -> None:
    arena = fleet()
    leader = arena.start()
    (stint,) = arena.stamps.wait_for_stints(1)
    stale = str(int(stint.token) + 1)

    refused = step_down(arena, "--yes", "--token", stale)
    as_json = step_down(arena, "--yes", "--token", stale, "--json")
    order = {"order": "step-down", "token": int(stale), "sit_out_s": 5, "by": "x"}
    office = f"{arena.election.prefix}.office"
    record = json.loads(etcd.etcdctl("get", "--print-value-only", office))
    etcd.etcdctl("put", office, json.dumps(record | {"ordered": order}))
    renewed = arena.stamps.stints()[0].last_ns + 5 * 10**9
    wait_for(lambda: arena.stamps.stints()[0].last_ns > renewed, "the same job to go on")

    assert refused.status == as_json.status == 1
    assert json.loads(as_json.out)["refused"].startswith("the lead has moved")
    assert f"it is led under token {stint.token}, not {stale}; nothing was changed" in refused.out
    assert len(arena.stamps.stints()) == 1
    assert "stepping-down" not in leader.log()


def test_nobody_and_another_program_take_no_orders(
    etcd: EtcdServer, fleet: Callable[[], Arena]
) -> None:
    arena = fleet()
    nobody = step_down(arena, "--yes")
    with subprocess.Popen(
        etcd.etcdctl_argv("elect", arena.election.prefix, "somebody else"),
        stdout=subprocess.PIPE,
    ) as other:
        try:
            assert other.stdout is not None
            other.stdout.readline()
            foreign = step_down(arena, "--yes", "--timeout", "1s")
        finally:
            other.terminate()

    assert nobody.status == 3
    assert nobody.out.splitlines()[-1] == "there is nobody to step down; nothing was changed"
    assert foreign.status == 1
    assert "another program's, which takes no orders; nothing was changed" in foreign.out


def test_without_a_terminal_it_takes_a_yes(etcd: EtcdServer, fleet: Callable[[], Arena]) -> None:
    arena = fleet()
    leader = arena.start()
    arena.stamps.wait_for_stints(1)

    sentence = refusal("step-down", *told(arena))

    assert sentence == "without a terminal to ask on, step-down takes --yes"
    assert "stepping-down" not in leader.log()


@pytest.mark.parametrize(("answer", "status"), [("y", 0), ("n", 1), ("", 1)])
def test_on_a_terminal_it_asks(
    etcd: EtcdServer, fleet: Callable[[], Arena], answer: str, status: int
) -> None:
    arena = fleet()
    arena.pair()
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "coordsidecar", "step-down", *told(arena), "--timeout", "50s"]
    with subprocess.Popen(
        words, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as asking:
        os.close(theirs)
        os.write(ours, f"{answer}\n".encode())
        out, err = asking.communicate(timeout=60)
    os.close(ours)

    assert asking.returncode == status
    assert err.endswith("Hand over? [y/N] ")
    assert ("nothing was changed" in out) == (status == 1)
    if status == 0:
        arena.stamps.wait_for_stints(2)
    else:
        assert len(arena.stamps.stints()) == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["step-down"], "step-down takes the NAME of one election"),
        (["step-down", "a", "--sit-out", "2h"], "--sit-out must be between 0s and 1h"),
        (["step-down", "a", "--token", "-1"], "--token"),
        (
            ["step-down", "a", "--reason", "x" * 501],
            "--reason may have 500 characters",
        ),
        (["step-down", "a", "--token", "x"], "--token: 'x' is no token, such as 42"),
        (["status", "a", "--yes"], "no such option: --yes"),
    ],
)
def test_what_cannot_be_ordered_is_told_in_a_sentence(words: list[str], sentence: str) -> None:
    assert refusal(*words).startswith(sentence)


def test_a_job_that_ends_under_the_order_hands_over_all_the_same(
    etcd: EtcdServer, fleet: Callable[[], Arena]
) -> None:
    """It is asked to stop, and so is its sidecar, a moment later: then that one does not stay."""
    arena = fleet()
    command = arena.stamps.command("slow-term")
    first, second = arena.pair(command=command)
    words = [sys.executable, "-m", "coordsidecar", "step-down", *told(arena), "--yes"]
    with subprocess.Popen([*words, "--timeout", "50s"], stdout=subprocess.PIPE) as ordering:
        wait_for(lambda: "stepping-down" in first.log(), "the order to arrive")
        first.signal(signal.SIGTERM)
        ordering.communicate(timeout=60)

    assert ordering.returncode == 0
    assert first.wait() == 128 + signal.SIGTERM
    wait_for(second.leads, "the second to lead")
    arena.stamps.assert_never_two()


@pytest.fixture
def fleet(etcd: EtcdServer, start: Callable[..., Sidecar], tmp_path: Path) -> Callable[[], Arena]:
    """An election on etcd, with renewals that come often."""

    def make() -> Arena:
        election = Election(tmp_path.name, "nightly")
        arena = Arena(
            "etcd", etcd, election=election, folder=tmp_path, start=start, proxy=_no_proxy
        )
        arena.ttl = _TTL
        arena.stamps = Stamps(tmp_path / "stamps")
        return arena

    return make


def _no_proxy(endpoint: str) -> Proxy:
    raise AssertionError(endpoint)
