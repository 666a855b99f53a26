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
    "name one that all share, such as --store etcd://HOST:2379 or, in Kubernetes, "
    "--store kubernetes: (or --store local:, if you mean it)"
)

_MARKS = ("/.dockerenv", "/run/.containerenv")
# PROC_PID_INIT_INO, PROC_UTS_INIT_INO: the namespaces that the kernel began with.
_HOSTS_OWN = {"pid": 0xEFFFFFFC, "uts": 0xEFFFFFFE}
# Of the kernel's settings of the network, one that it shows in the host's own namespace alone.
_HOSTS_NETWORK = "/proc/sys/net/core/netdev_budget"
_CONTAINER_ID = re.compile(r"/([0-9a-f]{64})/")
# Kubernetes tells of a service named `coordsidecar` by variables such as COORDSIDECAR_PORT.
_SERVICE_LINK = re.compile(r"_SERVICE_(HOST|PORT)(_|$)|_PORT(_[0-9]+_(TCP|UDP|SCTP)(_|$)|$)")
_SIMILAR = 0.65
_PREFIX = "COORDSIDECAR_"


def in_kubernetes(environ: Mapping[str, str]) -> bool:
    return bool(environ.get("KUBERNETES_SERVICE_HOST"))


def in_container(environ: Mapping[str, str]) -> bool:
    """Whether we do not see the host's own processes, or a runtime or Kubernetes left its mark.

    Not every runtime does, and process 1 may be a shell of the image's.
    """
    if os.getpid() == 1 or in_kubernetes(environ) or any(map(os.path.exists, _MARKS)):
        return True
    return _is_the_hosts_own("pid") is False


def host_name(environ: Mapping[str, str]) -> str:
    """This host's name; in a container that shares it with its host, the container's as well.

    Else all replicas on one host would have the same name (``docker run --network host``, which
    copies it into a namespace of the container's own).
    """
    name = os.uname().nodename
    shares_it = _is_the_hosts_own("uts") or os.path.exists(_HOSTS_NETWORK)
    return f"{name}/{_container_id()[:4]}" if in_container(environ) and shares_it else name


def _is_the_hosts_own(namespace: str) -> bool | None:
    """Whether ours is the one that the kernel began with; None: not to be seen."""
    try:
        return os.stat(f"/proc/self/ns/{namespace}").st_ino == _HOSTS_OWN[namespace]
    except OSError:
        return None


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
