"""What Consul's errors mean for us, and that people can read what becomes of them."""

from __future__ import annotations

import pytest

from coordsidecar.store.protocol import (
    LoginRefusedError,
    RefusedError,
    SessionLostError,
    StoreError,
    UnreachableError,
)
from coordsidecar_adapters.consul.errors import translate
from coordsidecar_adapters.consul.library import exceptions
from coordsidecar_adapters.consul.settings import ConsulSettings

_TOO_MANY = "Your IP is issuing too many concurrent connections, please rate limit your calls"


def _translated(error: exceptions.ConsulException, **environ: str) -> StoreError:
    settings = ConsulSettings.read("consul://h", environ)
    return translate(error, at="h:8500", needs="session:write", settings=settings)


@pytest.mark.parametrize(
    ("error", "kind", "part"),
    [
        (exceptions.NotFound('Session id "x" not found'), SessionLostError, "not found"),
        (exceptions.NotFound("<h1>404</h1>"), UnreachableError, "not for people"),
        (exceptions.ConsulException("500 invalid session x"), SessionLostError, "invalid"),
        (exceptions.ConsulException("500 No cluster leader"), UnreachableError, "No cluster"),
        (exceptions.BadRequest("400 Invalid Session TTL"), RefusedError, "another --ttl"),
        (exceptions.ACLPermissionDenied("Permission denied"), RefusedError, "session:write"),
        (exceptions.ConsulException("500 rpc error: Permission denied"), RefusedError, "session:"),
        (exceptions.ACLPermissionDenied("ACL not found"), LoginRefusedError, "CONSUL_HTTP_TOKEN"),
        (exceptions.ClientError(f"429 {_TOO_MANY}"), UnreachableError, "http_max_conns_per_client"),
        (exceptions.ClientError("429 rate limit exceeded"), UnreachableError, "rate limit"),
    ],
    ids=lambda value: str(value)[:24] if isinstance(value, Exception) else "",
)
def test_an_error_is_silence_a_refusal_or_the_end_of_a_session(
    error: exceptions.ConsulException, kind: type[StoreError], part: str
) -> None:
    said = _translated(error)

    assert type(said) is kind
    assert part in str(said)


def test_a_login_that_a_proxy_refuses_is_ours_to_mend() -> None:
    refused = exceptions.ACLDisabled("<html>401 Unauthorized</html>")

    assert type(_translated(refused)) is RefusedError
    assert type(_translated(refused, CONSUL_HTTP_AUTH="me:hush")) is LoginRefusedError


@pytest.mark.parametrize("body", ['{"Errors": [{"What": "x"}]}', ' [{"a": 1}]', "<html>oops"])
@pytest.mark.parametrize("status", [400, 409, 502])
def test_no_message_quotes_an_object_or_a_page(status: int, body: str) -> None:
    kind = exceptions.BadRequest if status == 400 else exceptions.ClientError

    said = str(_translated(kind(f"{status} {body}")))

    assert not set("{}[]<>") & set(said)
    assert str(status) in said
