"""A job whose writes are fenced: the database itself refuses whoever comes with an older token.

::

    coordsidecar --name ledger --role-file /tmp/ledger.role -- \
        python3 examples/fenced_write.py /tmp/ledger.db

It checks twice. The role file is cheap to read and keeps us from beginning what we cannot finish.
The token is compared in the very transaction that writes; that is the proof, and it holds even if
this process is frozen between the two and wakes up an hour later.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from contextlib import closing
from typing import Any

_STEP_S = 0.5  # The longest that one step may take.


def role() -> dict[str, Any]:
    """What the sidecar says right now. In its environment a job has only the token of its start."""
    with open(os.environ["COORDSIDECAR_ROLE_FILE"], "rb") as file:
        found: dict[str, Any] = json.load(file)
    return found


def may_begin(now: dict[str, Any]) -> bool:
    """Whether we lead and a step begun now is over before another instance may lead."""
    until_s = now["run_until_boottime_s"]  # None: a lock file, which does not expire.
    left_s = float("inf") if until_s is None else until_s - time.clock_gettime(time.CLOCK_BOOTTIME)
    return now["role"] == "leader" and left_s > _STEP_S


def write(ledger: sqlite3.Connection, token: int, entry: str) -> bool:
    """Write unless a newer leader has written before; False: it has."""
    with ledger:  # One transaction: all of it or nothing.
        ledger.execute("BEGIN IMMEDIATE")
        newest = ledger.execute("UPDATE fence SET token = ? WHERE token <= ?", (token, token))
        if newest.rowcount == 0:
            return False
        ledger.execute("INSERT INTO entries VALUES (?, ?)", (token, entry))
        return True


def main(path: str) -> int:
    with closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as ledger:
        ledger.execute("CREATE TABLE IF NOT EXISTS entries (token INTEGER, entry TEXT)")
        ledger.execute("CREATE TABLE IF NOT EXISTS fence (id INTEGER PRIMARY KEY, token INTEGER)")
        ledger.execute("INSERT OR IGNORE INTO fence VALUES (1, 0)")
        while True:
            now = role()
            if not may_begin(now):
                print(f"not now: {now['role']}", flush=True)
            elif not write(ledger, now["token"], f"pid {os.getpid()}"):
                print(f"token {now['token']} is too old; a newer leader has written", flush=True)
                return 1
            time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
