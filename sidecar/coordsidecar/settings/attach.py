"""The settings of `coordsidecar attach`: those of a run, but for the command; and whom it leads."""

from __future__ import annotations

import re
from collections.abc import Mapping

from coordsidecar.settings.health_options import PROBE_OPTIONS
from coordsidecar.settings.options import OPTIONS, Choice, Option
from coordsidecar.settings.settings import Settings, settings_of
from coordsidecar.settings.sources import Sources, UsageError
from coordsidecar.settings.whom import Whom
from coordsidecar.value import replace

__all__ = ["ATTACH_OPTIONS", "attach_settings"]

_WHOM = "Which app"
_OF_A_COMMAND = frozenset(
    {
        *("standby", "while-standby", "lead-signal", "standby-signal", "standby-timeout"),
        *("pass-env", "restart", "pre-start", "post-stop"),
        *(option.name for option in PROBE_OPTIONS),
    }
)


# What names an app matches none of these.
_OTHERS = ("", "a", "sh", "sleep 1", "/pause", "/sbin/init")


def _read_pattern(text: str) -> str:
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            pattern = re.compile(text)
    except (re.error, RecursionError, OverflowError, Warning) as error:
        raise ValueError(f"{text[:40]!r} is not a regular expression: {error}") from error
    if any(pattern.search(other) for other in _OTHERS):
        raise ValueError(
            f"{text[:40]!r} matches what is no app of yours; name the program, as in 'java .*app'"
        )
    return text


def _read_path(text: str) -> str:
    if not text.startswith("/"):
        raise ValueError(f"{text[:40]!r} is not an absolute path")
    return text


_APP_OPTIONS = (
    Option(
        "pid-file", _WHOM, "PATH", _read_path,
        "The app is the process whose number is in this file, and that began before the file was "
        "written.",
    ),
    Option(
        "match-cmdline", _WHOM, "REGEX", _read_pattern,
        "The app is each process in whose command line, its words joined by spaces, this is found.",
    ),
    Option(
        "hold", _WHOM, "HOW", Choice("freeze", "end"),
        "How a standby's app is kept from acting. freeze: stopped with SIGSTOP, and ended if "
        "somebody asks it to end meanwhile. end: ended with SIGKILL whenever it appears. "
        "Default: freeze",
    ),
)  # fmt: skip

ATTACH_OPTIONS = (
    *(option for option in OPTIONS if option.group == "Which election"),
    *_APP_OPTIONS,
    *(
        option
        for option in OPTIONS
        if option.group != "Which election" and option.name not in _OF_A_COMMAND
    ),
)


def attach_settings(
    *, flags: Mapping[str, str], command: tuple[str, ...], environ: Mapping[str, str]
) -> Settings:
    """As `build_settings`. Raises `UsageError`."""
    if command:
        raise UsageError(
            f"attach starts nothing, and so takes no command ({command[0][:40]!r}); "
            "to start one, leave attach out"
        )
    sources = Sources.gather(flags, environ, known=(*OPTIONS, *_APP_OPTIONS))
    _refuse_what_is_of_a_command(sources)
    given = sources.values(_APP_OPTIONS)
    how = given.pop("hold", "freeze")
    if len(given) != 1:
        raise UsageError("attach needs one of --pid-file PATH and --match-cmdline REGEX")
    settings = settings_of(sources, command=("attach",), environ=environ)
    if settings.name_was_derived:
        raise UsageError("attach needs --name: the election cannot be named after a command")
    # Who started the app starts it again, and we find it.
    return replace(
        settings,
        whom=Whom(
            pid_file=given.get("pid-file"), match_cmdline=given.get("match-cmdline"), how=how
        ),
        restart="always",
    )


def _refuse_what_is_of_a_command(sources: Sources) -> None:
    """An order that is not carried out is refused, not forgotten: wherever it was given."""
    for option in OPTIONS:
        if option.name in _OF_A_COMMAND and (place := sources.find(option)):
            where = "" if place[0] == option.flag else f" ({place[0]})"
            raise UsageError(
                f"attach starts nothing, and so knows no {option.flag}{where}; "
                "see coordsidecar attach --help"
            )
    if sources.file and sources.file.command:
        raise UsageError(f"attach starts nothing, but {sources.file.path} has a command")
