"""docs/operations.md answers: what it tells to type is typed, on a real etcd, and does that.

Only what cannot be had here is another: the addresses, `reboot`, and what mounts a disk.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from tests.docs.test_pages import blocks
from tests.e2e.sidecars import Sidecar, sidecars, wait_for
from tests.servers import ConsulServer, EtcdServer
from tests.servers.process import free_ports

PAGE = (Path(__file__).parents[2] / "docs/operations.md").read_text()
PROGRAMS = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")

pytestmark = pytest.mark.usefixtures("outside_of_containers")

_Test = TypeVar("_Test", bound=Callable[..., None])
_ANSWERED: set[str] = set()


def answers(question: str) -> Callable[[_Test], _Test]:
    """The test types what stands below this heading."""
    _ANSWERED.add(question)
    return lambda test: test


def questions() -> dict[str, list[str]]:
    """Each heading, and the lines to type below it."""
    _, *parts = re.split(r"^##+ (.*)$", PAGE, flags=re.MULTILINE)
    told = zip(parts[::2], parts[1::2], strict=True)
    found = {heading: "".join(blocks(text, "sh")).splitlines() for heading, text in told}
    return {heading: [line for line in lines if line] for heading, lines in found.items() if lines}


class Desk:
    """Where the operator sits: a shell in a folder of its own."""

    def __init__(self, etcd: EtcdServer, folder: Path, start: Callable[..., Sidecar]) -> None:
        self.etcd, self.folder, self._start = etcd, folder, start
        self.programs = folder / "bin"
        self.programs.mkdir()
        self.env = {"PATH": f"{self.programs}{os.pathsep}{PROGRAMS}"}
        for name in ("job", "db"):
            self.script(folder / name, "exec sleep 600")

    def script(self, path: Path, does: str) -> None:
        path.write_text(f"#!/bin/sh\n{does}\n")
        path.chmod(0o755)

    def here(self, line: str, **others: str) -> str:
        """The line, with the addresses that there are."""
        for old, new in others.items():
            assert old in line
            line = line.replace(old, new)
        return re.sub(r"etcd://[\w:,]+", f"etcd://{self.etcd.endpoint}", line)

    def types(self, line: str, *, status: int = 0) -> str:
        """Type it, and read what comes of it."""
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env={**os.environ, **self.env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == status, (line, done.stdout, done.stderr)
        return done.stdout

    def runs(self, line: str, *first: str) -> Sidecar:
        """Type it, and leave it running. ``first``: options before those that stand there."""
        program, *words = shlex.split(line, comments=True)
        assert program == "coordsidecar"
        through = ("env", "-C", str(self.folder))
        return self._start(*first, *words, env=self.env, through=through)

    def stands(self, node_id: str, *options: str, name: str = "nightly") -> Sidecar:
        """An instance of an election, once it leads or stands by."""
        words = f"coordsidecar --store {self.here('etcd://x')} --name {name} -- ./job"
        one = self.runs(words, "--id", node_id, *options)
        wait_for(lambda: one.leads() or "standing-by" in one.log(), f"{node_id} to stand")
        return one

    def leader(self) -> str | None:
        told = self.types(f"coordsidecar status --json {self.here('--store etcd://x')} nightly; :")
        leader = json.loads(told)["leader"]
        return None if leader is None else str(leader["id"])

    def notes(self) -> list[str]:
        ledger = self.folder / "ledger"
        return ledger.read_text().splitlines() if ledger.exists() else []


@pytest.fixture
def desk(etcd_server: Callable[..., EtcdServer], tmp_path: Path) -> Iterator[Desk]:
    with sidecars(tmp_path) as start:
        yield Desk(etcd_server(), tmp_path, start)


def lines(question: str) -> list[str]:
    return questions()[question]


def test_each_answer_is_tried() -> None:
    assert questions().keys() == _ANSWERED


@answers("Who leads, and who would next?")
def test_who_leads(desk: Desk) -> None:
    (status,) = map(desk.here, lines("Who leads, and who would next?"))
    nobody = desk.types(status, status=3)
    for name in ("web-1", "web-2"):
        desk.stands(name)

    told = desk.types(status)

    assert nobody.startswith("default/nightly: nobody leads")
    assert told.startswith("default/nightly: led by web-1 (host ")
    assert "\n  next web-2 (host " in told


@answers("Which elections are there?")
def test_which_elections_there_are(desk: Desk, consul: ConsulServer) -> None:
    (line,) = lines("Which elections are there?")
    store = f"consul://{consul.endpoint}"
    for name in ("billing", "nightly"):
        words = f"coordsidecar --store {store} --name {name} -- ./job"
        one = desk.runs(words, "--id", "web-2")
        wait_for(one.leads, "it to lead")

    told = desk.types(desk.here(line, **{"consul://consul:8500": store}))

    rows = [row.split() for row in told.splitlines()]
    assert rows[0] == ["NAME", "LEADER", "TOKEN", "STANDING", "BY", "ORDERED"]
    assert {("billing", "web-2"), ("nightly", "web-2")} <= {(row[0], row[1]) for row in rows}


@answers("How does a script wait for a leader, or for another one?")
def test_how_a_script_waits(desk: Desk) -> None:
    for_one, for_another = map(
        desk.here, lines("How does a script wait for a leader, or for another one?")
    )
    first = desk.stands("web-1")
    desk.stands("web-2")

    desk.types(for_one)
    first.signal(signal.SIGTERM)
    desk.types(for_another)

    assert desk.leader() == "web-2"


@answers("What happens there, as it happens?")
def test_what_happens_there(desk: Desk) -> None:
    (watch,) = map(desk.here, lines("What happens there, as it happens?"))
    process = subprocess.Popen(
        ["bash", "-c", f"exec {watch}"],
        env={**os.environ, **desk.env},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        first = process.stdout.readline()
        desk.stands("web-1")
        then = process.stdout.readline()
    finally:
        process.kill()
        process.communicate()

    assert first.endswith("Z default/nightly: nobody leads\n")
    assert "default/nightly: led by web-1 (host " in then


@answers("Why did it move?")
def test_why_it_moved(desk: Desk) -> None:
    (history,) = map(desk.here, lines("Why did it move?"))
    first = desk.stands("web-1")
    desk.stands("web-2")
    first.signal(signal.SIGTERM)
    wait_for(lambda: desk.leader() == "web-2", "the second to lead")

    head, was, is_now = desk.types(history).splitlines()

    assert head.split() == ["TOKEN", "LEADER", "FROM", "TO", "WHY", "IT", "ENDED"]
    assert was.split()[1] == "web-1"
    assert was.endswith("SIGTERM: stopping the job")
    assert (is_now.split()[1], is_now.endswith("it leads")) == ("web-2", True)


@answers("How do I hand over, without stopping a sidecar?")
def test_how_to_hand_over(desk: Desk) -> None:
    (line,) = map(desk.here, lines("How do I hand over, without stopping a sidecar?"))
    first = desk.stands("web-1")
    desk.stands("web-2")

    desk.types(f"{line} --yes")

    assert desk.leader() == "web-2"
    assert first.process.poll() is None
    assert "a reboot" in first.log()


@answers("How do I run something when the lead changes?")
def test_how_to_run_something_when_the_lead_changes(desk: Desk) -> None:
    (line,) = map(desk.here, lines("How do I run something when the lead changes?"))
    note = f'echo "$(basename "$0") $*" >> {desk.folder / "ledger"}'
    for path in (desk.programs / "mount", desk.programs / "umount", desk.folder / "page.sh"):
        desk.script(path, note)
    first = desk.runs(line)
    wait_for(first.leads, "it to lead")
    first.signal(signal.SIGTERM)
    first.wait()
    in_order = desk.notes()

    second = desk.runs(line)
    wait_for(second.leads, "it to lead")
    key = desk.etcd.leader_key("default/db")
    desk.etcd.etcdctl("lease", "revoke", key.rpartition("/")[2])

    wait_for(lambda: "page.sh " in desk.notes(), "somebody to be told")
    assert in_order == ["mount /data", "umount /data"]
    assert "umount /data" not in desk.notes()[3:4], "there is no time for it where the lead is lost"


@answers("How do I have a sick job moved?")
def test_how_to_have_a_sick_job_moved(desk: Desk) -> None:
    (line,) = lines("How do I have a sick job moved?")
    (port,) = free_ports(1)
    line = desk.here(line, **{"127.0.0.1:8080": f"127.0.0.1:{port}"})
    page = desk.folder / "healthz"
    page.touch()
    desk.script(desk.folder / "db", f"exec {sys.executable} -m http.server -b 127.0.0.1 {port}")
    often = ("--health-interval", "100ms")
    first = desk.runs(line, "--id", "web-1", *often)
    wait_for(lambda: " healthy: " in first.log(), "it to be well")
    desk.stands("web-2", name="db")

    page.unlink()

    desk.types(desk.here("coordsidecar wait --store etcd://x db --for leader=web-2 --timeout 1m"))
    assert "the job is unhealthy: 3 checks failed, the last: HTTP/1.0 404" in first.log()


@answers("A host that cannot run it shall not be elected")
def test_a_host_that_cannot_run_it_is_not_elected(desk: Desk) -> None:
    (line,) = map(desk.here, lines("A host that cannot run it shall not be elected"))
    mounted = desk.folder / "mounted"
    desk.script(desk.programs / "mountpoint", f"exec test -e {mounted}")
    wait = desk.here("coordsidecar wait --store etcd://x db --timeout 1m")

    alone = desk.runs(line, "--health-interval", "100ms")
    wait_for(lambda: "3 checks failed" in alone.log(), "it to be sick")
    desk.types(f"{wait} --for no-leader")
    mounted.touch()

    desk.types(wait)
    history = desk.types(desk.here("coordsidecar history --store etcd://x db"))
    assert len(history.splitlines()) == 2, "a head and one term: it did not lead before"


@needs_curl
@answers("How do I order by HTTP?")
def test_how_to_order_by_http(desk: Desk) -> None:
    plain, in_full = lines("How do I order by HTTP?")
    sockets = [desk.folder / "1.sock", desk.folder / "2.sock"]
    for name, socket in zip(("web-1", "web-2"), sockets, strict=True):
        desk.stands(name, "--http", f"unix:{socket}")
    first, second = ({"/run/nightly.sock": str(socket)} for socket in sockets)

    ordered = json.loads(desk.types(desk.here(plain, **first)))
    wait_for(lambda: desk.leader() == "web-2", "the second to lead")
    too_late = json.loads(desk.types(desk.here(in_full, **second)))

    assert ordered["ordered"] == "step-down"
    assert re.fullmatch(r"the lead has moved: .* token \d+, not 42", too_late["refused"])


@answers("How do I hand over to one that I choose?")
def test_how_to_hand_over_to_a_chosen_one(desk: Desk) -> None:
    (line,) = map(desk.here, lines("How do I hand over to one that I choose?"))
    for name in ("web-1", "web-3", "web-2"):
        desk.stands(name)

    desk.types(f"{line} --yes")

    assert desk.leader() == "web-2"


@answers("How do I say which instance is to lead rather?")
def test_how_to_say_which_is_to_lead_rather(desk: Desk) -> None:
    large, small = map(desk.here, lines("How do I say which instance is to lead rather?"))
    one = desk.runs(small, "--id", "small")
    wait_for(one.leads, "the small one to lead")

    desk.runs(large.replace("5m", "3s"), "--id", "large", "--ttl", "3s")

    wait_for(lambda: desk.leader() == "large", "the large one to lead")


@answers("How do I keep everybody from taking over?")
def test_how_to_keep_everybody_from_taking_over(desk: Desk) -> None:
    pause, resume = map(desk.here, lines("How do I keep everybody from taking over?"))
    status = desk.here("coordsidecar status --store etcd://x nightly")
    first = desk.stands("web-1")
    second = desk.stands("web-2")

    desk.types(f"{pause} --yes")
    paused = desk.types(status, status=4)
    first.signal(signal.SIGTERM)
    first.wait()
    wait_for(lambda: " paused: " in second.log(), "the second to wait")
    desk.types(f"{resume} --yes")

    wait_for(second.leads, "the second to lead")
    assert "PAUSED for 1h: nobody new takes over; paused by " in paused
    assert "a migration by hand" in paused


@answers("How do I keep one host from leading?")
def test_how_to_keep_one_host_from_leading(desk: Desk) -> None:
    cordon, uncordon = map(desk.here, lines("How do I keep one host from leading?"))
    status = desk.here("coordsidecar status --store etcd://x nightly")
    desk.stands("web-1")
    desk.stands("web-2")

    desk.types(f"{cordon} --yes")
    cordoned = desk.types(status)
    desk.types(f"{uncordon} --yes")

    assert cordoned.startswith("default/nightly: led by web-2")
    assert "CORDONED web-1: cordoned by " in cordoned
    assert "CORDONED" not in desk.types(status)


@pytest.mark.parametrize("way", [0, 1, 2])
@answers("How do I reboot the leader's host?")
def test_how_to_reboot_the_leaders_host(desk: Desk, way: int) -> None:
    by_cordon, by_step_down, kill, wait = map(
        desk.here, lines("How do I reboot the leader's host?")
    )
    desk.script(desk.programs / "reboot", f"echo reboot >> {desk.folder / 'ledger'}")
    first = desk.stands("web-1")
    desk.stands("web-2")
    by_signal = f"{kill.replace('4711', str(first.pid))}\n{wait}"
    assert str(first.pid) in by_signal

    desk.types((by_cordon, by_step_down, by_signal)[way])

    assert desk.notes() == ["reboot"]
    assert desk.leader() == "web-2", "before anything was rebooted"


@answers("How does my shell complete all this?")
def test_how_a_shell_completes_it(desk: Desk) -> None:
    in_bash, in_zsh, in_fish = lines("How does my shell complete all this?")

    assert "coordsidecar" in desk.types(f"{in_bash}\ncomplete -p coordsidecar")
    if shutil.which("zsh"):
        desk.types(f"zsh -c {shlex.quote(f'autoload -Uz compinit; compinit -D; {in_zsh}')}")
    if shutil.which("fish"):
        desk.types(f"fish -c {shlex.quote(in_fish)}")


@answers("Is all well here? doctor")
def test_whether_all_is_well(desk: Desk) -> None:
    (line,) = map(desk.here, lines("Is all well here? doctor"))

    told = desk.types(line)

    assert re.search(r"^ok +reachable +\S+", told, re.MULTILINE), told
    assert not re.search(r"^fail ", told, re.MULTILINE)


@needs_curl
@answers("What changes, as it changes")
def test_what_changes_as_it_changes(desk: Desk) -> None:
    (line,) = lines("What changes, as it changes")
    (port,) = free_ports(1)
    desk.stands("web-1", "--http", str(port))
    wait_for(lambda: desk.leader() == "web-1", "it to lead")
    process = subprocess.Popen(
        ["bash", "-c", f"exec {desk.here(line, **{'8080': str(port)})} -sS"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        told = [process.stdout.readline() for _ in range(4)]
    finally:
        process.kill()
        process.communicate()

    assert told[0] == "retry: 1000\n"
    assert json.loads(told[3].removeprefix("data: "))["leader"] == "web-1"
