"""The folder of lock files, examined: is it there or can it be made, is it writable, can it lock?

Nothing of the election is written: what is tried is tried with a file that has no name, or one that
is gone at once.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Mapping, Sequence

from coordsidecar.store.examiner import Endpoint, Examiner, Need
from coordsidecar.store.protocol import Election, RefusedError
from coordsidecar_adapters.local.folder import assert_fit, lock_folder

__all__ = ["examine", "network_mount"]

_WRITABLE = "name a folder that this user can write to: --store local:/folder"
_OTHER_DISK = "name a folder on a disk of this host's: --store local:/folder"
_SEVERAL = (
    "for several hosts use etcd, Consul or Kubernetes; for this one, a folder on its own disk"
)
_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "glusterfs")
_NO_LOCKS = {"nolock", "local_lock=all", "local_lock=flock"}


def examine(url: str, *, election: Election, environ: Mapping[str, str]) -> Examiner:
    """An examiner for ``local:`` or ``local:/folder``. `ValueError` if ``url`` is neither."""
    return LocalExaminer(os.path.join(lock_folder(url, environ), election.prefix))


class LocalExaminer:
    """An `Examiner`; ``stem`` is the path of the election's files without their suffixes."""

    endpoints: Sequence[Endpoint] = ()

    def __init__(self, stem: str) -> None:
        self._folder = os.path.dirname(stem)
        self._files = (f"{stem}.lock", f"{stem}.json")

    def grant(self, ttl_s: float, *, takeover_delay_s: float, timeout_s: float) -> float | None:
        return None  # The kernel's locks last for as long as a descriptor is open.

    def needs(self, *, timeout_s: float) -> Sequence[Need]:
        there = _nearest(self._folder)
        made = "" if there == self._folder else f" (to be made, in {there})"
        folder = f"folder {self._folder}{made}"
        locks = Need(f"flock in {there}", _why_not_lockable(there), _OTHER_DISK)
        found = [Need(folder, _why_not_writable(there), _WRITABLE), self._fit()]
        return [*found, locks, _network(there)]

    def _fit(self) -> Need:
        subject = f"files {self._files[0]} and {os.path.basename(self._files[1])}"
        try:
            assert_fit(*self._files)
        except RefusedError as e:
            lacks, _, remedy = str(e).partition("; ")
            return Need(subject, lacks, remedy)
        for path, mode in zip(self._files, (os.R_OK | os.W_OK, os.R_OK), strict=True):
            if os.path.exists(path) and not os.access(path, mode, effective_ids=True):
                remedy = "let the same user run all instances, or give it the files"
                return Need(subject, f"{path} belongs to somebody else, who keeps it", remedy)
        return Need(subject)


def _nearest(folder: str) -> str:
    """The folder, or the nearest one around it that is there."""
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    return folder


def _why_not_writable(folder: str) -> str:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"coordsidecar doctor\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as e:
        return f"it cannot be written to: {e.strerror}"
    return ""


def _why_not_lockable(folder: str) -> str:
    """Lock it twice, by two descriptions: the second must be refused."""
    try:
        # The folder itself: what a lock is taken on, flock does not care.
        first = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as e:
        return f"it cannot be opened: {e.strerror}"
    second = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return ""
    except OSError as e:
        return f"the kernel refuses to lock there: {e.strerror}"
    finally:
        os.close(first)
        os.close(second)
    return "two can hold the same lock there"


def _network(folder: str) -> Need:
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        kind, locks = network_mount(file.read(), os.path.realpath(folder))
    subject = f"disk of {folder}"
    if not kind:
        return Need(subject)
    if not locks:
        lacks = f"it is on {kind} without locks: every host that mounts it would lead"
        return Need(subject, lacks, _SEVERAL)
    lacks = f"it is on {kind}: local: is for one host all the same"
    return Need(subject, lacks, _SEVERAL, vital=False)


def network_mount(mountinfo: str, folder: str) -> tuple[str, bool]:
    """The kind of network file system that ``folder`` is on, "" for none; and whether it locks.

    The text is that of /proc/self/mountinfo (proc(5)): of the mounts around a folder the last
    counts, which lies upon all others.
    """
    found = ("", True)
    for line in mountinfo.splitlines():
        mount, _, file_system = line.partition(" - ")
        fields, kinds = mount.split(" "), file_system.split(" ")
        if len(fields) < 6 or len(kinds) < 3:
            continue
        point = fields[4].replace("\\040", " ").rstrip("/")
        if f"{folder}/".startswith(f"{point}/"):
            options = {*fields[5].split(","), *kinds[2].split(",")}
            kind = kinds[0] if kinds[0] in _NETWORK else ""
            found = (kind, not options & _NO_LOCKS)
    return found
