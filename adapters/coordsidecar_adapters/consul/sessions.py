"""Consul's sessions. What it never says of one is no answer: `UnreachableError`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from coordsidecar.duration import parse_duration
from coordsidecar.hints import Any
from coordsidecar.store.protocol import Election, Session, UnreachableError
from coordsidecar_adapters.consul.agent import Agent
from coordsidecar_adapters.consul.client import ConsulClient
from coordsidecar_adapters.consul.library import CB, exceptions

__all__ = ["Sessions", "granted_s"]

_SESSION_ID = re.compile(r"[0-9A-Fa-f-]{1,64}")
_BOUNDS = re.compile(r"\[([0-9a-z.]*)=")
_LEAST_TTL_S = 10.0  # Unless the servers' session_ttl_min says otherwise.
_LONGEST_TTL_S = 86400.0  # Consul's own limit.
_LONGEST_LOCK_DELAY_S = 60.0
_NEEDS = "session:write"


class Sessions:
    """Requests about sessions; a session's handle is its id."""

    def __init__(self, client: ConsulClient, *, election: Election) -> None:
        self._client = client
        self._name = f"coordsidecar {election.prefix}"

    def open(
        self, record: str, *, ttl_s: float, takeover_delay_s: float, timeout_s: float
    ) -> Session:
        """Open a session of ``ttl_s``: its holder lives by it, though Consul may keep it longer.

        The id in ``record``, which is JSON, becomes a part of its name, for `of_whom`.

        Consul refuses a TTL below 10 s, unless its servers are set up for shorter ones. Then we ask
        for the least that it takes: a leader that vanishes is deposed by whoever saw it silent for
        ``ttl_s``. Where nobody did, the lock is held until Consul ends the session, after at most
        twice what it granted.
        """
        wanted: dict[str, object] = {
            "Name": f"{self._name}: {json.loads(record).get('id', '')}",
            "TTL": _duration(ttl_s),
            "Behavior": "release",
            "LockDelay": _duration(min(takeover_delay_s, _LONGEST_LOCK_DELAY_S)),
            # Both names of the same field: left out, Consul adds its own serfHealth.
            "Checks": [],
            "NodeChecks": [],
        }

        def create(agent: Agent) -> Any:
            try:
                return _create(agent, wanted)
            except exceptions.ConsulException as e:
                least_s = _least_ttl_s(str(e))
                if least_s is None or least_s <= ttl_s:
                    raise
            return _create(agent, wanted | {"TTL": _duration(least_s)})

        handle = self._client.call(create, needs=_NEEDS, timeout_s=timeout_s)
        if not isinstance(handle, str) or not _SESSION_ID.fullmatch(handle):
            raise UnreachableError("Consul opened a session, but says no id of it")
        return Session(handle=handle, ttl_s=ttl_s)

    def renew(self, session: Session, *, timeout_s: float) -> float:
        """The TTL that it was renewed for, or its own, which may be shorter (see `open`)."""
        renewed = self._client.call(
            lambda agent: agent.session.renew(session.handle),
            needs=_NEEDS,
            timeout_s=timeout_s,
        )
        return min(granted_s(renewed), session.ttl_s)

    def destroy(self, session: Session, *, timeout_s: float) -> None:
        self._client.call(
            lambda agent: agent.session.destroy(session.handle), needs=_NEEDS, timeout_s=timeout_s
        )

    def of_whom(self, *, timeout_s: float) -> dict[str, str | None]:
        """Whose sessions live: by id, the display name that each of this election gave itself; None
        of all others.

        Anybody may open a session of any name. Consul leaves those out that we may not read.
        """
        listed = self._client.call(
            lambda agent: agent.get(CB.json(), "/v1/session/list"),
            needs="session:read",
            timeout_s=timeout_s,
        )
        mark = f"{self._name}: "
        try:
            named = ((str(one["ID"]), str(one["Name"])) for one in listed)
            return {
                id_: name.removeprefix(mark) if name.startswith(mark) else None
                for id_, name in named
            }
        except (TypeError, KeyError) as e:
            raise UnreachableError("what answered about sessions is not Consul") from e


def granted_s(renewed: Any) -> float:
    """The TTL that Consul says it has renewed a session for."""
    try:
        ttl_s = parse_duration(str(renewed["TTL"]))
    except (TypeError, KeyError, ValueError) as e:
        raise UnreachableError("Consul renewed a session, but says no TTL") from e
    if not 0 < ttl_s <= _LONGEST_TTL_S:
        raise UnreachableError(f"Consul renewed a session for {ttl_s:g}s, as it never does")
    return ttl_s


def _create(agent: Agent, wanted: Mapping[str, object]) -> Any:
    # Not agent.session.create: it refuses TTLs that a server may have been set up for.
    return agent.put(CB.json(is_id=True), "/v1/session/create", data=json.dumps(wanted))


def _least_ttl_s(refusal: str) -> float | None:
    """The least TTL that Consul takes, as it refuses another; None: it refuses something else.

    As in: Invalid Session TTL '3000000000', must be between [10s=24h0m0s]
    """
    if "Session TTL" not in refusal or "must be between" not in refusal:
        return None
    bounds = _BOUNDS.search(refusal)
    try:
        return parse_duration(bounds[1]) if bounds else _LEAST_TTL_S
    except ValueError:
        return _LEAST_TTL_S


def _duration(duration_s: float) -> str:
    """A Go duration, rounded up to milliseconds: a TTL or delay must not come out shorter."""
    return f"{-int(-duration_s * 1000 // 1)}ms"
