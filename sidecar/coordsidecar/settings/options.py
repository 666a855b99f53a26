"""Every option once: its name, what it means, and how its text is read.

The command line, the environment variables, the keys of the configuration file and the help are
all made from this table, so that none of them can know an option that the others do not.
"""

from __future__ import annotations

import re
import signal

from coordsidecar.duration import parse_duration
from coordsidecar.hints import TYPE_CHECKING
from coordsidecar.settings.health_options import PROBE_OPTIONS
from coordsidecar.settings.hook_options import HOOK_OPTIONS
from coordsidecar.settings.label_options import LABEL_OPTIONS
from coordsidecar.settings.one_option import Choice, Option, quoted
from coordsidecar.settings.priority_options import PRIORITY_OPTIONS

if TYPE_CHECKING:
    from coordsidecar.settings.serving import Where

__all__ = ["CHECK_OPTIONS", "HEALTH_OPTIONS", "OPTIONS", "Choice", "Option", "read_id", "read_name"]


def read_name(text: str) -> str:
    """Check the name of an election or namespace: it becomes part of keys and of file names."""
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}", text):
        raise ValueError(
            f"{quoted(text)} is not allowed: 1 to 200 of A-Z a-z 0-9 . _ - and no dot in front"
        )
    return text


def read_id(text: str) -> str:
    """Check a display name."""
    if not 1 <= len(text) <= 200 or not text.isprintable():
        raise ValueError(f"{quoted(text)} is not allowed: 1 to 200 printable characters")
    return text


def _read_store(text: str) -> str:
    from coordsidecar.store.registry import check_scheme

    check_scheme(text)
    return text


def read_signal(text: str) -> int:
    """Return the number of a signal: ``TERM``, ``SIGTERM``, ``usr1``, ``RTMIN+3`` or ``15``."""
    name = text.strip().upper().removeprefix("SIG")
    number = int(name) if re.fullmatch(r"[0-9]{1,3}", name) else None
    if real_time := re.fullmatch(r"(RTMIN|RTMAX)([+-][0-9]{1,2})", name):
        number = int(signal.Signals["SIG" + real_time[1]]) + int(real_time[2])
        if not signal.SIGRTMIN <= number <= signal.SIGRTMAX:
            number = 0
    elif number is None:
        number = getattr(signal.Signals.__members__.get("SIG" + name), "value", None)
    if number not in signal.valid_signals():
        raise ValueError(
            f"{quoted(text)} is not a signal; write a name such as TERM or USR1, or a number"
        )
    return number


def _read_stop_signal(text: str) -> int:
    number = read_signal(text)
    if number in (signal.SIGSTOP, signal.SIGCONT):
        raise ValueError(f"{quoted(text)} cannot end a job; use TERM, INT, QUIT, KILL, ...")
    return number


def _read_role_signal(text: str) -> int:
    number = read_signal(text)
    if number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT):
        raise ValueError(f"{quoted(text)} cannot be caught by a job; use USR1, USR2, HUP, ...")
    return number


def _read_max_restarts(text: str) -> tuple[int, float]:
    count, slash, window = text.strip().partition("/")
    if not slash or not re.fullmatch(r"[0-9]{1,9}", count.strip()):
        raise ValueError(f"{quoted(text)} is not N/TIME; write for example 3/60s")
    window_s = parse_duration(window)
    if int(count) < 1 or window_s <= 0:
        raise ValueError(f"{quoted(text)} allows no restart; to have none, use --restart never")
    return int(count), window_s


def _read_http(text: str) -> Where:
    from coordsidecar.settings.serving import read_http

    return read_http(text)


def _read_token_file(text: str) -> str:
    from coordsidecar.settings.serving import read_token_file

    return read_token_file(text)


def _read_standby(text: str) -> tuple[str, ...]:
    import shlex

    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise ValueError(f"{quoted(text)}: {str(error).lower()}") from error
    if not words:
        raise ValueError("the command is empty")
    return words


def _join_words(words: list[str]) -> str:
    import shlex

    return shlex.join(words)


def _read_pass_env(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise ValueError(f"{quoted(name)} is not the name of an environment variable")
    return names


def _read_role_file(text: str) -> str:
    from coordsidecar.settings.serving import read_role_file

    return read_role_file(text)


_ELECTION = "Which election"
_TIMING = "Timing"
_CHANGES = "When leadership or the job ends"
_STANDBY = "While standing by"
_OUTPUT = "What others can see"

OPTIONS = (
    Option(
        "store", _ELECTION, "URL", _read_store,
        "Where the instances meet: etcd://HOST:2379[,HOST:2379...], etcds:// (TLS), "
        "consul://HOST:8500, consuls://, kubernetes: (a Lease), or local: for one host only. "
        "Default: local:, but none in a container",
    ),
    Option(
        "name", _ELECTION, "NAME", read_name,
        "Instances with the same store, namespace and name take turns. Default: made from "
        "COMMAND (python3 jobs/tick.py: tick.py). Best given.",
    ),
    Option("namespace", _ELECTION, "NS", read_name, "Goes before NAME. Default: default"),
    Option("id", _ELECTION, "ID", read_id, "What others see this instance as. Default: host name"),
    Option(
        "ttl", _TIMING, "TIME", parse_duration,
        "How long a leader that vanished holds on to the lead. All below derive from it. "
        "Default: 15s",
    ),
    Option("renew-every", _TIMING, "TIME", parse_duration, "How often to renew. At 15s: 3s"),
    Option(
        "rpc-timeout", _TIMING, "TIME", parse_duration,
        "How long to wait for an answer of the store. At 15s: 2s",
    ),
    Option(
        "lost-grace", _TIMING, "TIME", parse_duration,
        "From the stop signal to the end, if the store has fallen silent. At 15s: 4s",
    ),
    Option(
        "kill-reserve", _TIMING, "TIME", parse_duration,
        "From SIGKILL to surely dead; more for a job with much memory. At 15s: 1s",
    ),
    Option(
        "margin", _TIMING, "TIME", parse_duration,
        "Between the death of our job and the start of another's. At 15s: 2s",
    ),
    Option(
        "takeover-delay", _TIMING, "TIME", parse_duration,
        "Waited after a lead was revoked; beyond the TTL, after any lost one. Default: the TTL",
    ),
    Option(
        "wait", _TIMING, "TIME", parse_duration,
        "Give up, with exit code 124, if not leading by then; 0 tries once. Default: for ever",
    ),
    Option(
        "stop-signal", _CHANGES, "SIGNAL", _read_stop_signal,
        "Asks the job to end. Default: TERM",
    ),
    Option(
        "stop-timeout", _CHANGES, "TIME", parse_duration,
        "From the stop signal to SIGKILL. Default: 25s; as process 1 of a container, but for "
        "Kubernetes, 8s",
    ),
    Option(
        "restart", _CHANGES, "WHEN", Choice("never", "on-failure", "always"),
        "Run the job again when it ends: never, on-failure or always. Default: never, and exit "
        "with the job's code",
    ),
    Option(
        "max-restarts", _CHANGES, "N/TIME", _read_max_restarts,
        "Restart so often at most, then let another instance lead. Default: 3/60s",
    ),
    Option(
        "on-lost", _CHANGES, "WHAT", Choice("rejoin", "exit"),
        "When the lead is lost: rejoin the election, or exit with code 123. Default: rejoin",
    ),
    *HOOK_OPTIONS,
    *PROBE_OPTIONS,
    *PRIORITY_OPTIONS,
    Option(
        "standby", _STANDBY, "COMMAND", _read_standby,
        "What to run while another instance leads, as one word: \"python serve.py --ro\"",
        join=_join_words,
    ),
    Option(
        "while-standby", _STANDBY, "HOW", Choice("stop", "signal", "freeze"),
        "stop: the job runs only while leading. signal: it always runs, and signals tell it "
        "whether it leads. freeze: once it has led it is kept, stopped with SIGSTOP. Default: stop",
    ),
    Option(
        "lead-signal", _STANDBY, "SIGNAL", _read_role_signal,
        "With signal: tells the job to lead.",
    ),
    Option(
        "standby-signal", _STANDBY, "SIGNAL", _read_role_signal,
        "With signal: tells the job to stand by.",
    ),
    Option(
        "standby-timeout", _STANDBY, "TIME", parse_duration,
        "With signal: once told to stand by, the job must create the file $COORDSIDECAR_ACK "
        "within this time, or it is ended. Default: it is trusted to obey at once",
    ),
    *LABEL_OPTIONS,
    Option(
        "role-file", _OUTPUT, "PATH", _read_role_file,
        "Keep the role, the token and its time limit in this file, as JSON.",
    ),
    Option(
        "http", _OUTPUT, "[ADDR:]PORT", _read_http,
        "Serve /, /leader, /standby, /healthz, /v1/status, /v1/history, /v1/events, /metrics. "
        "ADDR: 127.0.0.1 by default. Or at a unix socket, unix:PATH, where orders are taken, too",
    ),
    Option(
        "http-token-file", _OUTPUT, "FILE", _read_token_file,
        "Take orders (POST /v1/step-down, pause, resume, cordon, uncordon) at a port too, from "
        "who has the token in this file.",
    ),
    Option(
        "log-format", _OUTPUT, "FORMAT", Choice("text", "json"),
        "text or json, on standard error. Default: text",
    ),
    Option(
        "pass-env", _OUTPUT, "NAME[,NAME]", _read_pass_env,
        "Leave these variables to the job, of those that are kept from it for the secrets in "
        "them. May be repeated.",
        join=",".join,
        repeats=True,
    ),
)  # fmt: skip

CHECK_OPTIONS = tuple(
    option for option in OPTIONS if option.name in {"store", "namespace", "name", "rpc-timeout"}
)
HEALTH_OPTIONS = tuple(option for option in OPTIONS if option.name == "http")
