"""What ``--help`` prints: written for somebody who has never seen the program."""

from __future__ import annotations

import textwrap
from itertools import groupby

import coordsidecar
from coordsidecar.settings.options import OPTIONS, Option

__all__ = [
    "CHECK_ROWS",
    "CONFIG",
    "HELP",
    "attach_help",
    "check_help",
    "completion_help",
    "doctor_help",
    "health_help",
    "row_of",
    "run_help",
    "section",
    "version",
]

_WIDTH = 79
_HELP_COLUMN = 26

_INTRODUCTION = """\
Usage: coordsidecar [run] [OPTIONS] [--] COMMAND [ARGS...]
       coordsidecar attach [OPTIONS] --pid-file PATH | --match-cmdline REGEX
       coordsidecar check [OPTIONS] TOKEN
       coordsidecar health [OPTIONS]
       coordsidecar doctor [OPTIONS]
       coordsidecar list | status NAME | wait NAME [OPTIONS]
       coordsidecar watch NAME | history NAME [OPTIONS]
       coordsidecar step-down NAME | transfer NAME --to ID [OPTIONS]
       coordsidecar pause NAME | resume NAME | cordon ID | uncordon ID [OPTIONS]
       coordsidecar completion bash | zsh | fish

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

_COMPLETION = """\
Usage: coordsidecar completion bash | zsh | fish

Prints what a shell takes to complete options, their values, and COMMAND:
  source <(coordsidecar completion bash)     # In ~/.bashrc.
  source <(coordsidecar completion zsh)      # In ~/.zshrc, after compinit.
  coordsidecar completion fish | source      # In ~/.config/fish/config.fish.

Exit codes:
  0  printed    2  bad usage
"""

CHECK_ROWS = [
    ("--store URL", "Where to ask. Default: local:"),
    ("--name NAME", "Whose leader to ask for; in a job, its own election by default."),
    ("--namespace NS", "Goes before NAME. Default: default"),
    ("--rpc-timeout TIME", "How long to wait for the answer. Default: 2s"),
]
_HEALTH_ROWS = [
    ("--http [ADDR:]PORT", "Where it serves its status, as it was given to the sidecar."),
]
_JSON_OF_DOCTOR = ("--json", "Print one object: version, checks and worst.")
CONFIG = ("--config FILE", "Read options, and COMMAND as an array, from a TOML file.")
HELP = ("-h, --help", "Show this and exit.")
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
    return "\n".join([_CHECK, section("Options", [*CHECK_ROWS, CONFIG, HELP])])


def health_help() -> str:
    """Return the page of ``coordsidecar health --help``."""
    return "\n".join([_HEALTH, section("Options", [*_HEALTH_ROWS, CONFIG, HELP])])


def completion_help() -> str:
    """Return the page of ``coordsidecar completion --help``."""
    return "\n".join([_COMPLETION, section("Options", [HELP])])


def doctor_help() -> str:
    """Return the page of ``coordsidecar doctor --help``."""
    from coordsidecar.cli.doctor import DOCTOR_OPTIONS

    other = section("Other", [_JSON_OF_DOCTOR, CONFIG, HELP])
    return "\n".join([_DOCTOR, *_grouped(DOCTOR_OPTIONS), other])


def _sections(options: tuple[Option, ...]) -> list[str]:
    return [*_grouped(options), section("Other", [CONFIG, HELP, _VERSION])]


def _grouped(options: tuple[Option, ...]) -> list[str]:
    groups = groupby(options, key=lambda option: option.group)
    return [section(group, [row_of(option) for option in members]) for group, members in groups]


def row_of(option: Option) -> tuple[str, str]:
    return f"{option.flag} {option.metavar}", option.help


def section(title: str, rows: list[tuple[str, str]]) -> str:
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
