"""--on-lead, --on-standby, --on-lead-lost: told of what happened, and nothing waits for them."""

from __future__ import annotations

import shlex
import signal
from pathlib import Path

import psutil

from tests.cli.command import coordsidecar
from tests.e2e.arena import Arena
from tests.e2e.sidecars import Sidecar, Stamps, has_ended, named, wait_for, words_of
from tests.guard.test_hooks import job, note, notes

_TOLD = (
    *("$COORDSIDECAR_HOOK", "$COORDSIDECAR_ROLE_OLD", "$COORDSIDECAR_ROLE"),
    *("token=$COORDSIDECAR_TOKEN", "leader=$COORDSIDECAR_LEADER", "$COORDSIDECAR_NAME"),
)


def all_told(command: str) -> list[str]:
    return ["--on-lead", command, "--on-standby", command, "--on-lead-lost", command]


def step_down(arena: Arena) -> None:
    store, url, namespace, name = arena.options()[:4]
    order = (store, url, namespace, name, arena.election.name, "--yes", "--timeout", "50s")
    assert coordsidecar("step-down", *order).status == 0


def runner(sidecar: Sidecar) -> psutil.Process:
    (only,) = named(sidecar.children(), "hook-runner")
    return only


def hanging(ledger: Path) -> str:
    """A hook that notes its pid, and hangs, whatever it is asked."""
    return f"trap '' TERM INT HUP; {note(ledger, '$$')}; sleep 600; sleep 600"


def hook_of(ledger: Path) -> psutil.Process:
    wait_for(lambda: notes(ledger), "the hook to run")
    return psutil.Process(int(notes(ledger)[0]))


def test_each_is_told_in_order_what_happened(etcd_arena: Arena, tmp_path: Path) -> None:
    arena, ledger, name = etcd_arena, tmp_path / "ledger", etcd_arena.election.name
    first = arena.start("--id", "one", *all_told(note(ledger, *_TOLD)), command=job(tmp_path / "j"))
    wait_for(lambda: len(notes(ledger)) == 1, "it to be told that it leads")
    arena.start("--id", "two")
    token = notes(ledger)[0].partition("token=")[2].split()[0]

    arena.revoke()
    wait_for(lambda: len(notes(ledger)) == 3, "it to be told of the loss, and that it stands by")

    assert notes(ledger) == [
        f"on-lead standby leader token={token} leader=one {name}",
        f"on-lead-lost leader stopping token={token} leader= {name}",
        f"on-standby stopping standby token={token} leader= {name}",
    ]
    assert int(token) > 0
    assert first.process.poll() is None


def test_a_standby_is_told_so_once_and_who_leads(arena: Arena, tmp_path: Path) -> None:
    ledger, name = tmp_path / "ledger", arena.election.name
    arena.start("--id", "one")
    arena.stamps.wait_for_stints(1)

    arena.start("--id", "two", *all_told(note(ledger, *_TOLD)))

    wait_for(lambda: notes(ledger), "it to be told that it stands by")
    assert notes(ledger) == [f"on-standby standby token= leader=one {name}"]


def test_an_orderly_end_is_no_loss(arena: Arena, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    arena.pair(*all_told(note(ledger, "$COORDSIDECAR_ID", "$COORDSIDECAR_HOOK")))
    wait_for(lambda: len(notes(ledger)) == 2, "both to be told")

    step_down(arena)

    wait_for(lambda: len(notes(ledger)) == 4, "both to be told again")
    assert sorted(line.split()[1] for line in notes(ledger)) == ["on-lead"] * 2 + ["on-standby"] * 2


def test_a_restart_of_the_job_is_no_news(arena: Arena, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    turn = f"{note(ledger, 'job')}; sleep 0.2; test $(grep -c job {ledger}) = 3"
    sidecar = arena.start(
        "--restart", "on-failure", *all_told(note(ledger, "hook")), command=["sh", "-c", turn]
    )

    assert sidecar.wait() == 0

    assert sorted(notes(ledger)) == ["hook", "job", "job", "job"]


def test_none_carries_the_mark_of_the_job_or_our_secrets(arena: Arena, tmp_path: Path) -> None:
    env = {"ETCDCTL_PASSWORD": "hunter2"}
    arena.start(
        "--on-lead", f"env > {tmp_path}/env.new; mv {tmp_path}/env.new {tmp_path}/env", env=env
    )

    wait_for((tmp_path / "env").exists, "the hook")

    text = (tmp_path / "env").read_text()
    assert "COORDSIDECAR_RUN=" not in text
    assert "hunter2" not in text
    assert "COORDSIDECAR_STORE=local:" in text


def test_one_that_hangs_holds_up_no_hand_over(arena: Arena, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    first = arena.start("--on-lead", hanging(ledger), "--hook-timeout", "1h")
    hook = hook_of(ledger)
    second = arena.start()
    wait_for(lambda: "standing-by" in second.log(), "the second to stand by")

    step_down(arena)

    arena.stamps.wait_for_stints(2)
    assert not has_ended(hook)
    assert first.process.poll() is None
    arena.stamps.assert_never_two()


def test_what_happens_while_one_hangs_is_told_after_it_and_the_newest_alone(
    arena: Arena, tmp_path: Path
) -> None:
    """Leads, and hangs; then hands over and gets the lead back, twice."""
    ledger, slow = tmp_path / "ledger", tmp_path / "slow"
    told = note(ledger, "$COORDSIDECAR_HOOK", "$COORDSIDECAR_TOKEN")
    hang = f"touch {slow}; while ! test -e {tmp_path}/go; do sleep 0.05; done"
    on_lead = f"{told}; test -e {slow} || {{ {hang}; }}"
    hooks = ("--on-lead", on_lead, "--on-standby", told, "--hook-timeout", "1h")
    role_file = tmp_path / "role"
    options = ("--restart", "always", "--role-file", str(role_file))
    sidecar = arena.start(*hooks, *options, command=job(tmp_path / "jobs"))
    wait_for(slow.exists, "the hook to hang")
    arena.revoke()
    wait_for(lambda: len(notes(tmp_path / "jobs")) == 2, "it to lead again")
    arena.revoke()
    wait_for(lambda: len(notes(tmp_path / "jobs")) == 3, "it to lead once more")

    # With a renewal all is told that came before.
    led = role_file.read_text()
    wait_for(lambda: role_file.read_text() != led, "a renewal")
    (tmp_path / "go").touch()

    wait_for(lambda: len(notes(ledger)) == 3, "the rest to be told")
    assert notes(ledger) == ["on-lead 1", "on-standby 2", "on-lead 3"]
    assert sidecar.process.poll() is None


def test_one_that_hangs_is_killed_with_all_that_it_started(arena: Arena, tmp_path: Path) -> None:
    left = Stamps(tmp_path / "left")
    hook = f"{shlex.join(left.command('daemon-child', 'ignore-term'))}"
    sidecar = arena.start("--on-lead", hook, "--hook-timeout", "500ms")
    arena.stamps.wait_for_stints(1)

    wait_for(lambda: "did not end within" in sidecar.log(), "the hook to be killed")

    assert [p for p in sidecar.everyone() if str(left.path) in words_of(p)] == []
    assert len(runner(sidecar).children()) == 0
    assert sidecar.leads()


def test_one_that_forks_on_is_ended_and_the_job_goes_on(arena: Arena, tmp_path: Path) -> None:
    left = Stamps(tmp_path / "left")
    hook = shlex.join(left.command("fork-on", "setsid-on"))
    sidecar = arena.start("--on-lead", hook, "--hook-timeout", "500ms")
    arena.stamps.wait_for_stints(1)
    job_pid = sidecar.job().pid

    wait_for(lambda: "did not end within" in sidecar.log(), "the hook to be killed")

    assert [p for p in sidecar.everyone() if str(left.path) in words_of(p)] == []
    assert sidecar.job().pid == job_pid
    sidecar.signal(signal.SIGTERM)
    assert sidecar.wait() == 128 + signal.SIGTERM
    assert "SIGKILL" not in sidecar.log().partition("stopping the job")[2].partition("\n")[2]


def test_what_one_prints_is_logged_line_by_line_and_a_flood_is_counted(arena: Arena) -> None:
    flood = "echo one; echo two >&2; printf three; exec 1>&2; exec yes flood"
    sidecar = arena.start("--on-lead", flood, "--hook-timeout", "500ms")

    wait_for(lambda: "output_lines_dropped" in sidecar.log(), "the flood to be counted")

    lines = sidecar.log().splitlines()
    said = [line.rpartition("on-lead: ")[2] for line in lines if "on-lead: " in line]
    assert said[:2] == ["one", "two"]
    assert said[2] == "threeflood"
    assert len(lines) < 200
    assert sidecar.leads()


def test_a_line_without_an_end_is_cut(arena: Arena) -> None:
    sidecar = arena.start("--on-lead", "head -c 300000 /dev/zero | tr '\\0' x; echo; echo next")

    wait_for(lambda: "exit code 0" in sidecar.log(), "the hook to end")

    said = [line for line in sidecar.log().splitlines() if "on-lead: " in line]
    assert said[0].endswith("xxx...")
    assert len(said[0]) < 700
    assert [line.rpartition("on-lead: ")[2] for line in said[1:]] == [
        "next",
        "the hook ended; exit code 0",
    ]


def test_when_the_sidecar_ends_nothing_of_them_is_left(arena: Arena, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    sidecar = arena.start("--on-lead", hanging(ledger), "--hook-timeout", "1h")
    hook = hook_of(ledger)

    sidecar.signal(signal.SIGTERM)

    assert sidecar.wait() == 128 + signal.SIGTERM
    assert has_ended(hook)
    assert sidecar.everyone() == []


def test_a_guard_that_is_killed_leaves_none_behind(arena: Arena, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    sidecar = arena.start("--on-lead", hanging(ledger), "--hook-timeout", "1h")
    hook = hook_of(ledger)
    arena.stamps.wait_for_stints(1)
    arena.start()

    sidecar.signal(signal.SIGKILL)

    arena.stamps.wait_for_stints(2)
    wait_for(lambda: sidecar.everyone() == [], "all of it to be gone")
    assert has_ended(hook)


def test_a_guard_that_is_stopped_is_buried_with_its_hooks(arena: Arena, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    sidecar = arena.start("--on-lead", hanging(ledger), "--hook-timeout", "1h")
    hook = hook_of(ledger)
    arena.stamps.wait_for_stints(1)
    arena.start()

    sidecar.signal(signal.SIGSTOP)

    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()
    wait_for(lambda: sidecar.everyone() == [], "all of it to be gone")
    assert has_ended(hook)


def test_who_is_told_of_the_loss_is_told_before_the_exit(etcd_arena: Arena, tmp_path: Path) -> None:
    arena, ledger = etcd_arena, tmp_path / "ledger"
    sidecar = arena.start("--on-lost", "exit", *all_told(note(ledger, "$COORDSIDECAR_HOOK")))
    wait_for(lambda: notes(ledger) == ["on-lead"], "it to be told that it leads")

    arena.revoke()

    assert sidecar.wait() == 123
    assert notes(ledger) == ["on-lead", "on-lead-lost"]


def test_a_runner_that_was_killed_is_followed_by_another(arena: Arena, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    first, _ = arena.pair("--on-standby", note(ledger, "$COORDSIDECAR_ID"), "--id", "one")
    wait_for(lambda: notes(ledger) == ["one"], "the second to be told")
    killed = runner(first)
    killed.kill()
    wait_for(lambda: killed not in first.children(), "it to be reaped")

    step_down(arena)

    wait_for(lambda: len(notes(ledger)) == 2, "the first to be told")
    assert named(first.children(), "hook-runner")


def test_a_runner_that_is_stopped_holds_up_nothing(arena: Arena, tmp_path: Path) -> None:
    first, second = arena.pair(*all_told("true"))
    runner(first).suspend()
    runner(second).suspend()

    first.signal(signal.SIGTERM)

    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()
    assert first.wait() == 128 + signal.SIGTERM
    second.signal(signal.SIGTERM)
    assert second.wait() == 128 + signal.SIGTERM
    wait_for(lambda: first.everyone() + second.everyone() == [], "all of them to be gone")
