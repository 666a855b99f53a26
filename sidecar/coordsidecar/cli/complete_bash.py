"""How bash completes our command line: one function, which parses it as we do."""

from __future__ import annotations

from collections.abc import Iterable

from coordsidecar.cli.vocabulary import ALL_FLAGS, COMMANDS, NAMES, SHELLS, Flag, in_quotes

__all__ = ["script"]

_BASH = r"""# Completions of coordsidecar for bash. In ~/.bashrc:
# source <(coordsidecar completion bash)

_coordsidecar_flags() {
    case $1 in
%(flags)s
    esac
}

# What may follow an option: words, @file, @command, or nothing that is known; fails if nothing may.
_coordsidecar_values() {
    case $1 in
%(values)s
    esac
}

_coordsidecar_offer() {  # $1: words, @file or @command; $2: what is typed of them.
    case $1 in
        @file)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$2")
            ;;
        @command) mapfile -t COMPREPLY < <(compgen -c -- "$2") ;;
        *)
            mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
            [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace 2>/dev/null
            ;;
    esac
    return 0
}

_coordsidecar() {
    # bash splits words at = and : too; what has no space between is put together again.
    local line=$COMP_LINE words=() at=() i word space
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        space=${line%%%%[![:space:]]*}
        line=${line#"$space"}
        line=${line#"$word"}
        if [[ $i == 0 || -n $space ]]; then
            words+=("$word") at+=("$i")
        else
            words[-1]+=$word
        fi
    done
    local last=$((${#words[@]} - 1)) command=run first=1 flag= job=
    local current=${words[last]}
    COMPREPLY=()
    case ${words[1]} in
        %(names)s) ((last > 1)) && command=${words[1]} first=2 ;;
    esac
    for ((i = first; i < last; i++)); do
        word=${words[i]}
        if [[ -n $flag ]]; then
            flag=
        elif [[ $word == -- ]]; then
            job=$((i + 1))
            break
        elif [[ $word == -*=* ]]; then
            :
        elif [[ $word == -* ]]; then
            _coordsidecar_values "$word" >/dev/null && flag=$word
        elif [[ $command == run ]]; then
            job=$i
            break
        fi
    done
    if [[ -n $job && $command != run ]]; then
        :
    elif [[ -n $job ]] && ((job == last)); then
        _coordsidecar_offer @command "$current"
    elif [[ -n $job ]] && declare -F _command_offset >/dev/null; then
        _command_offset "${at[job]}"
    elif [[ -n $job ]]; then
        _coordsidecar_offer @file "$current"
    elif [[ -n $flag ]]; then
        _coordsidecar_offer "$(_coordsidecar_values "$flag")" "$current"
    elif [[ $current == -*=* ]]; then
        word=$(_coordsidecar_values "${current%%%%=*}") &&
            _coordsidecar_offer "$word" "${current#*=}"
    elif [[ $current == -* ]]; then
        _coordsidecar_offer "$(_coordsidecar_flags "$command")" "$current"
    elif ((last == 1)); then
        _coordsidecar_offer '%(spaced)s' "$current"
        ((${#COMPREPLY[@]})) || _coordsidecar_offer @command "$current"
    elif [[ $command == completion ]]; then
        _coordsidecar_offer '%(shells)s' "$current"
    elif [[ $command == run ]]; then
        _coordsidecar_offer @command "$current"
    fi
    return 0
}

complete -F _coordsidecar coordsidecar
"""


def script() -> str:
    """What bash is to read."""
    flags = [
        f"        {command.name}) echo {in_quotes(_spaced(flag.flag for flag in command.flags))} ;;"
        for command in COMMANDS
    ]
    takers: dict[str, list[str]] = {}
    for flag in ALL_FLAGS.values():
        takers.setdefault(_bash_value(flag), []).append(flag.flag)
    values = [f"        {' | '.join(takers[value])}) {value} ;;" for value in takers]
    return _BASH % {
        "flags": "\n".join(flags),
        "values": "\n".join(values),
        "names": " | ".join(NAMES),
        "spaced": _spaced(NAMES),
        "shells": _spaced(SHELLS),
    }


def _spaced(words: Iterable[str]) -> str:
    return " ".join(words)


def _bash_value(flag: Flag) -> str:
    match flag.takes:
        case "nothing":
            return "return 1"
        case "words":
            return f"echo {in_quotes(_spaced(flag.words))}"
        case "text":
            return "echo"
        case kind:
            return f"echo @{kind}"
