"""What etcd's status codes and messages mean for us; the same over its JSON gateway and gRPC.

The gateway's errors carry the gRPC code and message, so one table serves both. The codes are
gRPC's (https://grpc.io/docs/guides/status-codes), the messages etcd's (api/v3rpc/rpctypes).
"""

from __future__ import annotations

from coordsidecar.store.protocol import (
    LoginRefusedError,
    RefusedError,
    SessionLostError,
    StoreError,
    UnreachableError,
)
from coordsidecar_adapters.link import EndpointRefusedError

__all__ = ["StatusError", "is_denied", "translate"]

_INVALID_ARGUMENT = 3
_NOT_FOUND = 5
_PERMISSION_DENIED = 7
_FAILED_PRECONDITION = 9
_OUT_OF_RANGE = 11
_UNIMPLEMENTED = 12
_UNAUTHENTICATED = 16

# No quorum, an election of etcd's own, or a member that is behind: unavailable, whatever the code.
_UNAVAILABLE = (
    "not a primary lessor",
    "leader changed",
    "no leader",
    "request timed out",
    # What was to be read as it had been an instant before was thrown away since, or is not there
    # yet: then the store has lost data, or somebody compacts very often.
    "required revision",
)
# Of a server that answers its own gateway's handshake with an alert, or hangs up; as Go words it.
_GATEWAY_REJECTED = (
    "bad certificate",
    "certificate required",
    "remote error: tls:",
    "write client preface",
)
_LOGIN_AGAIN = (
    "user name is empty",
    "invalid auth token",
    "revision of auth store is old",
    "revision in header is old",  # The same, as etcd 3.5 lets it out for signed tokens.
)

_USE_GRPC = "use an etcd+grpc:// URL (pip install 'coordsidecar[grpc]')"


class StatusError(Exception):
    """etcd answered with an error status."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.message[:200]} (code {self.code})"

    @property
    def wants_login(self) -> bool:
        """Our token is missing, has expired, or is older than the users and roles."""
        return self.code == _UNAUTHENTICATED or any(m in self.message for m in _LOGIN_AGAIN)

    @property
    def denied(self) -> bool:
        return self.code == _PERMISSION_DENIED or "permission denied" in self.message


def is_denied(error: RefusedError) -> bool:
    """Whether a right is missing, rather than anything else is wrong."""
    return isinstance(error.__cause__, StatusError) and error.__cause__.denied


def translate(error: StatusError, *, endpoint: str, user: str | None) -> StoreError:
    """Say what an error status means: unreachable, refused, or the session is lost."""
    message = error.message
    # Certificates first: the gateway reports its own failed handshake as "unavailable".
    if any(sign in message for sign in _GATEWAY_REJECTED):
        return EndpointRefusedError(
            f"etcd at {endpoint}: the server's gateway cannot reach the server, which wants client "
            f"certificates and rejects the gateway's own; {_USE_GRPC}, or give the server a "
            f"certificate that is also valid for client authentication"
        )
    if "CommonName" in message:
        return EndpointRefusedError(
            f"etcd at {endpoint} takes the user from the client certificate's CommonName, which "
            f"its JSON gateway cannot do; {_USE_GRPC}"
        )
    if any(sign in message for sign in _UNAVAILABLE):
        return UnreachableError(f"etcd at {endpoint} is unavailable: {error}")
    if error.code == _NOT_FOUND and "lease not found" in message:
        return SessionLostError(f"etcd at {endpoint}: the lease is gone")
    if "authentication failed" in message:
        return LoginRefusedError(
            f"etcd at {endpoint}: wrong password for user {user!r}, or no such user; "
            f"check ETCDCTL_USER and ETCDCTL_PASSWORD"
        )
    if error.denied:
        who = f"user {user!r}" if user else "this client (no user is set)"
        return RefusedError(
            f"etcd at {endpoint}: permission denied for {who}; grant its role readwrite on "
            f"the prefix NAMESPACE/NAME/ and on the key NAMESPACE/NAME.office (docs/stores.md)"
        )
    if error.wants_login:
        remedy = (
            f"it keeps rejecting the token of user {user!r}"
            if user
            else "it wants a user; set ETCDCTL_USER and ETCDCTL_PASSWORD"
        )
        return RefusedError(f"etcd at {endpoint}: {error}; {remedy}")
    if "database space exceeded" in message:
        return RefusedError(
            f"etcd at {endpoint} is full and takes no writes; compact and defragment it, then "
            f"etcdctl alarm disarm"
        )
    if error.code in (_INVALID_ARGUMENT, _FAILED_PRECONDITION, _OUT_OF_RANGE):
        return RefusedError(f"etcd at {endpoint} refuses the request: {error}")
    if error.code == _UNIMPLEMENTED:
        return EndpointRefusedError(f"etcd at {endpoint} is too old or no etcd: {error}")
    return UnreachableError(f"etcd at {endpoint} is unavailable: {error}")
