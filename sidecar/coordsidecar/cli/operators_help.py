"""The help pages of what an operator asks and orders."""

from __future__ import annotations

from coordsidecar.cli.help_text import CHECK_ROWS, CONFIG, HELP, row_of, section
from coordsidecar.settings.questions import LIST_OPTIONS, OPTIONS_OF

__all__ = ["page"]

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
  0  somebody leads    3  nobody does    4  it is paused, whoever leads
  2  bad usage    125  the store cannot be asked
"""


_WAIT = """\
Usage: coordsidecar wait [OPTIONS] [--json] NAME

Waits until the election NAME stands as asked, and shows how. In a script:
  coordsidecar wait --store consul://consul:8500 nightly --timeout 30s || exit 1
  coordsidecar wait nightly --for not="$(hostname)"   # Before it is rebooted.

Exit codes:
  0  it does    124  not in time    2  bad usage
  125  the store cannot be asked
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


_HISTORY = """\
Usage: coordsidecar history [OPTIONS] [--json] NAME

Shows who led the election NAME last, from when to when, and why not any more;
the oldest first. The last 16 terms are kept.
  coordsidecar history --store etcd://etcd1:2379 nightly
  coordsidecar history --json --since 24h nightly | jq '.terms[].why'

Exit codes:
  0  shown    2  bad usage    125  the store cannot be asked
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
  124  nobody else leads in time    2  bad usage
  125  the store cannot be asked
"""


_TRANSFER = """\
Usage: coordsidecar transfer [OPTIONS] [--yes] [--json] --to ID NAME

Has whoever leads the election NAME hand over to the instance ID, and waits
until that leads. Should it not take over in time (--within), another does.
  coordsidecar transfer nightly --to web-2 --yes --reason "web-1 is slow"

Exit codes:
  0  ID leads    3  nobody led    1  refused: nothing was changed; or not ID
  124  nobody leads in time    2  bad usage    125  the store cannot be asked
"""


_PAUSE = """\
Usage: coordsidecar pause [OPTIONS] [--yes] [--json] NAME

Lets nobody new take over the election NAME. Whoever leads leads on, for as
long as its lease lasts: a lead that ends, or is lost, is followed by none.
  coordsidecar pause nightly --for 1h --yes --reason "a migration by hand"
  coordsidecar resume nightly --yes

Exit codes:
  0  it is paused    1  refused: nothing was changed
  2  bad usage    125  the store cannot be asked
"""


_RESUME = """\
Usage: coordsidecar resume [OPTIONS] [--yes] [--json] NAME

Ends a pause of the election NAME. Whoever waits for that leads within about
a second.
  coordsidecar resume nightly --yes

Exit codes:
  0  it is not paused    1  refused: nothing was changed
  2  bad usage    125  the store cannot be asked
"""


_CORDON = """\
Usage: coordsidecar cordon [OPTIONS] [--wait] [--yes] [--json] ID

Lets the instance ID, as status shows it, lead none of a namespace's elections.
Where it leads it hands over, with its next renewal. It stands by as before.
  coordsidecar cordon "$(hostname)" --wait --yes --reason reboot && reboot
  coordsidecar uncordon "$(hostname)" --yes

Exit codes:
  0  it is cordoned; with --wait, and leads nowhere    1  refused
  124  it still leads    2  bad usage    125  the store cannot be asked
"""


_UNCORDON = """\
Usage: coordsidecar uncordon [OPTIONS] [--yes] [--json] ID

Lets the instance ID lead again.
  coordsidecar uncordon web-1 --yes

Exit codes:
  0  it may lead    1  refused: nothing was changed
  2  bad usage    125  the store cannot be asked
"""


_LIST_ROWS = [
    CHECK_ROWS[0],
    ("--namespace NS", "Which namespace. Default: default"),
    CHECK_ROWS[3],
]
_JSON = ("--json", "Print one JSON object; docs/operations.md names its fields.")
_YES = ("--yes", "Do not ask. Without a terminal nothing is done without it.")
_WAIT_ROW = ("--wait", "Until it leads nowhere any more.")
_PAGES: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "list": (_LIST, []),
    "status": (_STATUS, []),
    "wait": (_WAIT, []),
    "watch": (_WATCH, []),
    "history": (_HISTORY, []),
    "step-down": (_STEP_DOWN, [_YES]),
    "transfer": (_TRANSFER, [_YES]),
    "pause": (_PAUSE, [_YES]),
    "resume": (_RESUME, [_YES]),
    "cordon": (_CORDON, [_WAIT_ROW, _YES]),
    "uncordon": (_UNCORDON, [_YES]),
}


def page(word: str) -> str:
    """Return the page of ``coordsidecar WORD --help``."""
    text, more = _PAGES[word]
    asked = [row_of(option) for option in OPTIONS_OF[word] if option not in LIST_OPTIONS]
    rows = [*asked, *more, *_LIST_ROWS, _JSON, CONFIG, HELP]
    return "\n".join([text, section("Options", rows)])
