"""The job's environment: who it is in the election, and none of our secrets (rule S15)."""

from __future__ import annotations

from collections.abc import Mapping

from coordsidecar.settings.settings import Settings
from coordsidecar.store.registry import public_url
from coordsidecar.trees.mark import BESIDE_VARIABLE, RUN_VARIABLE

__all__ = ["environment_beside_job", "job_environment", "token_variable"]

_OURS = "COORDSIDECAR_"
_SECRETS = frozenset(
    {
        "NOTIFY_SOCKET",  # systemd's: the job must not report readiness in our name.
        "ETCDCTL_USER",
        "ETCDCTL_PASSWORD",
        "ETCDCTL_KEY",
        "CONSUL_HTTP_TOKEN",
        "CONSUL_HTTP_TOKEN_FILE",
        "CONSUL_HTTP_AUTH",
        "CONSUL_CLIENT_KEY",
    }
)


# What systemd told us of its watchdog: it is not the one that listens to the job.
_OF_SYSTEMDS_WATCHDOG = frozenset({"WATCHDOG_USEC", "WATCHDOG_PID"})


def job_environment(
    environ: Mapping[str, str],
    settings: Settings,
    *,
    run: str,
    role: str,
    ack_path: str | None,
) -> dict[str, str]:
    """What the job sees: our environment, less our options and secrets, plus its role.

    The token is not yet known when this is prepared: see `token_variable`.
    ``run`` marks every process of the tree, so that it can be found after the guard's death; marks
    of a sidecar around this one stay in it.
    """
    marks = [mark for mark in environ.get(RUN_VARIABLE, "").split(":") if mark]
    kept = _SECRETS
    if settings.health is not None and settings.health.kind == "notify":
        kept |= _OF_SYSTEMDS_WATCHDOG
    job = {
        name: value
        for name, value in environ.items()
        if name in settings.pass_env or not (name.startswith(_OURS) or name in kept)
    }
    job |= {
        "COORDSIDECAR_ROLE": role,
        "COORDSIDECAR_NAME": settings.election.name,
        "COORDSIDECAR_NAMESPACE": settings.election.namespace,
        "COORDSIDECAR_ID": settings.id,
        "COORDSIDECAR_STORE": public_url(settings.store),
        RUN_VARIABLE: ":".join([*marks, run]),
    }
    if settings.role_file is not None:
        job["COORDSIDECAR_ROLE_FILE"] = settings.role_file
    if ack_path is not None:
        job["COORDSIDECAR_ACK"] = ack_path
    return job


def environment_beside_job(
    environ: Mapping[str, str], settings: Settings, *, guard: int
) -> dict[str, str]:
    """For what is told of the job, or looks after it: as the job's, but for the mark of its tree,
    which that does not belong to; by another it is known, should its helper die (`trees.strays`).

    ``guard``: its pid.
    """
    ours = job_environment(environ, settings, run="", role="", ack_path=None)
    marks = ours.pop(RUN_VARIABLE).strip(":")
    return ours | {BESIDE_VARIABLE: str(guard)} | ({RUN_VARIABLE: marks} if marks else {})


def token_variable(token: int | None) -> dict[str, str]:
    """The token under which the job is started, for its environment."""
    return {} if token is None else {"COORDSIDECAR_TOKEN": str(token)}
