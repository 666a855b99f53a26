"""What ``--help`` prints: written for somebody who has never seen the program."""

from __future__ import annotations

import textwrap
from itertools import groupby

import coordsidecar
from coordsidecar.settings.options import OPTIONS, Option
from coordsidecar.settings.questions import LIST_OPTIONS, STEP_DOWN_OPTIONS, WAIT_OPTIONS

__all__ = [
    "attach_help",
    "check_help",
    "doctor_help",
    "health_help",
    "list_help",
    "run_help",
    "status_help",
    "version",
    "wait_help",
]

_WIDTH = 79
_HELP_COLUMN = 26

_INTRODUCTION = """\
Usage: coordsidecar [run] [OPTIONS] [--] COMMAND [ARGS...]
       coordsidecar attach [OPTIONS] --pid-file PATH | --match-cmdline REGEX
       coordsidecar check [OPTIONS] TOKEN
       coordsidecar health [OPTIONS]
       coordsidecar doctor [OPTIONS]
       coordsidecar list | status NAME | wait NAME | step-down NAME [OPTIONS]

Makes any command active-passive. Start the same line on several machines: one
instance leads and runs COMMAND, the others stand by. When the leader stops,
dies, hangs or is cut off, its COMMAND is ended and another instance takes over.

Options stand before COMMAND; whatever follows its first word belongs to it.
"""

_EXAMPLES = """\
Examples:
  One active instance on this host, with nothing to install or set up:
    coordsidecar -- python job.py
  One active instance on any number of hosts that share an etcd:
    coordsidecar --store etcd://etcd1:2379,etcd2:2379 --name nightly -- ./job.sh
  One active pod in Kubernetes:
    coordsidecar --store kubernetes: --name nightly -- ./job.sh
  Take over sooner, and run the job again when it fails:
    coordsidecar --ttl 5s --restart on-failure --name mailer -- ./mailer
  In the job, before a step that must not be done twice:
    coordsidecar check "$COORDSIDECAR_TOKEN" || exit 1
  Before any of these: is all well here?
    coordsidecar doctor --store etcd://etcd1:2379,etcd2:2379 --name nightly
"""

_PLACES = """\
Every option can also be given as COORDSIDECAR_<OPTION> in the environment
(COORDSIDECAR_STOP_TIMEOUT=25s) or in the file that --config names
(stop-timeout = "25s"). The command line wins, then the environment, then the
file. Durations have a unit: 500ms, 15s, 2m, 1h, 1m30s.
"""

_EXIT_CODES = """\
Exit codes:
  that of COMMAND, or 128+N if signal N ended it, or ended the wait for the lead
  2    bad usage                   123  lead lost, with --on-lost exit
  124  --wait ran out              125  coordsidecar itself failed
  126  COMMAND cannot be executed  127  COMMAND was not found

COMMAND finds COORDSIDECAR_ROLE, _TOKEN, _NAME, _NAMESPACE, _ID and _STORE in
its environment. TOKEN grows with each new leader: have whatever COMMAND writes
to refuse an older one.
"""

_ATTACH = """\
Usage: coordsidecar attach [OPTIONS] --pid-file PATH | --match-cmdline REGEX

For an app whose command cannot be changed: starts nothing, but lets the app act
while this instance leads, and keeps it from acting while another does. It must
see the app (in Kubernetes, shareProcessNamespace) and be of the same user, or
have the capability KILL. Best effort: if all of the sidecar is killed, nothing
ends the app at once. Where the command can be prefixed, do that instead.

Examples:
  coordsidecar attach --store kubernetes: --name web --match-cmdline 'java web'
  coordsidecar attach --store etcd://etcd1:2379 --name db --pid-file /run/db.pid
"""

_CHECK = """\
Usage: coordsidecar check [OPTIONS] TOKEN

Says by its exit code whether TOKEN is still that of the leader. In a job, where
COORDSIDECAR_NAME and the others are set, no option is needed:
  coordsidecar check "$COORDSIDECAR_TOKEN" || exit 1

Exit codes:
  0  it is    1  it is not    2  bad usage    125  the store cannot be asked
"""

_HEALTH = """\
Usage: coordsidecar health [OPTIONS]

Asks a sidecar that runs with --http whether it works: both of its processes,
guard and elector. A standby is as healthy as a leader. For a container:
  HEALTHCHECK CMD ["coordsidecar", "health", "--http", "8080"]

Exit codes:
  0  it is    1  it is not    2  bad usage    125  it cannot be asked
"""

_DOCTOR = """\
Usage: coordsidecar doctor [OPTIONS]

Says, before a sidecar is started, whether all is well here: the store and the
rights that an instance needs in it, this host, and the times. It takes no part
in the election, and leaves nothing behind. With the options of a run:
  coordsidecar doctor --store etcd://etcd1:2379,etcd2:2379 --name nightly

Each line is ok; warn: it works, but may surprise; or fail: it would not work.

Exit codes:
  0  nothing failed    1  something did    2  bad usage    125  doctor itself
"""

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

_CHECK_ROWS = [
    ("--store URL", "Where to ask. Default: local:"),
    ("--name NAME", "Whose leader to ask for; in a job, its own election by default."),
    ("--namespace NS", "Goes before NAME. Default: default"),
    ("--rpc-timeout TIME", "How long to wait for the answer. Default: 2s"),
]
_LIST_ROWS = [
    _CHECK_ROWS[0],
    ("--namespace NS", "Which namespace. Default: default"),
    _CHECK_ROWS[3],
]
_JSON = ("--json", "Print one JSON object; docs/operations.md names its fields.")
_HEALTH_ROWS = [
    ("--http [ADDR:]PORT", "Where it serves its status, as it was given to the sidecar."),
]
_JSON_OF_DOCTOR = ("--json", "Print one object: version, checks and worst.")
_YES = ("--yes", "Do not ask. Without a terminal nothing is done without it.")
_CONFIG = ("--config FILE", "Read options, and COMMAND as an array, from a TOML file.")
_HELP = ("-h, --help", "Show this and exit.")
_VERSION = ("--version", "Show the version and exit.")


def version() -> str:
    return f"coordsidecar {coordsidecar.__version__}\n"


def run_help() -> str:
    """Return the whole page, at most 79 columns wide."""
    return "\n".join([_INTRODUCTION, _EXAMPLES, *_sections(OPTIONS), _PLACES, _EXIT_CODES])


def attach_help() -> str:
    """Return the page of ``coordsidecar attach --help``."""
    from coordsidecar.settings.attach import ATTACH_OPTIONS

    return "\n".join([_ATTACH, *_sections(ATTACH_OPTIONS), _PLACES])


def check_help() -> str:
    """Return the page of ``coordsidecar check --help``."""
    return "\n".join([_CHECK, _section("Options", [*_CHECK_ROWS, _CONFIG, _HELP])])


def health_help() -> str:
    """Return the page of ``coordsidecar health --help``."""
    return "\n".join([_HEALTH, _section("Options", [*_HEALTH_ROWS, _CONFIG, _HELP])])


def doctor_help() -> str:
    """Return the page of ``coordsidecar doctor --help``."""
    from coordsidecar.cli.doctor import DOCTOR_OPTIONS

    other = _section("Other", [_JSON_OF_DOCTOR, _CONFIG, _HELP])
    return "\n".join([_DOCTOR, *_grouped(DOCTOR_OPTIONS), other])


def list_help() -> str:
    """Return the page of ``coordsidecar list --help``."""
    return "\n".join([_LIST, _section("Options", [*_LIST_ROWS, _JSON, _CONFIG, _HELP])])


def status_help() -> str:
    """Return the page of ``coordsidecar status --help``."""
    return "\n".join([_STATUS, _section("Options", [*_LIST_ROWS, _JSON, _CONFIG, _HELP])])


def wait_help() -> str:
    """Return the page of ``coordsidecar wait --help``."""
    asked = [_row(option) for option in WAIT_OPTIONS if option not in LIST_OPTIONS]
    return "\n".join([_WAIT, _section("Options", [*asked, *_LIST_ROWS, _JSON, _CONFIG, _HELP])])


def step_down_help() -> str:
    """Return the page of ``coordsidecar step-down --help``."""
    asked = [_row(option) for option in STEP_DOWN_OPTIONS if option not in LIST_OPTIONS]
    rows = [*asked, _YES, *_LIST_ROWS, _JSON, _CONFIG, _HELP]
    return "\n".join([_STEP_DOWN, _section("Options", rows)])


def _sections(options: tuple[Option, ...]) -> list[str]:
    return [*_grouped(options), _section("Other", [_CONFIG, _HELP, _VERSION])]


def _grouped(options: tuple[Option, ...]) -> list[str]:
    groups = groupby(options, key=lambda option: option.group)
    return [_section(group, [_row(option) for option in members]) for group, members in groups]


def _row(option: Option) -> tuple[str, str]:
    return f"{option.flag} {option.metavar}", option.help


def _section(title: str, rows: list[tuple[str, str]]) -> str:
    lines = [f"{title}:"]
    for left, right in rows:
        wrapped = textwrap.wrap(
            right, _WIDTH - _HELP_COLUMN, break_on_hyphens=False, break_long_words=False
        )
        head = f"  {left}"
        if len(head) > _HELP_COLUMN - 2:
            lines.append(head)
            head = ""
        lines += [f"{head:<{_HELP_COLUMN}}{wrapped[0]}"]
        lines += [" " * _HELP_COLUMN + line for line in wrapped[1:]]
    return "\n".join(lines) + "\n"
