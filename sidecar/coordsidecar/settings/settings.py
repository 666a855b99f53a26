"""The settings: checked once, here, and frozen. Settings that cannot work cannot be built."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Mapping, Sequence

from coordsidecar.core.timing import Timing
from coordsidecar.hints import TYPE_CHECKING, Any, Literal
from coordsidecar.log import one_line
from coordsidecar.settings import container
from coordsidecar.settings.derived_name import derived_name
from coordsidecar.settings.health_options import HealthCheck, take_health_check
from coordsidecar.settings.options import OPTIONS, read_id, read_name
from coordsidecar.settings.priority_options import check_preemption
from coordsidecar.settings.sources import Sources, UsageError, read_at
from coordsidecar.store.protocol import Election
from coordsidecar.value import Value

if TYPE_CHECKING:
    from coordsidecar.settings.serving import Where
    from coordsidecar.settings.whom import Whom

__all__ = [
    "Settings",
    "build_settings",
    "derived_name",
    "id_of_host",
    "settings_of",
    "timing_of",
]

DEFAULT_TTL_S = 15.0
_LEAST_TTL_S = 2.0


class Settings(Value, kw_only=True):
    """All that the guard and the elector need to know; times in seconds.

    ``store`` may carry credentials: show `stores.public_url` of it. ``wait_s`` None: for ever.
    ``name_was_derived``: the election is named after the command, which the log should tell, as it
    should the ``remarks``. ``whom``: an app, in place of a command.
    Raises `UsageError` for combinations that cannot work.
    """

    _secret = ("store",)

    command: tuple[str, ...]
    election: Election
    id: str
    store: str = "local:"
    timing: Timing = Timing.for_ttl(DEFAULT_TTL_S)
    stop_signal: int = signal.SIGTERM
    stop_timeout_s: float = 25.0
    wait_s: float | None = None
    restart: Literal["never", "on-failure", "always"] = "never"
    max_restarts: int = 3
    max_restarts_window_s: float = 60.0
    on_lost: Literal["rejoin", "exit"] = "rejoin"
    pre_start: str | None = None
    post_stop: str | None = None
    on_lead: str | None = None
    on_standby: str | None = None
    on_lead_lost: str | None = None
    hook_timeout_s: float = 10.0
    health: HealthCheck | None = None
    priority: int = 0
    preempt_s: float | None = None
    label: tuple[tuple[str, str], ...] = ()
    standby: tuple[str, ...] = ()
    while_standby: Literal["stop", "signal", "freeze"] = "stop"
    lead_signal: int | None = None
    standby_signal: int | None = None
    standby_timeout_s: float | None = None
    role_file: str | None = None
    http: Where | None = None
    http_token_file: str | None = None
    log_format: Literal["text", "json"] = "text"
    pass_env: tuple[str, ...] = ()
    whom: Whom | None = None
    name_was_derived: bool = False
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_command(self.command)
        for what, text, check in (
            ("--name", self.election.name, read_name),
            ("--namespace", self.election.namespace, read_name),
            ("--id", self.id, read_id),
        ):
            read_at(what, text, check)
        for flag, value in (
            ("--stop-timeout", self.stop_timeout_s),
            ("--wait", self.wait_s),
            ("--standby-timeout", self.standby_timeout_s),
        ):
            if value is not None and not 0 <= value < math.inf:
                raise UsageError(f"{flag} must be a length of time")
        if self.standby_timeout_s == 0:
            raise UsageError("--standby-timeout must be more than 0s")
        if self.http_token_file is not None and not isinstance(self.http, tuple):
            why = "at a unix socket the file's mode says who may" if self.http else "there is none"
            raise UsageError(f"--http-token-file has a meaning only with a port to --http: {why}")
        try:
            check_preemption(self.priority, self.preempt_s, ttl_s=self.timing.ttl_s)
        except ValueError as error:
            raise UsageError(str(error)) from error
        if self.health and self.health.kind == "notify" and "NOTIFY_SOCKET" in self.pass_env:
            raise UsageError(
                "with --health-notify the job gets a NOTIFY_SOCKET of ours, and so not that of "
                "--pass-env NOTIFY_SOCKET; leave one of them out"
            )
        self._check_standby()
        if self.while_standby != "stop" and (self.pre_start or self.post_stop):
            flag = "--pre-start" if self.pre_start else "--post-stop"
            raise UsageError(
                f"{flag} runs while the job does not, but with --while-standby "
                f"{self.while_standby} the job goes on; leave one of them out"
            )

    @property
    def only_well_stand(self) -> bool:
        """Whether an instance is a candidate only once its health check is passed."""
        return self.health is not None and self.health.when == "always"

    @property
    def told(self) -> dict[str, str]:
        """The commands that are only told of a change, by the option's name."""
        told = {
            "on-lead": self.on_lead,
            "on-standby": self.on_standby,
            "on-lead-lost": self.on_lead_lost,
        }
        return {name: command for name, command in told.items() if command}

    def _check_standby(self) -> None:
        mode = self.while_standby
        if self.standby and mode != "stop":
            raise UsageError(
                f"--standby runs a command while the job is stopped, but with --while-standby "
                f"{mode} the job is never stopped; leave one of them out"
            )
        if mode == "signal":
            if self.lead_signal is None or self.standby_signal is None:
                raise UsageError(
                    "--while-standby signal needs both --lead-signal and --standby-signal, "
                    "for example USR1 and USR2"
                )
            if self.lead_signal == self.standby_signal:
                raise UsageError("--lead-signal and --standby-signal must not be the same signal")
            return
        for flag, value in (
            ("--lead-signal", self.lead_signal),
            ("--standby-signal", self.standby_signal),
            ("--standby-timeout", self.standby_timeout_s),
        ):
            if value is not None:
                raise UsageError(f"{flag} has a meaning only with --while-standby signal")


def build_settings(
    *, flags: Mapping[str, str], command: tuple[str, ...], environ: Mapping[str, str]
) -> Settings:
    """Put the settings together; ``flags`` are the texts from the command line by option name.

    Raises `UsageError`.
    """
    sources = Sources.gather(flags, environ)
    command = command or (sources.file.command if sources.file else ())
    return settings_of(sources, command=command, environ=environ)


def settings_of(
    sources: Sources, *, command: tuple[str, ...], environ: Mapping[str, str]
) -> Settings:
    """Put the settings of a run together. Raises `UsageError`."""
    values = sources.values(OPTIONS)
    _check_command(command)
    timing = timing_of(values)
    remarks = container.near_misses(environ, _VARIABLES)
    if container.in_container(environ):
        remarks += _fit_into_container(values, environ, remarks)
    name = values.pop("name", None)
    _refuse_what_is_of_the_job_around(sources, environ)
    try:
        health = take_health_check(values)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if "max-restarts" in values:
        values["max-restarts"], values["max-restarts-window-s"] = values["max-restarts"]
    return Settings(
        command=command,
        election=Election(
            namespace=values.pop("namespace", "default"), name=name or derived_name(command)
        ),
        id=values.pop("id", None) or id_of_host(container.host_name(environ)),
        timing=timing,
        health=health,
        name_was_derived=name is None,
        remarks=tuple(remarks),
        **{_field(option): value for option, value in values.items()},
    )


def _fit_into_container(
    values: dict[str, Any], environ: Mapping[str, str], near_misses: Sequence[str]
) -> list[str]:
    """What is the default elsewhere would fail only later here. Returns remarks for the log."""
    if "store" not in values:
        raise UsageError("; ".join([container.NO_STORE, *near_misses]))
    if os.getpid() != 1 or container.in_kubernetes(environ) or "stop-timeout" in values:
        return []
    values["stop-timeout"] = container.STOP_TIMEOUT_S
    return [container.STOP_TIMEOUT_REMARK]


def id_of_host(host_name: str) -> str:
    """The display name by default: what cannot be shown of a host's name is escaped, not blamed on
    an option that nobody gave."""
    return one_line(host_name)[:200] or "unnamed"


def _refuse_what_is_of_the_job_around(sources: Sources, environ: Mapping[str, str]) -> None:
    if not environ.get("COORDSIDECAR_RUN"):
        return
    # A job finds its election in its environment, and its role file. A sidecar that it starts
    # would take them for its own settings: wait for ever for the one around it to give up the
    # lead, and write over its role file.
    for option in OPTIONS:
        place = sources.find(option) if option.name in {"name", "role-file"} else None
        if place and place[0] == option.variable:
            raise UsageError(
                f"this runs inside a job, and {option.variable} ({place[1][:40]!r}) is that job's; "
                f"give {option.flag}, or unset the variable"
            )


def _check_command(command: tuple[str, ...]) -> None:
    if not command:
        raise UsageError("no command given; write it last: coordsidecar -- python job.py")
    if not command[0]:
        raise UsageError("the first word of the command is empty")


def timing_of(values: dict[str, Any]) -> Timing:
    """Take the times out of ``values``, and derive those that are not given. `UsageError`."""
    ttl_s = values.pop("ttl", DEFAULT_TTL_S)
    if ttl_s < _LEAST_TTL_S:
        raise UsageError(f"--ttl {ttl_s:g}s is too short to be kept; use 2s or more")
    derived = ("renew-every", "rpc-timeout", "lost-grace", "kill-reserve", "margin")
    given = {
        _field(name): values.pop(name) for name in (*derived, "takeover-delay") if name in values
    }
    try:
        return Timing.for_ttl(ttl_s, **given)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _field(option_name: str) -> str:
    name = option_name.replace("-", "_")
    return name if name not in _DURATIONS else name + "_s"


_VARIABLES = frozenset({option.variable for option in OPTIONS} | {"COORDSIDECAR_CONFIG"}) | {
    f"COORDSIDECAR_{name}"
    for name in (
        *("ROLE", "TOKEN", "RUN", "ACK", "PID_FILE", "MATCH_CMDLINE", "HOLD"),
        *("HOOK", "ROLE_OLD", "REASON", "LEADER"),
    )
}
_DURATIONS = {option.name.replace("-", "_") for option in OPTIONS if option.metavar == "TIME"}
