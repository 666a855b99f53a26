"""How findings are shown: lines for people, an object for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence

from coordsidecar.doctor.finding import Finding, worst
from coordsidecar.log import one_line
from coordsidecar.store.registry import redact

__all__ = ["as_json", "as_text"]

_VERSION = 1
_COLOURS = {"ok": "32", "warn": "33", "fail": "31"}


def as_text(findings: Sequence[Finding], *, colour: bool) -> str:
    """A line for each, and one more for what to do about it."""
    lines = []
    for finding in findings:
        state = f"{finding.state:<4}"
        if colour:
            state = f"\x1b[{_COLOURS[finding.state]}m{state}\x1b[0m"
        what = f"{finding.check:<13} {finding.subject}: {finding.said}"
        lines.append(f"{state}  {_safe(what)}")
        if finding.remedy:
            lines.append(f"      -> {_safe(finding.remedy)}")
    return "".join(f"{line}\n" for line in lines)


def as_json(findings: Sequence[Finding]) -> str:
    """One object, on one line."""
    checks = [
        {name: _safe(getattr(finding, name)) for name in Finding.__match_args__}
        for finding in findings
    ]
    return json.dumps({"version": _VERSION, "checks": checks, "worst": worst(findings)}) + "\n"


def _safe(text: str) -> str:
    return one_line(redact(text))
