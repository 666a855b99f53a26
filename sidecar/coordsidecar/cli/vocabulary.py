"""All that can be typed, as a shell needs to know it: subcommands, their options, what may follow.

It is made from the tables of options, so that none can be missing.
"""

from __future__ import annotations

import signal
import textwrap
from collections.abc import Iterable

from coordsidecar.cli.doctor import DOCTOR_OPTIONS
from coordsidecar.hints import Literal
from coordsidecar.settings.attach import ATTACH_OPTIONS
from coordsidecar.settings.options import CHECK_OPTIONS, HEALTH_OPTIONS, OPTIONS, Choice, Option
from coordsidecar.settings.questions import OPTIONS_OF
from coordsidecar.value import Value

__all__ = ["ALL_FLAGS", "COMMANDS", "NAMES", "SHELLS", "Command", "Flag", "in_quotes"]

SHELLS = ("bash", "zsh", "fish")
_LONGEST_HELP = 68


class Flag(Value):
    """An option. ``takes``: what its value is, if it has one; ``words``: those that it may be."""

    flag: str
    help: str
    takes: Literal["nothing", "text", "words", "file", "command"]
    metavar: str = ""
    words: tuple[str, ...] = ()
    repeats: bool = False


class Command(Value):
    """A subcommand. ``then``: what follows its options, words among which there is a choice, or a
    job's command line, or what no shell can know."""

    name: str
    help: str
    flags: tuple[Flag, ...]
    then: Literal["job", "words", "unknown"] = "unknown"
    words: tuple[str, ...] = ()


_FILES = ("PATH", "FILE")
_WORDS = {"for": ("leader", "no-leader", "leader=", "not=")}
_SIGNALS = tuple(sorted(name.removeprefix("SIG") for name in signal.Signals.__members__))


def _flag(option: Option) -> Flag:
    words = option.read.allowed if isinstance(option.read, Choice) else _WORDS.get(option.name, ())
    if option.metavar == "SIGNAL":
        words = _SIGNALS
    takes: Literal["text", "words", "file", "command"] = "words" if words else "text"
    if option.metavar in _FILES:
        takes = "file"
    elif option.metavar == "COMMAND":
        takes = "command"
    help_text = _short(option.help)
    return Flag(option.flag, help_text, takes, option.metavar, words, option.repeats)


def _short(help_text: str) -> str:
    sentence = help_text.partition(". ")[0].rstrip(".")
    return textwrap.shorten(sentence, _LONGEST_HELP, placeholder="...")


_CONFIG = Flag("--config", "Read options from a TOML file", "file", "FILE")
_HELP = Flag("--help", "Show help and exit", "nothing")
_SHORT_HELP = Flag("-h", "Show help and exit", "nothing")
_VERSION = Flag("--version", "Show the version and exit", "nothing")
_JSON = Flag("--json", "Print JSON", "nothing")
_YES = Flag("--yes", "Do not ask", "nothing")
_WAIT = Flag("--wait", "Until it leads nowhere any more", "nothing")


def _flags(options: Iterable[Option], *more: Flag) -> tuple[Flag, ...]:
    return (*map(_flag, options), *more, _CONFIG, _HELP, _SHORT_HELP, _VERSION)


def _asked(word: str, help_text: str, *more: Flag) -> Command:
    """What an operator asks, or orders."""
    return Command(word, help_text, _flags(OPTIONS_OF[word], *more, _JSON))


COMMANDS = (
    Command("run", "Run a command while this instance leads", _flags(OPTIONS), "job"),
    Command("attach", "Lead an app that somebody else starts", _flags(ATTACH_OPTIONS)),
    Command("check", "Say whether a token is the leader's", _flags(CHECK_OPTIONS)),
    Command("health", "Say whether a sidecar works", _flags(HEALTH_OPTIONS)),
    Command("doctor", "Say before a start whether all is well", _flags(DOCTOR_OPTIONS, _JSON)),
    _asked("list", "Show all elections of a namespace"),
    _asked("status", "Show who leads an election"),
    _asked("wait", "Wait until an election stands as asked"),
    _asked("watch", "Show each change of an election"),
    _asked("history", "Show who led last, and why it ended"),
    _asked("step-down", "Have the leader hand over", _YES),
    _asked("transfer", "Have the leader hand over to one instance", _YES),
    _asked("pause", "Let nobody new take over", _YES),
    _asked("resume", "End a pause", _YES),
    _asked("cordon", "Let an instance not lead", _WAIT, _YES),
    _asked("uncordon", "Let an instance lead again", _YES),
    Command("completion", "Print a shell's completions", (_HELP, _SHORT_HELP), "words", SHELLS),
)

NAMES = [command.name for command in COMMANDS]
ALL_FLAGS = {flag.flag: flag for command in reversed(COMMANDS) for flag in command.flags}
"""By name: an option takes the same wherever there is one of that name; but `--wait` of a run takes
a time, and that of `cordon` nothing, behind which no shell completes the next word."""


def in_quotes(text: str) -> str:
    """As one word of bash or zsh."""
    return "'" + text.replace("'", r"'\''") + "'"
