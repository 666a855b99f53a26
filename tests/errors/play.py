"""Play one refusal to a real sidecar with a short job, and judge what became of it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.e2e.sidecars import MARK, marked
from tests.errors.launcher import LAUNCHER
from tests.errors.supervisor import CALLS, Refusal, Supervisor

__all__ = ["Outcome", "play"]

_JOB = 'echo start >> "$1"; sleep 0.1; kill -0 $PPID || echo orphan >> "$1"; exit 7'
_JOBS_CODE = 7
_NAMESPACE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
_DOCUMENTED = {2, _JOBS_CODE, 125, 126, 127, 128 + signal.SIGKILL}
# A sidecar that tries on, with pauses, is asked to end after so long.
_TRIES_ON_S = 4.0
_PATIENCE_S = 60.0
_MOST_LINES = 30
_FORBIDDEN = ("Traceback", "internal error", "please report", "Exception ignored", "assert")


@dataclass
class Outcome:
    """What became of it; ``faults`` is empty if all is well."""

    code: int | None
    text: str
    asked: Counter[tuple[str, str]]
    faults: list[str] = field(default_factory=list)


def play(
    refusal: Refusal | None,
    *,
    store: str | None = None,
    calls: Sequence[str],
    as_process_one: bool = False,
) -> Outcome:
    """``store``: by default, lock files in a folder of its own. ``calls``: what may be refused.

    ``as_process_one``: of a PID namespace, as in a container, which takes root.
    """
    with tempfile.TemporaryDirectory() as folder:
        store = store or f"local:{folder}/lock"
        return _play(refusal, store, Path(folder), calls, above=as_process_one)


def _play(
    refusal: Refusal | None, store: str, folder: Path, calls: Sequence[str], *, above: bool
) -> Outcome:
    mark, noted, log = uuid.uuid4().hex, folder / "noted", folder / "log"
    numbers = ",".join(str(CALLS[call]) for call in calls)
    ours, theirs = socket.socketpair()
    command = [
        *(_NAMESPACE if above else ()),
        sys.executable,
        LAUNCHER,
        str(theirs.fileno()),
        numbers,
        "--store",
        store,
        "--name",
        mark,
    ]
    command += ["--ttl", "5s", "--role-file", str(folder / "role"), "--stop-timeout", "1s"]
    clean = {name: value for name, value in os.environ.items() if "COORDSIDECAR" not in name}
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*command, "--", "sh", "-c", _JOB, "sh", str(noted)],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env=clean | {MARK: mark},
            start_new_session=True,
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        supervisor = Supervisor(process.pid, ours, refusal, above=above)
        try:
            tries_on_s = _PATIENCE_S if refusal is None else _TRIES_ON_S
            code, asked_to_end = _end_of(process, above=above, tries_on_s=tries_on_s)
            left = _left_behind(mark)
        finally:
            for one in marked(mark):
                with contextlib.suppress(psutil.Error):
                    one.kill()
            process.wait()
            supervisor.close()
    text = log.read_text(errors="replace")
    notes = noted.read_text().split() if noted.exists() else []
    outcome = Outcome(code, text, supervisor.asked)
    outcome.faults = list(_judge(code, text, notes, left, asked_to_end=asked_to_end))
    if "poll" in calls:
        # A poll that would return at once waits for us, so that a signal can interrupt it; the log
        # then takes standard error for full, and drops the line.
        outcome.faults = [fault for fault in outcome.faults if "not a word" not in fault]
    return outcome


def _end_of(
    process: subprocess.Popen[bytes], *, above: bool, tries_on_s: float
) -> tuple[int | None, bool]:
    """Its exit code, and whether it had to be asked to end; None if it did not even then."""
    try:
        return process.wait(timeout=tries_on_s), False
    except subprocess.TimeoutExpired:
        root = psutil.Process(process.pid)
        for one in root.children() if above else [root]:
            one.terminate()
    try:
        return process.wait(timeout=_PATIENCE_S), True
    except subprocess.TimeoutExpired:
        return None, True


def _left_behind(mark: str) -> list[str]:
    """Who lives on, given time to end: an elector that buries its guard needs some."""
    until_s = time.monotonic() + _PATIENCE_S
    while left := marked(mark):
        if time.monotonic() > until_s:
            break
        time.sleep(0.02)
    names = []
    for one in left:
        with contextlib.suppress(psutil.Error):
            names.append(f"{one.name()} {one.pid}")
    return names


def _judge(
    code: int | None, text: str, notes: list[str], left: list[str], *, asked_to_end: bool
) -> list[str]:
    faults = [f"it says {word!r}" for word in _FORBIDDEN if word in text]
    if code is None:
        faults.append("it does not end, not even if asked to")
    else:
        code = code if code >= 0 else 128 - code
        allowed = _DOCUMENTED | ({0, 128 + signal.SIGTERM} if asked_to_end else set())
        if code not in allowed:
            faults.append(f"exit code {code}")
        if code in (125, 126, 127) and "coordsidecar" not in text:
            faults.append(f"exit code {code}, and not a word about it")
    lines = text.count("\n")
    if lines > _MOST_LINES:
        faults.append(f"{lines} lines")
    if notes.count("start") > 1:
        faults.append(f"the job was started {notes.count('start')} times")
    if "orphan" in notes:
        faults.append("the job ran without its guard")
    if left:
        faults.append(f"left behind: {', '.join(left)}")
    return faults
