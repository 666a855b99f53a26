"""The options that have the running job looked at: by what, how often, and what if it is sick."""

from __future__ import annotations

import os
import re

from coordsidecar.duration import parse_duration
from coordsidecar.hints import Any, Literal
from coordsidecar.settings.one_option import Choice, Option, quoted
from coordsidecar.value import Value

__all__ = ["PROBE_OPTIONS", "HealthCheck", "take_health_check"]

_HEALTH = "Health: is the job that runs well?"
_SHELL = "/bin/sh"
_LEAST_INTERVAL_S = 0.1
_MOST = 1000
# As systemd's TimeoutStartSec: so long a service may take for its READY=1.
_READY_WITHIN_S = 90.0
_HOST = r"(\[[0-9A-Za-z:.%]+\]|[0-9A-Za-z_.-]+)"
_HOST_PORT = re.compile(_HOST + "(?::([0-9]+))?")


class HealthCheck(Value, kw_only=True):
    """How the job is looked at. ``target``: the command, URL or HOST:PORT.

    Of ``notify``, by which the job itself says how it is, only ``watchdog_s`` has a meaning, so
    often it must say that it lives (0: never), and the last two.
    """

    kind: Literal["cmd", "http", "tcp", "notify"]
    target: str = ""
    watchdog_s: float = 0.0
    interval_s: float = 10.0
    timeout_s: float = 5.0
    rise: int = 1
    fall: int = 3
    start_period_s: float = 0.0
    unhealthy: Literal["step-down", "restart"] = "step-down"
    when: Literal["leading", "always"] = "leading"

    @property
    def address(self) -> tuple[str, int]:
        """Of ``http`` and ``tcp``."""
        match = _HOST_PORT.match(self.target.removeprefix("http://"))
        assert match is not None, "it was read by the same rule"
        return match[1].strip("[]"), int(match[2] or 80)

    @property
    def authority_and_path(self) -> tuple[str, str]:
        """Of ``http``: as they stand in a request."""
        rest = self.target.removeprefix("http://")
        authority = re.split("[/?]", rest, maxsplit=1)[0]
        path = rest[len(authority) :]
        return authority, path if path.startswith("/") else "/" + path


def take_health_check(values: dict[str, Any]) -> HealthCheck | None:
    """Take what is about it out of ``values``. Raises `ValueError` for what cannot work."""
    names = [option.name for option in PROBE_OPTIONS]
    given = {name: values.pop(name) for name in names if name in values}
    kinds = [name for name in given if name in _KINDS]
    if not given:
        return None
    if not kinds:
        raise ValueError(
            f"--{next(iter(given))} has a meaning only with a check: give --health-cmd, "
            "--health-http, --health-tcp or --health-notify"
        )
    if len(kinds) > 1:
        raise ValueError(f"a job has one health check; give --{kinds[0]} or --{kinds[1]}, not both")
    if kinds == ["health-notify"]:
        return _told_by_the_job(given)
    target = given.pop(kinds[0])
    fields = {_FIELDS[name]: value for name, value in given.items()}
    return HealthCheck(kind=_KINDS[kinds[0]], target=target, **fields)


def _told_by_the_job(given: dict[str, Any]) -> HealthCheck:
    fields = {_FIELDS[name]: value for name, value in given.items()}
    for name in given:
        if name in _OF_LOOKS:
            raise ValueError(
                f"--{name} has no meaning with --health-notify: nobody looks, the job says how it "
                "is; leave one of them out"
            )
    if fields.setdefault("start_period_s", _READY_WITHIN_S) <= 0:
        raise ValueError(
            "--health-start-period must be more than 0s with --health-notify: so long the job may "
            "take to say READY=1"
        )
    return HealthCheck(kind="notify", **fields)


def _read_command(text: str) -> str:
    if not text.strip():
        raise ValueError("the command is empty")
    if not os.access(_SHELL, os.X_OK):
        raise ValueError(f"there is no {_SHELL} here to run it")
    return text


def _read_url(text: str) -> str:
    if text.lower().startswith("https://"):
        raise ValueError(
            "only http:// is asked; for https, give --health-cmd 'curl -fsS URL >/dev/null'"
        )
    match = re.fullmatch(rf"http://{_HOST}(?::([0-9]+))?([/?][!-~]*)?", text)
    if match is None:
        raise ValueError(f"{quoted(text)} is not like http://127.0.0.1:8080/healthz")
    _check_port(match[2] or "80", text)
    return text


def _read_host_port(text: str) -> str:
    match = re.fullmatch(rf"{_HOST}:([0-9]+)", text)
    if match is None:
        raise ValueError(f"{quoted(text)} is not HOST:PORT, such as 127.0.0.1:5432")
    _check_port(match[2], text)
    return text


def _check_port(port: str, text: str) -> None:
    if len(port) > 5 or not 1 <= int(port) <= 65535:
        raise ValueError(f"{quoted(text)}: a port is a number from 1 to 65535")


def _read_interval(text: str) -> float:
    interval_s = parse_duration(text)
    if interval_s < _LEAST_INTERVAL_S:
        raise ValueError("between two checks there must be 100ms or more")
    return interval_s


def _read_watchdog(text: str) -> float:
    watchdog_s = parse_duration(text)
    if 0 < watchdog_s < _LEAST_INTERVAL_S:
        raise ValueError("a watchdog needs 100ms or more; 0s: there is none, only READY=1 counts")
    return watchdog_s


def _read_timeout(text: str) -> float:
    timeout_s = parse_duration(text)
    if timeout_s <= 0:
        raise ValueError("a check needs more than 0s")
    return timeout_s


def _read_times(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", text.strip()) or not 1 <= int(text) <= _MOST:
        raise ValueError(f"{quoted(text)} is not a number from 1 to {_MOST}")
    return int(text)


_KINDS: dict[str, Literal["cmd", "http", "tcp", "notify"]] = {
    "health-cmd": "cmd",
    "health-http": "http",
    "health-tcp": "tcp",
    "health-notify": "notify",
}
_OF_LOOKS = (
    "health-interval",
    "health-timeout",
    "health-rise",
    "health-fall",
    "health-when",
)
_FIELDS = {
    "health-notify": "watchdog_s",
    "health-interval": "interval_s",
    "health-timeout": "timeout_s",
    "health-rise": "rise",
    "health-fall": "fall",
    "health-start-period": "start_period_s",
    "health-when": "when",
    "unhealthy": "unhealthy",
}

PROBE_OPTIONS = (
    Option(
        "health-cmd", _HEALTH, "CMD", _read_command,
        "For /bin/sh -c: with exit code 0 the job is well. One check at most is given.",
    ),
    Option(
        "health-http", _HEALTH, "URL", _read_url,
        "http:// only: an answer from 200 to 399 says that the job is well.",
    ),
    Option(
        "health-tcp", _HEALTH, "HOST:PORT", _read_host_port,
        "A connection says that the job is well.",
    ),
    Option(
        "health-notify", _HEALTH, "TIME", _read_watchdog,
        "The job says so itself, as to systemd (sd_notify): READY=1, then WATCHDOG=1 each TIME at "
        "the latest. 0s: READY=1 will do.",
    ),
    Option(
        "health-interval", _HEALTH, "TIME", _read_interval,
        "Before each check. Default: 10s",
    ),
    Option(
        "health-timeout", _HEALTH, "TIME", _read_timeout,
        "A check that takes longer is killed, and has failed. Default: 5s",
    ),
    Option(
        "health-rise", _HEALTH, "N", _read_times,
        "Well after so many good checks in a row. Default: 1",
    ),
    Option(
        "health-fall", _HEALTH, "N", _read_times,
        "Sick after so many failed checks in a row. Default: 3",
    ),
    Option(
        "health-start-period", _HEALTH, "TIME", parse_duration,
        "Failures so soon after the job's start do not count, until the first success. With "
        "--health-notify: so long READY=1 may take. Default: 0s; with --health-notify 90s",
    ),
    Option(
        "health-when", _HEALTH, "WHEN", Choice("leading", "always"),
        "always: also where no job leads, and who is sick does not stand for election; the check "
        "must be one that passes without the job. Default: leading",
    ),
    Option(
        "unhealthy", _HEALTH, "WHAT", Choice("step-down", "restart"),
        "A sick job is stopped, and then: step-down lets another instance lead; restart starts "
        "it again here, as --restart does. Default: step-down",
    ),
)  # fmt: skip
