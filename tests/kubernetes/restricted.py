"""Pod Security "restricted", as far as our pods could break it.

https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, and for volumes of
images https://github.com/kubernetes/kubernetes/pull/130394 (1.33), which that page lacks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["violations"]

_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
_SECCOMP = ("RuntimeDefault", "Localhost")
# Of what nobody of ours has a use for, not even the harmless values are allowed here.
_UNUSED_BY_PODS = ("hostNetwork", "hostPID", "hostIPC", "hostUsers")
_UNUSED_BY_CONTEXTS = (
    "privileged",
    "procMount",
    "seLinuxOptions",
    "sysctls",
    "windowsOptions",
    "appArmorProfile",
)


def violations(pod: dict[str, Any]) -> list[str]:
    """A sentence for each rule that this pod's spec breaks."""
    return list(_violations(pod))


def _violations(pod: dict[str, Any]) -> Iterator[str]:
    for field in _UNUSED_BY_PODS:
        if field in pod:
            yield f"pod: {field}"
    for volume in pod.get("volumes", ()):
        for kind in volume.keys() - {"name"} - _VOLUMES:
            yield f"volume {volume['name']}: {kind}"
    of_pod = pod.get("securityContext", {})
    yield from _of_context("pod", of_pod)
    for container in (*pod.get("initContainers", ()), *pod["containers"]):
        name, own = container["name"], container.get("securityContext", {})
        yield from _of_context(name, own)
        yield from _of_container(name, own, {**of_pod, **own})
        if any("hostPort" in port for port in container.get("ports", ())):
            yield f"{name}: hostPort"


def _of_context(name: str, context: dict[str, Any]) -> Iterator[str]:
    for field in _UNUSED_BY_CONTEXTS:
        if field in context:
            yield f"{name}: {field}"
    if context.get("runAsUser") == 0:
        yield f"{name}: runAsUser is root"


def _of_container(name: str, own: dict[str, Any], context: dict[str, Any]) -> Iterator[str]:
    """``context`` is its ``own`` security context, upon that of its pod."""
    if context.get("runAsNonRoot") is not True:
        yield f"{name}: runAsNonRoot"
    if context.get("seccompProfile", {}).get("type") not in _SECCOMP:
        yield f"{name}: seccompProfile"
    if own.get("allowPrivilegeEscalation") is not False:
        yield f"{name}: allowPrivilegeEscalation"
    capabilities = own.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", ()):
        yield f"{name}: capabilities are not dropped"
    if set(capabilities.get("add", ())) - {"NET_BIND_SERVICE"}:
        yield f"{name}: capabilities are added"
