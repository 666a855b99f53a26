"""The help pages of what an operator asks and orders."""

from __future__ import annotations

from coordsidecar.cli.help_text import CHECK_ROWS, CONFIG, HELP, row_of, section
from coordsidecar.settings.questions import (
    LIST_OPTIONS,
    STEP_DOWN_OPTIONS,
    WAIT_OPTIONS,
    WATCH_OPTIONS,
)

__all__ = ["list_help", "status_help", "step_down_help", "wait_help", "watch_help"]

_LIST = """\
Usage: coordsidecar list [OPTIONS] [--json]

Shows all elections of a namespace: who leads each, and how many stand by.
  coordsidecar list --store etcd://etcd1:2379 --namespace billing

Exit codes:
  0  shown    2  bad usage    125  the store cannot be asked
"""


_STATUS = """\
Usage: coordsidecar status [OPTIONS] [--json] NAME

Shows who leads the election NAME, with which token, and who stands by.
  coordsidecar status --store etcd://etcd1:2379 nightly

Exit codes:
  0  somebody leads  3  nobody does  2  bad usage  125  the store cannot be asked
"""


_WAIT = """\
Usage: coordsidecar wait [OPTIONS] [--json] NAME

Waits until the election NAME stands as asked, and shows how. In a script:
  coordsidecar wait --store consul://consul:8500 nightly --timeout 30s || exit 1
  coordsidecar wait nightly --for not="$(hostname)"   # Before its host is rebooted.

Exit codes:
  0  it does    124  not in time    2  bad usage    125  the store cannot be asked
"""


_WATCH = """\
Usage: coordsidecar watch [OPTIONS] [--json] NAME

Prints a line for each change of the election NAME, until Ctrl-C.
  coordsidecar watch --store etcd://etcd1:2379 nightly
  coordsidecar watch --json nightly | jq -r .leader.id

Exit codes:
  0  time is up, or nobody reads on    2  bad usage
  125  the store cannot be asked at first; later that is a line
"""


_STEP_DOWN = """\
Usage: coordsidecar step-down [OPTIONS] [--yes] [--json] NAME

Has whoever leads the election NAME hand over: its job is stopped as by
SIGTERM, another leads, and its sidecar stands by again after a while. Waits
until another leads, and shows how it was and is. The leader hears of it with
its next renewal (--renew-every of its own: 3s by default).
  coordsidecar step-down nightly --yes --reason "reboot for a new kernel"
  coordsidecar step-down nightly --yes --token 42   # Unless it has moved since.

Exit codes:
  0  another leads    3  nobody led    1  refused: nothing was changed
  124  nobody else leads in time    2  bad usage    125  the store cannot be asked
"""


_LIST_ROWS = [
    CHECK_ROWS[0],
    ("--namespace NS", "Which namespace. Default: default"),
    CHECK_ROWS[3],
]
_JSON = ("--json", "Print one JSON object; docs/operations.md names its fields.")
_YES = ("--yes", "Do not ask. Without a terminal nothing is done without it.")


def list_help() -> str:
    """Return the page of ``coordsidecar list --help``."""
    return "\n".join([_LIST, section("Options", [*_LIST_ROWS, _JSON, CONFIG, HELP])])


def status_help() -> str:
    """Return the page of ``coordsidecar status --help``."""
    return "\n".join([_STATUS, section("Options", [*_LIST_ROWS, _JSON, CONFIG, HELP])])


def wait_help() -> str:
    """Return the page of ``coordsidecar wait --help``."""
    asked = [row_of(option) for option in WAIT_OPTIONS if option not in LIST_OPTIONS]
    return "\n".join([_WAIT, section("Options", [*asked, *_LIST_ROWS, _JSON, CONFIG, HELP])])


def watch_help() -> str:
    """Return the page of ``coordsidecar watch --help``."""
    asked = [row_of(option) for option in WATCH_OPTIONS if option not in LIST_OPTIONS]
    return "\n".join([_WATCH, section("Options", [*asked, *_LIST_ROWS, _JSON, CONFIG, HELP])])


def step_down_help() -> str:
    """Return the page of ``coordsidecar step-down --help``."""
    asked = [row_of(option) for option in STEP_DOWN_OPTIONS if option not in LIST_OPTIONS]
    rows = [*asked, _YES, *_LIST_ROWS, _JSON, CONFIG, HELP]
    return "\n".join([_STEP_DOWN, section("Options", rows)])
