"""The role file: what the job may read at any time to learn whether it leads, and until when.

A JSON object, replaced as a whole, so that a reader never sees half of one. A job that works in
pieces can look at ``run_until_boottime_s`` before each: from that moment on another instance may
lead. The moment moves on with every renewal.
"""

from __future__ import annotations

import json
import math
import os
import time
from contextlib import suppress

from coordsidecar.core.guard.moves import ShowRole
from coordsidecar.hints import Any, Literal
from coordsidecar.log import Log
from coordsidecar.settings.settings import Settings
from coordsidecar.store.protocol import Election
from coordsidecar.value import Value

__all__ = ["Role", "RoleFile", "RoleName", "read_role", "write_role"]

RoleName = Literal["leader", "standby", "stopping"]

_ROLES = ("leader", "standby", "stopping")
_LARGEST_BYTES = 65536


class Role(Value, kw_only=True):
    """What a role file says; None stands for "nobody", "not known" and "without limit".

    ``run_until_unix_s`` and ``run_until_boottime_s`` are one moment on two clocks: the first for
    people, the second, which nobody can set, for programs. ``pid`` is the guard's.
    """

    role: RoleName
    token: int | None = None
    leader: str | None = None
    name: str = ""
    namespace: str = ""
    id: str = ""
    run_until_unix_s: float | None = None
    run_until_boottime_s: float | None = None
    pid: int | None = None
    written_unix_s: float | None = None


class RoleFile:
    """The file of one sidecar, if its user wants one."""

    def __init__(self, settings: Settings, log: Log) -> None:
        self._settings, self._log = settings, log

    def show(self, now: ShowRole) -> None:
        """Write it; if that cannot be done, say so, once."""
        settings = self._settings
        if settings.role_file is None:
            return
        try:
            write_role(
                settings.role_file,
                role=now.role,
                token=now.token,
                leader=settings.id if now.role == "leader" else now.leader,
                election=settings.election,
                node_id=settings.id,
                run_until_boottime_s=now.run_until_s,
            )
        except OSError as error:
            self._log.once("role-file", f"cannot write {settings.role_file}: {error.strerror}")
        else:
            self._log.may_repeat("role-file")


def write_role(
    path: str,
    *,
    role: RoleName,
    token: int | None,
    leader: str | None,
    election: Election,
    node_id: str,
    run_until_boottime_s: float | None,
) -> None:
    """Replace the file at ``path``; it is readable by all. The caller's pid is the one named in it.

    ``run_until_boottime_s`` is on CLOCK_BOOTTIME; None or infinite: no limit. Raises `OSError`.
    """
    now_s = time.time()
    if run_until_boottime_s is None or not math.isfinite(run_until_boottime_s):
        run_until_boottime_s = run_until_unix_s = None
    else:
        run_until_unix_s = now_s + run_until_boottime_s - time.clock_gettime(time.CLOCK_BOOTTIME)
    record = Role(
        role=role,
        token=token,
        leader=leader,
        name=election.name,
        namespace=election.namespace,
        id=node_id,
        run_until_unix_s=run_until_unix_s,
        run_until_boottime_s=run_until_boottime_s,
        pid=os.getpid(),
        written_unix_s=now_s,
    )
    _replace(path, json.dumps(vars(record)).encode() + b"\n")


def read_role(path: str) -> Role:
    """Read a role file, whoever wrote it: keys it does not know are ignored, most may be absent.

    `ValueError` says in one sentence what is wrong with it, a missing file included.
    """
    try:
        with open(path, "rb") as file:
            raw = file.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise ValueError(f"cannot read role file {path}: {error.strerror}") from error
    try:
        fields = json.loads(raw) if len(raw) <= _LARGEST_BYTES else None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"role file {path} is not JSON") from error
    if not isinstance(fields, dict) or fields.get("role") not in _ROLES:
        raise ValueError(f"role file {path} names no role: leader, standby or stopping")
    return Role(
        role=fields["role"],
        token=_of_type(fields, "token", int),
        leader=_of_type(fields, "leader", str),
        name=_of_type(fields, "name", str) or "",
        namespace=_of_type(fields, "namespace", str) or "",
        id=_of_type(fields, "id", str) or "",
        run_until_unix_s=_of_type(fields, "run_until_unix_s", float, int),
        run_until_boottime_s=_of_type(fields, "run_until_boottime_s", float, int),
        pid=_of_type(fields, "pid", int),
        written_unix_s=_of_type(fields, "written_unix_s", float, int),
    )


def _of_type(fields: dict[str, Any], key: str, *types: type) -> Any:
    value = fields.get(key)
    # By exact type: a bool is an int to Python, but `true` is no token.
    return value if type(value) in types else None


def _replace(path: str, content: bytes) -> None:
    folder, name = os.path.split(path)
    # In the same folder, since only a rename within one file system is atomic.
    draft = os.path.join(folder, f".{name}.{os.getpid()}.new")
    with suppress(FileNotFoundError):
        os.unlink(draft)  # Of an earlier process with our pid: in a container that is common.
    # O_EXCL: in a folder that others may write to, the draft could be a link laid out for us.
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        try:
            os.write(fd, content)
            os.fchmod(fd, 0o644)
        finally:
            os.close(fd)
        os.replace(draft, path)
    except OSError:
        with suppress(OSError):
            os.unlink(draft)
        raise
