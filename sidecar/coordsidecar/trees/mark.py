"""The mark of a run: a variable that every process of a job's tree has in its environment.

By it they are found once their guard is dead. It is unique for each start of a sidecar (rule S10),
whatever ``--id`` says; up to the dash it is the same for all of an election, so that nobody sweeps
what belongs to another.
"""

from __future__ import annotations

import os
from binascii import crc32

__all__ = ["BESIDE_VARIABLE", "RUN_VARIABLE", "new_mark"]

RUN_VARIABLE = "COORDSIDECAR_RUN"
BESIDE_VARIABLE = "COORDSIDECAR_BESIDE"
"""In its place, for what a helper of ours runs beside the job: the pid of the guard."""


def new_mark(election_prefix: str) -> str:
    """A mark for one start of a sidecar in this election."""
    return f"{crc32(election_prefix.encode()):08x}-{os.urandom(8).hex()}"
