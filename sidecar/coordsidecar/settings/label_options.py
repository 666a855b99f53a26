"""What an operator says of an instance, for others to read: labels."""

from __future__ import annotations

import re

from coordsidecar.settings.one_option import Option, quoted

__all__ = ["LABEL_OPTIONS"]

_MOST = 16


def read_labels(text: str) -> tuple[tuple[str, str], ...]:
    """``zone=a,rack=3``, as pairs."""
    labels: dict[str, str] = {}
    for part in text.split(","):
        key, equals, value = part.strip().partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,62}", key):
            raise ValueError(f"{quoted(part.strip())} is no label; write for example zone=a")
        if len(value) > 63 or not value.isprintable():
            raise ValueError(f"{quoted(value)} is not allowed: up to 63 printable characters")
        labels[key] = value
    if len(labels) > _MOST:
        raise ValueError(f"there are {len(labels)} labels, and {_MOST} at most are kept")
    return tuple(labels.items())


LABEL_OPTIONS = (
    Option(
        "label", "What others can see", "KEY=VALUE[,KEY=VALUE]", read_labels,
        "Shown with this instance by `coordsidecar status`, such as zone=a. May be repeated.",
        join=",".join,
        repeats=True,
    ),
)  # fmt: skip
