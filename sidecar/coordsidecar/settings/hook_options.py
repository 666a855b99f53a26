"""The options that name commands of the user's to run when the lead changes: the hooks."""

from __future__ import annotations

import os

from coordsidecar.duration import parse_duration
from coordsidecar.settings.one_option import Option

__all__ = ["HOOK_OPTIONS"]

_HOOKS = "Hooks: commands for /bin/sh -c, when the lead changes"
_SHELL = "/bin/sh"
_OTHER_MEANING = ("rejoin", "exit")


def _read_hook(text: str) -> str:
    if not text.strip():
        raise ValueError("the command is empty")
    if not os.access(_SHELL, os.X_OK):
        raise ValueError(f"there is no {_SHELL} here to run it")
    return text


def _read_on_lead_lost(text: str) -> str:
    if text.strip() in _OTHER_MEANING:
        raise ValueError(f"to {text.strip()} when the lead is lost, give --on-lost {text.strip()}")
    return _read_hook(text)


def _read_timeout(text: str) -> float:
    timeout_s = parse_duration(text)
    if timeout_s <= 0:
        raise ValueError("a hook needs more than 0s")
    return timeout_s


HOOK_OPTIONS = (
    Option(
        "pre-start", _HOOKS, "CMD", _read_hook,
        "Once elected, before COMMAND starts. If it fails, another instance gets its turn.",
    ),
    Option(
        "post-stop", _HOOKS, "CMD", _read_hook,
        "Once COMMAND is gone with all that it started, before the lead is given up. Not where "
        "the lead was lost.",
    ),
    Option("on-lead", _HOOKS, "CMD", _read_hook, "Told that it leads; nothing waits for it."),
    Option("on-standby", _HOOKS, "CMD", _read_hook, "Told that it stands by; likewise."),
    Option(
        "on-lead-lost", _HOOKS, "CMD", _read_on_lead_lost,
        "Told that the lead was lost against our will; likewise.",
    ),
    Option(
        "hook-timeout", _HOOKS, "TIME", _read_timeout,
        "How long each may take before it is killed. Default: 10s",
    ),
)  # fmt: skip
