"""py-consul, hardened: endpoints in turn, time-outs on everything, and our own errors.

What py-consul does not do by itself: send the token with transactions; ignore its own reading of
CONSUL_* variables, which would override what we were given; ignore proxies of the environment;
refuse redirects, which would carry the token to wherever they point; bound a whole call.

A call's budget covers connecting and the whole of the answer (see `consul_http`). Not covered: name
resolution, which the C library bounds (write IP addresses where that matters), and several
addresses of one name, each of which may use up the budget.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from coordsidecar.store import RefusedError, SessionLostError, StoreError, UnreachableError
from coordsidecar_adapters.consul_http import bound_answers
from coordsidecar_adapters.consul_library import consul, requests, urllib3
from coordsidecar_adapters.consul_settings import ConsulSettings
from coordsidecar_adapters.endpoints import Endpoints, host_port

__all__ = ["ConsulClient"]

T = TypeVar("T")

# What reading an answer raises that is no JSON, or not of the shape that was asked for.
_NOT_CONSUL = (ValueError, AttributeError, KeyError, TypeError, RecursionError)

_MAY_BE_DENIED = ("Permission denied", "ACL not found", "lacks permission")
# What OpenSSL says when trying again will not help.
_TLS_REFUSALS = (
    "CERTIFICATE_VERIFY_FAILED",
    "bad certificate",
    "BAD_CERTIFICATE",
    "certificate required",
    "CERTIFICATE_REQUIRED",
    "UNKNOWN_CA",
    "WRONG_VERSION_NUMBER",
)


class _Http(consul.std.HTTPClient):  # type: ignore[misc]  # py-consul carries no types.
    budget_s: float

    def timeout(self, params: Any) -> urllib3.Timeout:
        return urllib3.Timeout(total=self.budget_s)


class _Consul(consul.Consul):  # type: ignore[misc]  # py-consul carries no types.
    def http_connect(
        self, host: str, port: int, scheme: str, verify: bool | str = True, cert: Any = None
    ) -> _Http:
        return _Http(host, port, scheme, verify, cert)


class ConsulClient:
    """Calls any of several Consul agents. Raises nothing but `StoreError`."""

    def __init__(self, settings: ConsulSettings) -> None:
        self._settings = settings
        self._endpoints = Endpoints(settings.addresses)
        if not settings.verify:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._clients = {address: _client(settings, address) for address in settings.addresses}
        self._token = settings.read_token()
        self._send_token()

    def call(self, ask: Callable[[Any], T], *, needs: str, timeout_s: float) -> T:
        """Ask one endpoint after the other; ``ask`` gets a `consul.Consul`.

        An endpoint that cannot answer may have applied what it was asked, so ``ask`` must bear
        being repeated. ``needs`` names the permission that a refusal is about.
        """
        unreachable = UnreachableError("Consul: no time was left to ask")
        for address, budget_s in self._endpoints.attempts(timeout_s=timeout_s):
            try:
                answer = self._ask_with_token(address, ask, needs=needs, budget_s=budget_s)
            except UnreachableError as e:
                unreachable = e
                continue
            self._endpoints.answered(address)
            return answer
        raise unreachable

    def call_last(self, ask: Callable[[Any], T], *, needs: str, timeout_s: float) -> T:
        """Ask only the endpoint that answered last: for queries that block on purpose."""
        for address, _ in self._endpoints.attempts(timeout_s=timeout_s):
            return self._ask(address, ask, needs=needs, budget_s=timeout_s)
        raise UnreachableError("Consul: no time was left to ask")

    def _ask_with_token(
        self, address: str, ask: Callable[[Any], T], *, needs: str, budget_s: float
    ) -> T:
        try:
            return self._ask(address, ask, needs=needs, budget_s=budget_s)
        except RefusedError as e:
            if not self._token_was_rotated(refusal=e):
                raise
        return self._ask(address, ask, needs=needs, budget_s=budget_s)

    def _ask(self, address: str, ask: Callable[[Any], T], *, needs: str, budget_s: float) -> T:
        client = self._clients[address]
        client.http.budget_s = budget_s
        try:
            return ask(client)
        except consul.ConsulException as e:
            raise _answered(e, address=address, needs=needs) from e
        except requests.exceptions.SSLError as e:
            raise _tls_failure(e, address=address) from e
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as e:
            raise UnreachableError(f"Consul at {address}: {_innermost(e)}") from e
        except _NOT_CONSUL as e:
            why = f"{type(e).__name__}: {e}"[:200]
            raise UnreachableError(f"{address} does not answer as Consul does: {why}") from e
        except OSError as e:  # requests checks for certificate files only when it connects.
            raise RefusedError(f"Consul at {address}: {e}; see CONSUL_CACERT and the like") from e

    def _token_was_rotated(self, *, refusal: RefusedError) -> bool:
        try:
            token = self._settings.read_token()
        except OSError as e:
            raise RefusedError(
                f"{refusal}; and CONSUL_HTTP_TOKEN_FILE {e.filename}: {e.strerror}"
            ) from e
        if token == self._token:
            return False
        self._token = token
        self._send_token()
        return True

    def _send_token(self) -> None:
        for client in self._clients.values():
            headers = client.http.session.headers
            headers.pop("X-Consul-Token", None)
            if self._token:
                headers["X-Consul-Token"] = self._token


def _client(settings: ConsulSettings, address: str) -> _Consul:
    host, port = host_port(address, default_port=0)
    client = _Consul(
        host=host, port=port, scheme=settings.scheme, verify=settings.verify, cert=settings.cert
    )
    client.token = None  # py-consul took it from os.environ; ours goes out with every request.
    session = client.http.session
    bound_answers(session)
    session.trust_env = False
    session.max_redirects = 0
    session.auth = settings.auth
    if settings.namespace:
        session.headers["X-Consul-Namespace"] = settings.namespace
    return client


def _answered(error: consul.ConsulException, *, address: str, needs: str) -> StoreError:
    """What Consul's own error means. Its text counts where it has no better way to tell."""
    text = str(error).strip()[:500]
    at = f"Consul at {address}"
    # Anything between us and Consul may answer 404: only Consul says what was not found.
    if isinstance(error, consul.exceptions.NotFound) and "Session id" in text:
        return SessionLostError(f"{at}: {text}")
    if "invalid session" in text:
        return SessionLostError(f"{at}: {text}")
    if "Session TTL" in text:
        return RefusedError(f"{at}: {text}; use a longer --ttl")
    if isinstance(error, consul.exceptions.ACLPermissionDenied | consul.exceptions.ACLDisabled) or (
        any(denied in text for denied in _MAY_BE_DENIED)
    ):
        return RefusedError(
            f"{at} denies it ({text}): the token needs {needs}; "
            "see CONSUL_HTTP_TOKEN and CONSUL_HTTP_TOKEN_FILE"
        )
    if "HTTP request to an HTTPS server" in text:
        return RefusedError(f"{at} speaks TLS; use consuls://{address}")
    if isinstance(error, consul.exceptions.BadRequest):
        return RefusedError(f"{at}: {text}")
    # 500 "No cluster leader", "rpc error …", 429, 503, or no answer of Consul's at all.
    return UnreachableError(f"{at}: {text}")


def _tls_failure(error: requests.exceptions.SSLError, *, address: str) -> StoreError:
    text = _innermost(error)
    if not any(sign in text for sign in _TLS_REFUSALS):
        return UnreachableError(f"Consul at {address}: {text}")
    return RefusedError(
        f"Consul at {address}: no TLS with it: {text}; "
        "see CONSUL_CACERT, CONSUL_CLIENT_CERT and CONSUL_CLIENT_KEY"
    )


def _innermost(error: BaseException) -> str:
    """The cause without the layers that requests and urllib3 wrap around it."""
    reason: Any = error
    while True:
        inner = getattr(reason, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next((arg for arg in reason.args if isinstance(arg, BaseException)), None)
        if inner is None:
            return f"{type(reason).__name__}: {reason}"[:500]
        reason = inner
