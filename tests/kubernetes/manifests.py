"""The manifests of the examples, as kustomize puts them together.

Kustomize is that of kubectl, which is of today; the API server of these tests is of 1.20. What that
does not know stands in `NOT_IN_1_20`, by name.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.servers.process import find_program

__all__ = [
    "ALL",
    "EXAMPLES",
    "NOT_IN_1_20",
    "Object",
    "as_known_to_1_20",
    "one",
    "pods",
    "render",
    "render_into",
]

Object = dict[str, Any]

EXAMPLES = Path(__file__).parents[2] / "examples/kubernetes"
ALL = ("base", *sorted(f"overlays/{path.name}" for path in (EXAMPLES / "overlays").iterdir()))
_REMEDY = "run ./check --kubernetes, which installs it"

# Kinds, and fields of pods: in which Kubernetes each is there without a feature gate.
NOT_IN_1_20 = {
    "PodDisruptionBudget policy/v1": "1.21",
    "FlowSchema flowcontrol.apiserver.k8s.io/v1": "1.29",
    "spec.template.spec.initContainers.restartPolicy": "1.29",
    "spec.template.spec.volumes.image": "1.35",
    "spec.template.spec.containers.livenessProbe.terminationGracePeriodSeconds": "1.22",
}


@cache
def _kustomized(folder: Path) -> str:
    kubectl = find_program("kubectl", remedy=_REMEDY)
    done = subprocess.run(
        [kubectl, "kustomize", str(folder)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def render(name: str) -> list[Object]:
    """The objects of ``base``, or of ``overlays/NAME``."""
    return list(yaml.safe_load_all(_kustomized(EXAMPLES / name)))


def render_into(namespace: str, name: str, folder: Path) -> list[Object]:
    """The same in another namespace, as somebody would have it who builds upon it."""
    folder.mkdir(parents=True, exist_ok=True)
    upon = os.path.relpath(EXAMPLES / name, folder.resolve())
    text = f"namespace: {namespace}\nresources:\n  - {upon}\n"
    (folder / "kustomization.yaml").write_text(text)
    return list(yaml.safe_load_all(_kustomized(folder)))


def one(objects: list[Object], kind: str) -> Object:
    """The one object of this kind."""
    (found,) = (each for each in objects if each["kind"] == kind)
    return found


def pods(objects: list[Object]) -> Iterator[Object]:
    """The spec of each pod that is to be."""
    for each in objects:
        if "template" in each.get("spec", {}):
            yield each["spec"]["template"]["spec"]


def as_known_to_1_20(objects: list[Object]) -> tuple[list[Object], set[str]]:
    """Those that it knows, without the fields that it does not; and the names of what is left out.

    What is left out is replaced by nothing, but for a volume, which is no volume without a source.
    """
    kept, left_out = [], set()
    for each in objects:
        kind = f"{each['kind']} {each['apiVersion']}"
        if kind in NOT_IN_1_20:
            left_out.add(kind)
            continue
        for pod in pods([each]):
            for container in pod.get("initContainers", ()):
                if container.pop("restartPolicy", None):
                    left_out.add("spec.template.spec.initContainers.restartPolicy")
                    # Nor is there a probe for one that is to end.
                    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                        container.pop(probe)
            for container in pod["containers"]:
                if container.get("livenessProbe", {}).pop("terminationGracePeriodSeconds", None):
                    left_out.add(
                        "spec.template.spec.containers.livenessProbe.terminationGracePeriodSeconds"
                    )
            for volume in pod.get("volumes", ()):
                if volume.pop("image", None):
                    left_out.add("spec.template.spec.volumes.image")
                    volume["emptyDir"] = {}
        kept.append(each)
    return kept, left_out
