"""What this process may use up: limits of its own, and of its control group."""

from __future__ import annotations

import os
from collections.abc import Iterator

from coordsidecar.doctor.finding import Finding, fail, ok, warn
from coordsidecar.linux import (
    LEAST_OPEN_FILES,
    RLIMIT_NOFILE,
    RLIMIT_NPROC,
    soft_limit,
)

__all__ = ["control_group", "limits"]

# Guard, elector with its threads, fuse and the prefork are a dozen; the rest is for the job.
_LEAST_PROCESSES = 32
_LEAST_CPU_SHARE = 0.10
_NO_LIMIT_BYTES = 1 << 60  # Version 1 has no word for it, but a number beyond all memory.
_RAISE_PIDS = "raise it (systemd: TasksMax; docker: --pids-limit; Kubernetes: podPidsLimit)"
_RAISE_CPU = (
    "allow at least a tenth of a processor (systemd: CPUQuota; docker: --cpus; Kubernetes: "
    "limits.cpu), or use a longer --ttl"
)


def limits(proc: str = "/proc", groups: str = "/sys/fs/cgroup") -> Iterator[Finding]:
    """All of it; ``proc`` and ``groups`` are where these file systems are mounted."""
    pid = os.getpid()
    said = "process 1 of its namespace: a job's orphans come to us" if pid == 1 else "not process 1"
    yield ok("process-1", f"process {pid}", said)
    yield _open_files()
    yield _processes(proc)
    yield from control_group(proc, groups)


def _open_files() -> Finding:
    limit = soft_limit(RLIMIT_NOFILE)
    said = f"{_shown(limit)} may be open; {LEAST_OPEN_FILES} are needed"
    if limit is not None and limit < LEAST_OPEN_FILES:
        return fail("open-files", "ulimit -n", said, f"ulimit -n {LEAST_OPEN_FILES} or more")
    return ok("open-files", "ulimit -n", said)


def _processes(proc: str) -> Finding:
    limit = soft_limit(RLIMIT_NPROC)
    if limit is None or os.geteuid() == 0:
        whom = "root" if limit is not None else "this user"
        return ok("processes", "ulimit -u", f"no limit of processes for {whom}")
    left = limit - _threads_of_user(proc)
    said = f"{limit} for this user, of which {max(left, 0)} are left"
    if left < _LEAST_PROCESSES:
        remedy = f"raise it, so that {_LEAST_PROCESSES} are left for the sidecar and its job"
        return warn("processes", "ulimit -u", said, remedy)
    return ok("processes", "ulimit -u", said)


def _threads_of_user(proc: str) -> int:
    threads = 0
    for entry in os.scandir(proc):
        if not entry.name.isdecimal():
            continue
        try:
            if entry.stat().st_uid == os.geteuid():
                threads += len(os.listdir(f"{entry.path}/task"))
        except OSError:
            continue  # It has ended meanwhile, or may not be looked at: then it is not ours.
    return threads


def control_group(proc: str = "/proc", groups: str = "/sys/fs/cgroup") -> Iterator[Finding]:
    """The tightest limits of our control group and those around it, of either version."""
    try:
        with open(f"{proc}/self/cgroup", encoding="utf-8", errors="replace") as file:
            lines = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError as error:
        remedy = "mount proc at /proc"
        yield warn("control-group", "cgroup", f"cannot be read: {error.strerror}", remedy)
        return
    paths = {name: path for _, names, path in lines for name in names.split(",")}
    yield _pids(_levels(groups, paths, "pids"))
    yield _memory(_levels(groups, paths, "memory"))
    yield _cpu(_levels(groups, paths, "cpu"))


def _levels(groups: str, paths: dict[str, str], controller: str) -> list[str]:
    """The folders of our group, and of those around it, as far as they can be seen."""
    is_second = controller not in paths
    top = groups if is_second else f"{groups}/{controller}"
    path = paths.get("" if is_second else controller, "/")
    parts = [part for part in path.split("/") if part not in ("", "..")]
    return ["/".join([top, *parts[:depth]]) for depth in range(len(parts), -1, -1)]


def _pids(levels: list[str]) -> Finding:
    left: list[tuple[int, str]] = []
    for level in levels:
        most, now = _number(f"{level}/pids.max"), _number(f"{level}/pids.current")
        if most is not None:
            left.append(
                (most - (now or 0), f"{most}, of which {max(most - (now or 0), 0)} are left")
            )
    if not left:
        return ok("cgroup-pids", "control group", "no limit of processes")
    fewest, said = min(left)
    said = f"at most {said} (processes and threads)"
    if fewest < _LEAST_PROCESSES:
        remedy = f"{_RAISE_PIDS}, so that {_LEAST_PROCESSES} are left"
        return warn("cgroup-pids", "control group", said, remedy)
    return ok("cgroup-pids", "control group", said)


def _memory(levels: list[str]) -> Finding:
    found = [
        limit
        for level in levels
        for name in ("memory.max", "memory.limit_in_bytes")
        if (limit := _number(f"{level}/{name}")) is not None and limit < _NO_LIMIT_BYTES
    ]
    said = f"{min(found) >> 20} MiB of memory" if found else "no limit of memory"
    return ok("cgroup-memory", "control group", said)


def _cpu(levels: list[str]) -> Finding:
    shares = [share for level in levels if (share := _cpu_share(level)) is not None]
    if not shares:
        return ok("cgroup-cpu", "control group", "no limit of processor time")
    said = f"{min(shares):.0%} of one processor"
    if min(shares) < _LEAST_CPU_SHARE:
        return warn("cgroup-cpu", "control group", f"only {said}", _RAISE_CPU)
    return ok("cgroup-cpu", "control group", said)


def _cpu_share(level: str) -> float | None:
    quota, _, period = _text(f"{level}/cpu.max").partition(" ")
    if not quota:
        quota = _text(f"{level}/cpu.cfs_quota_us")
        period = _text(f"{level}/cpu.cfs_period_us")
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() else None


def _number(path: str) -> int | None:
    """None: there is no limit there ("max"), or no such file."""
    text = _text(path)
    return int(text) if text.isdecimal() else None


def _text(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""  # A group without this controller has no such file, nor has the outermost one.


def _shown(limit: int | None) -> str:
    return "any number" if limit is None else str(limit)
