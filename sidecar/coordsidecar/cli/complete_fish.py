"""How fish completes our command line: by a rule an option, and where on the line it is meant."""

from __future__ import annotations

from coordsidecar.cli.vocabulary import ALL_FLAGS, COMMANDS, NAMES, Flag

__all__ = ["script"]

_FISH = r"""# Completions of coordsidecar for fish. In ~/.config/fish/config.fish:
# coordsidecar completion fish | source

# Says whether the cursor is where $argv[1] is meant: at the `start`, at the options of a
# subcommand, or in the `job`, of which it prints the words so far.
function __coordsidecar_at
    set -l words (commandline -opc)
    set -e words[1]
    set -l place run
    if test (count $words) -eq 0
        test $argv[1] = start; and return 0
    else if contains -- $words[1] %(spaced)s
        set place $words[1]
        set -e words[1]
    end
    set -l value no
    while test (count $words) -gt 0
        if test $value = yes
            set value no
        else
            switch $words[1]
                case --
                    set -e words[1]
                    test $place = run; and set place job; or set place nowhere
                    break
                case '-*=*' %(bare)s
                case '-*'
                    set value yes
                case '*'
                    if test $place = run
                        set place job
                        break
                    end
            end
        end
        set -e words[1]
    end
    test $place = $argv[1]; or return 1
    test $place = job; and string escape -- $words
    return 0
end

function __coordsidecar_job
    set -l line (string join ' ' -- (__coordsidecar_at job) (commandline -ct))
    complete -C "$line"
end

complete -c coordsidecar -e
complete -c coordsidecar -f
complete -c coordsidecar -n '__coordsidecar_at job' -a '(__coordsidecar_job)'
complete -c coordsidecar -n '__coordsidecar_at start' -a '(__fish_complete_command)'
complete -c coordsidecar -n '__coordsidecar_at run' -a '(__fish_complete_command)'
%(completes)s
"""


def script() -> str:
    """What fish is to read."""
    lines = [
        f"complete -c coordsidecar -n '__coordsidecar_at start' -a {command.name} "
        f"-d {_fish_quoted(command.help)}"
        for command in COMMANDS
    ]
    for command in COMMANDS:
        places = ["run", "start"] if command.name == "run" else [command.name]
        for place in places:
            at = f"complete -c coordsidecar -n '__coordsidecar_at {place}'"
            lines += [f"{at} {_fish_flag(flag)}" for flag in command.flags]
        if command.then == "words":
            lines.append(f"{at} -a '{' '.join(command.words)}'")
    bare = [flag.flag for flag in ALL_FLAGS.values() if flag.takes == "nothing"]
    return _FISH % {
        "spaced": " ".join(NAMES),
        "bare": " ".join(bare),
        "completes": "\n".join(lines),
    }


def _fish_flag(flag: Flag) -> str:
    name = f"-l {flag.flag[2:]}" if flag.flag.startswith("--") else f"-s {flag.flag[1:]}"
    described = f"{name} -d {_fish_quoted(flag.help)}"
    match flag.takes:
        case "nothing":
            return described
        case "words":
            return f"{described} -x -a '{' '.join(flag.words)}'"
        case "file":
            return f"{described} -r -F"
        case "command":
            return f"{described} -x -a '(__fish_complete_command)'"
        case "text":
            return f"{described} -x"


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
