"""All that is asked or ordered on the command line, and with which options."""

from __future__ import annotations

from coordsidecar.settings.attach import ATTACH_OPTIONS
from coordsidecar.settings.options import CHECK_OPTIONS, HEALTH_OPTIONS, Option
from coordsidecar.settings.questions import OPTIONS_OF

__all__ = ["QUESTIONS"]

QUESTIONS: dict[str, tuple[Option, ...]] = {
    "check": CHECK_OPTIONS,
    "health": HEALTH_OPTIONS,
    "attach": ATTACH_OPTIONS,
    **OPTIONS_OF,
}
