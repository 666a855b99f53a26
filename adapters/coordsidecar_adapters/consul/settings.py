"""Where Consul is and how to log in: the store URL and the variables that Consul's tools read.

CONSUL_HTTP_ADDR, CONSUL_HTTP_TOKEN, CONSUL_HTTP_TOKEN_FILE, CONSUL_HTTP_AUTH, CONSUL_HTTP_SSL,
CONSUL_HTTP_SSL_VERIFY, CONSUL_CACERT, CONSUL_CAPATH, CONSUL_CLIENT_CERT, CONSUL_CLIENT_KEY,
CONSUL_TLS_SERVER_NAME and CONSUL_NAMESPACE, as in
https://developer.hashicorp.com/consul/commands#environment-variables.
"""

from __future__ import annotations

from collections.abc import Mapping

from coordsidecar.value import Value
from coordsidecar_adapters.endpoints import split_hosts
from coordsidecar_adapters.link import Server, Tls
from coordsidecar_adapters.regular_file import read_regular

__all__ = ["CONSUL", "ConsulSettings"]

CONSUL = Server(
    name="Consul",
    scheme="consul",
    ca_setting="CONSUL_CACERT",
    client_settings="CONSUL_CLIENT_CERT and CONSUL_CLIENT_KEY",
    name_setting="CONSUL_TLS_SERVER_NAME",
    early_close="that is what it does with too many connections from one address: close some, or "
    "raise limits.http_max_conns_per_client in the agent's configuration (200 by default)",
)

_HTTP_PORT = 8500
_HTTPS_PORT = 8501
# What Go's strconv.ParseBool takes, as Consul's own tools do.
_TRUE = {"1", "t", "T", "true", "TRUE", "True"}
_FALSE = {"0", "f", "F", "false", "FALSE", "False"}


class ConsulSettings(Value, kw_only=True):
    """``tls`` None: in the clear. What is secret is not in the repr."""

    _secret = ("token", "auth")

    addresses: tuple[str, ...]
    tls: Tls | None
    namespace: str
    token: str
    token_file: str
    auth: tuple[str, str] | None

    @classmethod
    def read(cls, url: str, environ: Mapping[str, str]) -> ConsulSettings:
        """Read the store URL and the environment; `ValueError` if they make no sense."""
        hosts, tls = _hosts(url, environ)
        addresses = split_hosts(hosts, default_port=_HTTPS_PORT if tls else _HTTP_PORT)
        if not addresses:
            raise ValueError("the Consul address names no host; write consul://host:8500")
        user, colon, password = environ.get("CONSUL_HTTP_AUTH", "").partition(":")
        settings = cls(
            addresses=tuple(addresses),
            tls=_tls(environ) if tls else None,
            namespace=_header(environ.get("CONSUL_NAMESPACE", ""), "CONSUL_NAMESPACE"),
            token=environ.get("CONSUL_HTTP_TOKEN", ""),
            token_file=environ.get("CONSUL_HTTP_TOKEN_FILE", ""),
            auth=(user, password) if colon else (user, "") if user else None,
        )
        try:
            settings.read_token()
        except OSError as e:
            raise ValueError(f"CONSUL_HTTP_TOKEN_FILE {e.filename}: {e.strerror}") from e
        return settings

    def read_token(self) -> str:
        """The token as it is now: a file may be rotated, and wins. `OSError`, `ValueError`."""
        if self.token_file:
            raw = read_regular(self.token_file)
            token = raw.decode(errors="replace").strip()
            if token:
                return _header(token, "the token in CONSUL_HTTP_TOKEN_FILE")
        return _header(self.token, "CONSUL_HTTP_TOKEN")


def _hosts(url: str, environ: Mapping[str, str]) -> tuple[str, bool]:
    """The host list, and whether to speak TLS. Not a word of ``url`` in errors: see S15."""
    scheme, _, hosts = url.partition(":")
    hosts = hosts.removeprefix("//").rstrip("/")
    tls = scheme == "consuls" or _flag(environ, "CONSUL_HTTP_SSL", default=False)
    source = "the store URL"
    if not hosts:
        source = "CONSUL_HTTP_ADDR"
        hosts = environ.get(source, "") or "127.0.0.1"
        if hosts.startswith("unix://"):
            raise ValueError("CONSUL_HTTP_ADDR names a unix socket; only http and https are served")
        address_scheme, separator, rest = hosts.partition("://")
        if separator:
            if address_scheme not in ("http", "https"):
                raise ValueError("CONSUL_HTTP_ADDR is neither http:// nor https://")
            hosts, tls = rest.rstrip("/"), tls or address_scheme == "https"
    if "@" in hosts:
        raise ValueError(
            f"{source} carries a password; put it into CONSUL_HTTP_AUTH or CONSUL_HTTP_TOKEN_FILE"
        )
    if "/" in hosts or "?" in hosts:
        raise ValueError(f"{source} goes on after the port; write consul://host:8500")
    return hosts, tls


def _tls(environ: Mapping[str, str]) -> Tls:
    cacert = environ.get("CONSUL_CACERT") or None
    return Tls(
        cacert=cacert,
        capath=None if cacert else environ.get("CONSUL_CAPATH") or None,
        cert=environ.get("CONSUL_CLIENT_CERT") or None,
        key=environ.get("CONSUL_CLIENT_KEY") or None,
        verify=_flag(environ, "CONSUL_HTTP_SSL_VERIFY", default=True),
        server_name=environ.get("CONSUL_TLS_SERVER_NAME") or None,
    )


def _header(value: str, source: str) -> str:
    """Refuse what would break out of a header, without showing it."""
    if value and not (value.isascii() and value.isprintable()):
        raise ValueError(f"{source} holds other characters than printable ASCII")
    return value


def _flag(environ: Mapping[str, str], name: str, *, default: bool) -> bool:
    value = environ.get(name, "")
    if not value:
        return default
    if value not in _TRUE | _FALSE:
        raise ValueError(f"{name} is {value!r}; use true or false")
    return value in _TRUE
