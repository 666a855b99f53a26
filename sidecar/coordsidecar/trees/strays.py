"""What a helper of ours leaves below us when it dies, though nothing was to be left of it.

A hook or a check is killed with all that it started once it is over, by the helper that runs it
(`children.one_command`). If that is killed first, whoever has a session of his own becomes the
guard's child, and would pass for the job's: the lead would be kept until he, too, has had the time
that a job has to stop. He is known by what his environment says, which no process of the job's has.
"""

from __future__ import annotations

from coordsidecar.trees import tree
from coordsidecar.trees.mark import BESIDE_VARIABLE
from coordsidecar.trees.process import GONE, Process

__all__ = ["kill_strays"]

_PASSES = 10


def kill_strays(root: int, *, leave_out: tuple[int | None, ...]) -> bool:
    """SIGKILL them below the guard ``root``, but for ``leave_out`` and what is below those; True if
    none is left. False: there may be, look again. Raises `NotSeenError`.

    One that is just executing a program shows no environment, and nor does one that wiped it. Nor
    does who ends; and who ended while we looked may have left a child that we have not seen.
    """
    mark = f"{BESIDE_VARIABLE}={root}".encode()
    for _ in range(_PASSES):
        found, sure = False, True
        for pid in tree.descendants(root, leave_out=leave_out):
            try:
                with Process(pid) as process:
                    environ = process.environ()
                    if mark in environ.split(b"\0"):
                        process.kill()
                        found = True
            except PermissionError:
                continue  # Nor may it be killed.
            except GONE:
                environ = b""
            if not environ:
                sure = False
        if not found:
            return sure
    return False
