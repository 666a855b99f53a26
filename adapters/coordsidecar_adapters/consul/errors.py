"""What Consul's own errors mean for us.

Consul tells most of them by an HTTP status and a sentence, and where the status says too little,
the sentence counts. Whatever else stands between us and Consul may answer as well, with pages and
objects that are not for people to read in a log.
"""

from __future__ import annotations

from coordsidecar.store.protocol import (
    LoginRefusedError,
    RefusedError,
    SessionLostError,
    StoreError,
    UnreachableError,
)
from coordsidecar_adapters.consul.library import exceptions
from coordsidecar_adapters.consul.settings import CONSUL, ConsulSettings

__all__ = ["denied", "is_denied", "translate"]

_LONGEST_TEXT = 500
_DENIED = ("Permission denied", "lacks permission")
# Consul knows no such token; which rights it had is no question then.
_UNKNOWN_TOKEN = "ACL not found"


def is_denied(text: str) -> bool:
    """Whether this is about a right that the token lacks."""
    return any(sign in text for sign in _DENIED)


def denied(at: str, needs: str) -> RefusedError:
    """What to say where the token lacks a right."""
    return RefusedError(
        f"Consul{at} denies it: the token needs {needs}; "
        "see CONSUL_HTTP_TOKEN and CONSUL_HTTP_TOKEN_FILE"
    )


def translate(
    error: exceptions.ConsulException, *, at: str, needs: str, settings: ConsulSettings
) -> StoreError:
    """Say what an answer of the agent ``at`` means: unreachable, refused, or no session any more.

    ``needs`` names the right that a refusal is about.
    """
    text = str(error)
    where = f"Consul at {at}"
    # Anything between us and Consul may answer 404: only Consul says what was not found.
    if isinstance(error, exceptions.NotFound) and "Session id" in text:
        return SessionLostError(f"{where}: {_words(text)}")
    if "invalid session" in text:
        return SessionLostError(f"{where}: {_words(text)}")
    if "Session TTL" in text:  # Not that it is too short: see `Sessions.open`.
        return RefusedError(f"{where}: {_words(text)}; use another --ttl")
    if _UNKNOWN_TOKEN in text:
        return _unknown_token(where, settings)
    if isinstance(error, exceptions.ACLDisabled) and settings.auth:
        return LoginRefusedError(f"{where} refuses the log-in; check CONSUL_HTTP_AUTH")
    if isinstance(error, exceptions.ACLPermissionDenied | exceptions.ACLDisabled) or (
        is_denied(text)
    ):
        return denied(f" at {at}", needs)
    if "HTTP request to an HTTPS server" in text:
        return RefusedError(f"{where} speaks TLS; use consuls://{at}")
    if isinstance(error, exceptions.BadRequest):
        return RefusedError(f"{where}: {_words(text)}")
    if text.startswith("429 ") and "concurrent connections" in text:
        return UnreachableError(f"{where}: HTTP status 429; {CONSUL.early_close}")
    # 500 "No cluster leader", "rpc error …", 429, 503, or no answer of Consul's at all.
    return UnreachableError(f"{where}: {_words(text)}")


def _unknown_token(where: str, settings: ConsulSettings) -> RefusedError:
    if settings.token_file:
        return RefusedError(
            f"{where} does not know the token in CONSUL_HTTP_TOKEN_FILE; put a valid one there"
        )
    return LoginRefusedError(f"{where} does not know the token in CONSUL_HTTP_TOKEN")


def _words(text: str) -> str:
    """What of an error is meant for people: a sentence, and no page or object."""
    status, space, body = text.strip().partition(" ")
    if not space or not status.isdecimal():
        status, body = "", text.strip()
    if body.lstrip()[:1] in ("{", "[", "<"):
        body = "its answer is not for people to read"
    words = " ".join(body.split())[:_LONGEST_TEXT]
    return f"{words} (HTTP status {status})" if status else words
