"""docs/operations.md answers: what it tells to type is typed, on a real etcd, and does that.

Only what cannot be had here is another: the addresses, `reboot`, and what mounts a disk.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.desk import ANSWERED, Desk, answers, lines, needs_curl, questions
from tests.e2e.sidecars import wait_for
from tests.servers import ConsulServer
from tests.servers.process import free_ports

pytestmark = pytest.mark.usefixtures("outside_of_containers")


def test_each_answer_is_tried() -> None:
    importlib.import_module("tests.docs.test_operations_orders")

    assert questions().keys() == ANSWERED


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


@answers("How do I run something when the lead changes?")
def test_how_to_run_something_when_the_lead_changes(desk: Desk) -> None:
    (line,) = map(desk.here, lines("How do I run something when the lead changes?"))
    note = f'echo "$(basename "$0") $*" >> {desk.folder / "ledger"}'
    for path in (desk.programs / "mount", desk.programs / "umount", desk.folder / "page.sh"):
        desk.script(path, note)
    first = desk.runs(line)
    wait_for(lambda: "started the job" in first.log(), "it to lead")
    first.signal(signal.SIGTERM)
    first.wait()
    in_order = desk.notes()

    second = desk.runs(line)
    wait_for(lambda: "started the job" in second.log(), "it to lead")
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


@answers("The job says itself how it is")
def test_how_the_job_says_itself_how_it_is(desk: Desk) -> None:
    (line,) = map(desk.here, lines("The job says itself how it is"))
    speaks = Path(__file__).parents[1] / "guard/jobs/notify.py"
    desk.script(desk.folder / "db", f"exec {sys.executable} -S {speaks} READY=1 sleep")

    one = desk.runs(line)

    wait_for(lambda: " healthy: the job is well" in one.log(), "it to be well")


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
