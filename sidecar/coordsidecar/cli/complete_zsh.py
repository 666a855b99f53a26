"""How zsh completes our command line: by `_arguments`, with what each option means beside it."""

from __future__ import annotations

from collections.abc import Iterator

from coordsidecar.cli.vocabulary import COMMANDS, NAMES, Command, Flag, in_quotes

__all__ = ["script"]

_ZSH = r"""#compdef coordsidecar
# Completions of coordsidecar for zsh. In ~/.zshrc, after compinit:
# source <(coordsidecar completion zsh)

_coordsidecar() {
    local curcontext=$curcontext command=run
    local -a subcommands=(
%(subcommands)s
    )
    if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then
        _alternative \
            'subcommands:subcommand:{_describe -t subcommands subcommand subcommands}' \
            'commands:command:_command_names -e'
        return
    fi
    if (( CURRENT > 2 )) && [[ $words[2] == (%(names)s) ]]; then
        command=$words[2]
        shift words
        (( CURRENT-- ))
    fi
    case $command in
%(cases)s
    esac
}

if [[ $funcstack[1] == _coordsidecar ]]; then
    _coordsidecar "$@"
else
    compdef _coordsidecar coordsidecar
fi
"""


def script() -> str:
    """What zsh is to read."""
    subcommands = [f"        {in_quotes(f'{command.name}:{command.help}')}" for command in COMMANDS]
    return _ZSH % {
        "subcommands": "\n".join(subcommands),
        "names": "|".join(NAMES),
        "cases": "\n".join(line for command in COMMANDS for line in _zsh_case(command)),
    }


def _zsh_case(command: Command) -> Iterator[str]:
    yield f"        {command.name})"
    yield "            _arguments -S : \\"
    for flag in command.flags:
        yield f"                {in_quotes(_zsh_flag(flag))} \\"
    match command.then:
        case "job":
            yield "                '(-)1: :_command_names -e' \\"
            yield "                '*::argument:_normal'"
        case "words":
            yield f"                '1:shell:({' '.join(command.words)})'"
        case _:
            yield "                '*: : '"
    yield "            ;;"


def _zsh_flag(flag: Flag) -> str:
    once = "*" if flag.repeats else ""
    described = f"[{_plain(flag.help)}]"
    match flag.takes:
        case "nothing":
            return f"{once}{flag.flag}{described}"
        case "words":
            action = f"({' '.join(flag.words)})"
        case "file":
            action = "_files"
        case "command":
            action = "_command_names -e"
        case "text":
            action = " "
    return f"{once}{flag.flag}={described}:{_plain(flag.metavar)}:{action}"


def _plain(text: str) -> str:
    """Without what has a meaning in a specification of zsh's."""
    return "".join("\\" + char if char in r"\[]:" else char for char in text)
