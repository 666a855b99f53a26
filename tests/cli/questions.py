"""All that is asked or ordered on the command line, and with which options."""

from __future__ import annotations

from coordsidecar.settings.attach import ATTACH_OPTIONS
from coordsidecar.settings.options import CHECK_OPTIONS, HEALTH_OPTIONS, Option
from coordsidecar.settings.questions import (
    CORDON_OPTIONS,
    LIST_OPTIONS,
    PAUSE_OPTIONS,
    STEP_DOWN_OPTIONS,
    TRANSFER_OPTIONS,
    UNCORDON_OPTIONS,
    WAIT_OPTIONS,
    WATCH_OPTIONS,
)

__all__ = ["QUESTIONS"]

QUESTIONS: dict[str, tuple[Option, ...]] = {
    "check": CHECK_OPTIONS,
    "health": HEALTH_OPTIONS,
    "attach": ATTACH_OPTIONS,
    "list": LIST_OPTIONS,
    "status": LIST_OPTIONS,
    "wait": WAIT_OPTIONS,
    "watch": WATCH_OPTIONS,
    "step-down": STEP_DOWN_OPTIONS,
    "transfer": TRANSFER_OPTIONS,
    "pause": PAUSE_OPTIONS,
    "resume": LIST_OPTIONS,
    "cordon": CORDON_OPTIONS,
    "uncordon": UNCORDON_OPTIONS,
}
