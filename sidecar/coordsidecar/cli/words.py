"""The words of a command line: which are options, and which belong to the job."""

from __future__ import annotations

from coordsidecar.hints import TYPE_CHECKING

if TYPE_CHECKING:
    from coordsidecar.settings.options import Option

__all__ = ["split", "split_by_click", "split_plain"]


def split(
    words: list[str], options: tuple[Option, ...], *, interspersed: bool
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Split ``words`` into the options' texts by name and the rest. Raises `UsageError`.

    Without ``interspersed`` the first word that is no option ends the options: all that follows
    belongs to the job.
    """
    plain = split_plain(words, options, interspersed=interspersed)
    return plain or split_by_click(words, options, interspersed=interspersed)


def split_plain(
    words: list[str], options: tuple[Option, ...], *, interspersed: bool
) -> tuple[dict[str, str], tuple[str, ...]] | None:
    """The same for words that need no explaining; None for any others, which are click's to judge.

    A start in production never imports click: 20 ms and 3 MB for each of our processes.
    """
    known = {option.flag for option in options} | {"--config"}
    given: dict[str, list[str]] = {}
    rest: list[str] = []
    left = iter(words)
    for word in left:
        flag, equals, text = word.partition("=")
        if word == "--":
            rest += left
        elif not word.startswith("-"):
            rest.append(word)
            rest += [] if interspersed else left
        elif flag in known:
            text = text if equals else next(left, "-")
            if text.startswith("-"):
                return None
            given.setdefault(flag.removeprefix("--"), []).append(text)
        else:
            return None
    flags = {name: texts[-1] for name, texts in given.items()}
    for option in options:
        if option.join and option.repeats and option.name in given:
            flags[option.name] = option.join(given[option.name])
    return flags, tuple(rest)


def split_by_click(
    words: list[str], options: tuple[Option, ...], *, interspersed: bool
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The same for any words, with a sentence about those that are wrong."""
    import click

    from coordsidecar.settings.sources import UsageError

    names = [option.name for option in options] + ["config"]
    params: list[click.Parameter] = [
        click.Option([option.flag, _identifier(option.name)], multiple=option.repeats)
        for option in options
    ]
    params += [
        click.Option(["--config", "config"]),
        click.Option(["-h", "--help", "help"], is_flag=True),
        click.Option(["--version", "version"], is_flag=True),
        click.Argument(["rest"], nargs=-1, type=click.UNPROCESSED),
    ]
    command = click.Command(
        "coordsidecar",
        params=params,
        add_help_option=False,
        context_settings={"allow_interspersed_args": interspersed},
    )
    try:
        found = command.make_context("coordsidecar", list(words)).params
    except click.NoSuchOption as error:
        raise UsageError(_no_such_option(error.option_name, names)) from error
    except click.UsageError as error:
        message = error.format_message().rstrip(".")
        raise UsageError(message[:1].lower() + message[1:]) from error
    texts = {name: found[_identifier(name)] for name in names}
    for option in options:
        if option.join and option.repeats:
            texts[option.name] = option.join(list(texts[option.name])) or None
    # An empty text stays: --name "$UNSET" must be refused, not passed over.
    flags = {name: text for name, text in texts.items() if text is not None}
    flags |= {name: "yes" for name in ("help", "version") if found[name]}
    return flags, tuple(found["rest"])


def _identifier(name: str) -> str:
    return name.replace("-", "_")


def _no_such_option(given: str, names: list[str]) -> str:
    import difflib

    flags = ["--" + name for name in (*names, "help", "version")]
    nearest = difflib.get_close_matches(given, flags, n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else "coordsidecar --help lists them"
    return f"no such option: {given[:40]}; {hint}"
