"""Consul, examined: each agent on its own, and the rights that a candidate needs.

Whether a key may be written is found out by a transaction that writes it only at an index which it
never has: Consul refuses what the token may not do before it compares (its Txn endpoint's
preCheck), and else refuses the stale index.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from coordsidecar.store.examiner import Certificate, Endpoint, Examiner, Need
from coordsidecar.store.protocol import Election, RefusedError, UnreachableError
from coordsidecar.value import replace
from coordsidecar_adapters.consul.agent import Agent
from coordsidecar_adapters.consul.client import ConsulClient
from coordsidecar_adapters.consul.errors import is_denied
from coordsidecar_adapters.consul.keys import ElectionKeys
from coordsidecar_adapters.consul.library import exceptions
from coordsidecar_adapters.consul.roster import Entries
from coordsidecar_adapters.consul.sessions import Sessions, granted_s
from coordsidecar_adapters.consul.settings import CONSUL, ConsulSettings
from coordsidecar_adapters.http_connection import TlsSide, tls_side
from coordsidecar_adapters.knock import knock, server_clock_s

__all__ = ["examine"]

# Consul's log is not that long in all its life; and it fits into a signed number.
_NEVER_AN_INDEX = 2**62
_STALE = "index is stale"
_SESSION = 'session "NODE OF THE AGENT" { policy = "write" }'
# Who lists the sessions meanwhile is told whose it is.
_RECORD = '{"id": "coordsidecar doctor"}'


def examine(url: str, *, election: Election, environ: Mapping[str, str]) -> Examiner:
    """An examiner for ``consul://`` or ``consuls://``; `ValueError` if it is wrong."""
    settings = ConsulSettings.read(url, environ)
    return ConsulExaminer(settings, election=election, tls=tls_side(settings.tls, CONSUL))


class ConsulExaminer:
    """An `Examiner`."""

    def __init__(
        self, settings: ConsulSettings, *, election: Election, tls: TlsSide | None
    ) -> None:
        self.endpoints: Sequence[Endpoint] = [
            ConsulEndpoint(name, replace(settings, addresses=(name,)), election=election, tls=tls)
            for name in settings.addresses
        ]
        self._client = ConsulClient(settings, tls=tls)
        self._keys = ElectionKeys(self._client, election=election)
        self._sessions = Sessions(self._client, election=election)
        self._below = f"{election.prefix}/"
        self._said = Entries(self._client, election).below

    def grant(self, ttl_s: float, *, takeover_delay_s: float, timeout_s: float) -> float | None:
        try:
            session = self._sessions.open(
                _RECORD, ttl_s=ttl_s, takeover_delay_s=takeover_delay_s, timeout_s=timeout_s
            )
        except RefusedError as e:
            if not is_denied(str(e.__cause__)):
                raise
            said = str(e).partition("; ")[0]
            raise RefusedError(f"{said}; grant it: {_SESSION} (docs/stores.md)") from e
        try:
            renewed = self._client.call(
                lambda agent: agent.session.renew(session.handle),
                needs="session:write",
                timeout_s=timeout_s,
            )
            return granted_s(renewed)
        finally:
            self._sessions.destroy(session, timeout_s=timeout_s)

    def needs(self, *, timeout_s: float) -> Sequence[Need]:
        missing = [] if self._may_read(timeout_s) else ["read"]
        keys = (self._keys.lock_key, self._keys.office_key)
        missing += ["write"] * (False in {self._may_write(key, timeout_s) for key in keys})
        # Who lacks this cannot say what it does, and leads all the same.
        unsaid = [] if self._may_write(self._said, timeout_s) else ["write"]
        return [
            _need(self._below, missing, vital=True),
            _need(self._said, unsaid, vital=False),
        ]

    def _may_read(self, timeout_s: float) -> bool:
        try:
            self._keys.read(time.monotonic() + timeout_s)
        except RefusedError as e:
            if is_denied(str(e.__cause__)):
                return False
            raise
        return True

    def _may_write(self, key: str, timeout_s: float) -> bool:
        """Whether we would be let write it; nothing is written."""
        at_no_index = {"Verb": "cas", "Key": key, "Value": "", "Index": _NEVER_AN_INDEX}

        def attempt(agent: Agent) -> str:
            try:
                agent.txn.put([{"KV": at_no_index}])
            except exceptions.ClientError as e:
                if str(e).startswith("409 "):
                    return str(e)
                raise
            raise UnreachableError(f"Consul wrote {key} at an index that it never had")

        refusal = self._client.call(attempt, needs="", timeout_s=timeout_s)
        if is_denied(refusal):
            return False
        if _STALE not in refusal:
            raise UnreachableError("Consul refused a stale write as it never does")
        return True


def _need(below: str, missing: list[str], *, vital: bool) -> Need:
    right = f'key_prefix "{below}" {{ policy = "write" }}'
    lacks = f"the right to {' and to '.join(missing)} is missing" if missing else ""
    remedy = f"give the token a policy with {right} (docs/stores.md)"
    return Need(right, lacks, remedy, vital)


class ConsulEndpoint:
    """An `Endpoint`: one agent."""

    def __init__(
        self,
        name: str,
        settings: ConsulSettings,
        *,
        election: Election,
        tls: TlsSide | None,
    ) -> None:
        self.name = name
        self._client = ConsulClient(settings, tls=tls)
        self._office_key = ElectionKeys(self._client, election=election).office_key
        self._has_token = bool(settings.token or settings.token_file)
        self._tls = tls

    def knock(self, *, timeout_s: float) -> Certificate | None:
        return knock(self.name, server=CONSUL, tls=self._tls, timeout_s=timeout_s)

    def log_in(self, *, timeout_s: float) -> str:
        """Nobody logs in: what the token is good for shows in what is asked with it."""
        self.ask(timeout_s=timeout_s)
        return "with the token that is set" if self._has_token else "without a token"

    def ask(self, *, timeout_s: float) -> bool:
        key = self._office_key
        try:
            self._client.call(
                lambda agent: agent.kv.get(key, consistency="consistent"),
                needs=f"key:read on {key}",
                timeout_s=timeout_s,
            )
        except RefusedError as e:
            if is_denied(str(e.__cause__)):
                return False
            raise
        return True

    def clock_s(self, *, timeout_s: float) -> float | None:
        path = "/v1/status/leader"
        return server_clock_s(self.name, path, server=CONSUL, tls=self._tls, timeout_s=timeout_s)
