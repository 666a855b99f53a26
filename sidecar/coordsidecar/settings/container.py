"""What a container changes of the defaults: the store, how long a stop may take, the name."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping

__all__ = [
    "NO_STORE",
    "STOP_TIMEOUT_REMARK",
    "STOP_TIMEOUT_S",
    "host_name",
    "in_container",
    "in_kubernetes",
    "near_misses",
]

STOP_TIMEOUT_S = 8.0
"""Docker kills a container 10 s after it asked it to stop, unless it is told otherwise."""
STOP_TIMEOUT_REMARK = (
    f"in a container --stop-timeout is {STOP_TIMEOUT_S:g}s unless given, since docker kills after "
    "10s; for more, tell docker too: docker stop -t, --stop-timeout or stop_grace_period"
)
NO_STORE = (
    "no --store is given, and in a container the default, local:, would let every replica lead; "
    "name one that all share, such as --store etcd://HOST:2379 (or --store local:, if you mean it)"
)

_MARKS = ("/.dockerenv", "/run/.containerenv")
_HOSTS_OWN_NAME = 0xEFFFFFFE  # PROC_UTS_INIT_INO: the namespace that the kernel began with.
_CONTAINER_ID = re.compile(r"/([0-9a-f]{64})/")
# Kubernetes tells of a service named `coordsidecar` by variables such as COORDSIDECAR_PORT.
_SERVICE_LINK = re.compile(r"_SERVICE_(HOST|PORT)(_|$)|_PORT(_[0-9]+_(TCP|UDP|SCTP)(_|$)|$)")
_SIMILAR = 0.65
_PREFIX = "COORDSIDECAR_"


def in_kubernetes(environ: Mapping[str, str]) -> bool:
    return bool(environ.get("KUBERNETES_SERVICE_HOST"))


def in_container(environ: Mapping[str, str]) -> bool:
    """Whether we are process 1, where a host has its init, or a runtime or Kubernetes left its
    mark."""
    return os.getpid() == 1 or in_kubernetes(environ) or any(map(os.path.exists, _MARKS))


def host_name(environ: Mapping[str, str]) -> str:
    """This host's name; in a container that shares it with its host, the container's as well.

    Else all replicas on one host would have the same name (``docker run --network host``).
    """
    name = os.uname().nodename
    if not in_container(environ) or not _is_the_hosts_own():
        return name
    return f"{name}/{_container_id()[:4]}"


def _is_the_hosts_own() -> bool:
    try:
        return os.stat("/proc/self/ns/uts").st_ino == _HOSTS_OWN_NAME
    except OSError:
        return False


def _container_id() -> str:
    """Where the runtime mounts a file of its own for this container, it names it; or else any."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
            found = _CONTAINER_ID.search(file.read())
    except OSError:
        found = None
    return found[1] if found else os.urandom(2).hex()


def near_misses(environ: Mapping[str, str], known: Collection[str]) -> list[str]:
    """A sentence for each variable that looks like a misspelt option; ``known`` are not.

    What is merely unknown may be somebody else's.
    """
    sentences = []
    for name in sorted(environ):
        if not name.startswith(_PREFIX) or name in known or _SERVICE_LINK.search(name):
            continue
        import difflib  # Late: it is for this error only.

        rest = name.removeprefix(_PREFIX)
        meant = difflib.get_close_matches(
            rest, [other.removeprefix(_PREFIX) for other in known], n=1, cutoff=_SIMILAR
        )
        if meant:
            sentences.append(f"{name[:60]} is no option; did you mean {_PREFIX}{meant[0]}?")
    return sentences
