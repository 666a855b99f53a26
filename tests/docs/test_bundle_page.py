"""What the page on the bundle shows is well-formed, and in step with the program and its image."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from coordsidecar.cli.words import split
from coordsidecar.settings.options import OPTIONS
from coordsidecar.settings.settings import build_settings
from tests.docs.test_pages import blocks
from tests.docs.yaml_subset import read_yaml

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "bundle.md").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def command_of(words: list[str]) -> tuple[str, ...] | None:
    """The job that our own program makes of the words; `UsageError` if it refuses them."""
    flags, command = split(words, OPTIONS, interspersed=False)
    return build_settings(flags=flags, command=command or ("job",), environ={}).command


def pod(manifest: str) -> Any:
    read: Any = read_yaml(manifest)
    return read["spec"]


def test_the_two_lines_name_what_the_image_has() -> None:
    (lines,) = blocks(PAGE, "dockerfile")

    copy = re.search(r"^COPY --from=(\S+) (\S+) (\S+)$", lines, re.MULTILINE)
    entry = re.search(r"^ENTRYPOINT (\[.*\])$", lines, re.MULTILINE)
    assert copy is not None
    assert entry is not None
    image, folder, target = copy.groups()
    assert f"docker build -t {image} --target bundle ." in PAGE
    assert f"FROM scratch AS bundle\nCOPY --from=make-bundle {folder} {folder}\n" in DOCKERFILE
    program, *words = json.loads(entry[1])
    assert program == f"{target}/coordsidecar"
    assert words[-1] == "--"
    assert command_of(words) == ("job",)


def test_both_manifests_mount_what_they_start() -> None:
    by_image, by_copy = (pod(text) for text in blocks(PAGE, "yaml"))

    for spec, below in ((by_image, "/bundle"), (by_copy, "")):
        (container,), (volume,) = spec["containers"], spec["volumes"]
        (mount,) = container["volumeMounts"]
        assert container["command"] == [f"{mount['mountPath']}{below}/coordsidecar"]
        assert command_of(container["args"]) == ("/ticker",)
        assert mount["name"] == volume["name"]
    (copies,) = by_copy["initContainers"]
    assert copies["args"] == ["--copy-to", copies["volumeMounts"][0]["mountPath"]]
    assert 'ENTRYPOINT ["/bundle/coordsidecar"]' in DOCKERFILE
