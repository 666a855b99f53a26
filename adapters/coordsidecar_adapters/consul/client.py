"""A client of Consul: endpoints in turn, tokens that are rotated, and our own errors.

A call's budget covers connecting and the whole of the answer (see `http_connection`). Not covered:
name resolution, which the C library bounds (write IP addresses where that matters).
"""

from __future__ import annotations

import time
from collections.abc import Callable

from coordsidecar.hints import TypeVar
from coordsidecar.store.protocol import RefusedError, UnreachableError
from coordsidecar_adapters.consul.agent import Agent
from coordsidecar_adapters.consul.errors import translate
from coordsidecar_adapters.consul.library import exceptions
from coordsidecar_adapters.consul.settings import ConsulSettings
from coordsidecar_adapters.endpoints import Endpoints
from coordsidecar_adapters.http_connection import MOST_BODY_BYTES, Resolver, TlsSide
from coordsidecar_adapters.link import LinkError

__all__ = ["ConsulClient", "split_wait"]

_LONGEST_WAIT_S = 300.0

T = TypeVar("T")

# What reading an answer raises that is no JSON, or not of the shape that was asked for.
_NOT_CONSUL = (ValueError, AttributeError, KeyError, TypeError, RecursionError)


class ConsulClient:
    """Calls any of several Consul agents. Raises nothing but `StoreError`."""

    def __init__(
        self, settings: ConsulSettings, *, tls: TlsSide | None, most_bytes: int = MOST_BODY_BYTES
    ) -> None:
        """Read the token; `ValueError` if it cannot be used. No answer longer than ``most_bytes``
        is read."""
        self._settings = settings
        self._endpoints = Endpoints(settings.addresses)
        resolver = Resolver()
        self._agents = {
            address: Agent(address, settings, resolver=resolver, tls=tls, most_bytes=most_bytes)
            for address in settings.addresses
        }
        self._token = settings.read_token()
        self._send_token()

    def call(self, ask: Callable[[Agent], T], *, needs: str, timeout_s: float) -> T:
        """Ask one endpoint after the other; ``ask`` gets an `Agent`.

        An endpoint that cannot answer may have applied what it was asked, so ``ask`` must bear
        being repeated. ``needs`` names the permission that a refusal is about.
        """
        return self._endpoints.first_answer(
            lambda address, budget_s: self._ask_with_token(
                address, ask, needs=needs, budget_s=budget_s
            ),
            timeout_s=timeout_s,
        )

    def call_last(self, ask: Callable[[Agent], T], *, needs: str, timeout_s: float) -> T:
        """Ask only the endpoint that answered last: for queries that block on purpose."""
        for address, _ in self._endpoints.attempts(timeout_s=timeout_s):
            return self._ask(address, ask, needs=needs, budget_s=timeout_s)
        raise UnreachableError("Consul: no time was left to ask")

    def close(self) -> None:
        """Close the connections; the next call opens another."""
        for agent in self._agents.values():
            agent.close()

    def _ask_with_token(
        self, address: str, ask: Callable[[Agent], T], *, needs: str, budget_s: float
    ) -> T:
        try:
            return self._ask(address, ask, needs=needs, budget_s=budget_s)
        except RefusedError as e:
            if not self._token_was_rotated(refusal=e):
                raise
        return self._ask(address, ask, needs=needs, budget_s=budget_s)

    def _ask(self, address: str, ask: Callable[[Agent], T], *, needs: str, budget_s: float) -> T:
        agent = self._agents[address]
        agent.deadline_s = time.monotonic() + budget_s
        try:
            return ask(agent)
        except exceptions.ConsulException as e:
            raise translate(e, at=address, needs=needs, settings=self._settings) from e
        except LinkError as e:
            raise UnreachableError(f"Consul at {address}: {e}") from e
        except _NOT_CONSUL as e:
            why = f"{type(e).__name__}: {e}"[:200]
            raise UnreachableError(f"{address} does not answer as Consul does: {why}") from e

    def _token_was_rotated(self, *, refusal: RefusedError) -> bool:
        try:
            token = self._settings.read_token()
        except OSError as e:
            raise RefusedError(
                f"{refusal}; and CONSUL_HTTP_TOKEN_FILE {e.filename}: {e.strerror}"
            ) from e
        except ValueError as e:
            raise RefusedError(f"{refusal}; and {e}") from e
        if token == self._token:
            return False
        self._token = token
        self._send_token()
        return True

    def _send_token(self) -> None:
        for agent in self._agents.values():
            agent.token = self._token


def split_wait(left_s: float) -> tuple[float, float]:
    """How long Consul may hold a query, and how much time its answer has, within ``left_s``.

    Consul adds up to a sixteenth of the wait, so that waiting clients do not all ask at once.
    """
    slack_s = min(1.0, left_s / 4)
    wait_s = min((left_s - slack_s) * 16 / 17, _LONGEST_WAIT_S)
    return (wait_s, slack_s) if wait_s >= 0.005 else (0.0, 0.0)
