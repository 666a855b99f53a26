"""Where etcd is and who we are to it: read from the URL and from etcdctl's own variables.

``etcd://h1:2379,h2:2379`` (plain) or ``etcds://…`` (TLS); ``user:password@`` before the hosts and
``?cacert=FILE&cert=FILE&key=FILE`` after them are optional. What the URL leaves out is taken from
``ETCDCTL_ENDPOINTS``, ``ETCDCTL_USER``, ``ETCDCTL_PASSWORD``, ``ETCDCTL_CACERT``, ``ETCDCTL_CERT``
and ``ETCDCTL_KEY``. Proxies named in the environment are not used.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from coordsidecar.value import Value
from coordsidecar_adapters.endpoints import split_hosts
from coordsidecar_adapters.link import Server, Tls

__all__ = ["ETCD", "EtcdSettings", "parse"]

ETCD = Server(
    name="etcd",
    scheme="etcd",
    ca_setting="ETCDCTL_CACERT or ?cacert=FILE",
    client_settings="ETCDCTL_CERT and ETCDCTL_KEY",
)

_PORT = 2379
_FILES = {"cacert": "ETCDCTL_CACERT", "cert": "ETCDCTL_CERT", "key": "ETCDCTL_KEY"}


class EtcdSettings(Value, kw_only=True):
    """How to reach etcd. ``tls`` None: in the clear. The password stays out of the repr."""

    endpoints: tuple[str, ...]
    tls: Tls | None
    user: str | None
    password: str | None

    def __repr__(self) -> str:
        return f"EtcdSettings(endpoints={self.endpoints}, tls={self.tls}, user={self.user!r})"


def parse(url: str, *, environ: Mapping[str, str]) -> EtcdSettings:
    """Read a store URL; `ValueError` says what is wrong with it, and never shows a password."""
    # `urllib.parse` is imported where there is something to unquote, not for every URL: with the
    # `ipaddress` that comes along it is 0.5 MB and 3 ms of each start.
    scheme, _, rest = url.strip().partition(":")
    before, _, query = rest.partition("?")
    slashes, authority = before[:2], before[2:].rstrip("/")
    if slashes not in ("", "//") or any(mark in authority for mark in "/#") or "#" in query:
        raise ValueError("an etcd URL is etcd://host:port[,host:port…], with nothing after it")
    userinfo, _, hosts = authority.rpartition("@")
    secure = scheme.lower().partition("+")[0] == "etcds"
    if hosts:
        endpoints = split_hosts(hosts, default_port=_PORT)
    else:
        endpoints, secure = _endpoints_of_etcdctl(environ.get("ETCDCTL_ENDPOINTS", ""), secure)
    if not endpoints:
        raise ValueError("the etcd URL names no host")
    user, password = _credentials(userinfo, environ)
    return EtcdSettings(
        endpoints=tuple(dict.fromkeys(endpoints)),
        tls=_tls(query, secure=secure, environ=environ),
        user=user,
        password=password,
    )


def _endpoints_of_etcdctl(listed: str, secure: bool) -> tuple[list[str], bool]:
    """Read ``ETCDCTL_ENDPOINTS``, whose entries may be URLs: ``https://`` means TLS."""
    schemes, hosts = set(), []
    for entry in (listed or f"127.0.0.1:{_PORT}").split(","):
        scheme, separator, host = entry.strip().rpartition("://")
        if separator:
            schemes.add(scheme)
        host = host.rstrip("/")
        if "@" in host:
            raise ValueError(
                "ETCDCTL_ENDPOINTS carries a password; put it into ETCDCTL_USER and "
                "ETCDCTL_PASSWORD"
            )
        if extra := re.search(r"[/?#].*", host):
            raise ValueError(
                f"ETCDCTL_ENDPOINTS goes on after the port with {extra[0]!r}; write "
                "http://host:port"
            )
        hosts.append(host)
    if not schemes <= {"http", "https"} or len(schemes) > 1:
        raise ValueError("ETCDCTL_ENDPOINTS must be all http:// or all https://")
    if secure and schemes == {"http"}:
        raise ValueError("etcds:// asks for TLS, but ETCDCTL_ENDPOINTS says http://")
    return split_hosts(",".join(hosts), default_port=_PORT), secure or schemes == {"https"}


def _credentials(userinfo: str, environ: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Find user and password; what the URL says wins over the environment."""
    if userinfo:
        user, _, password = userinfo.partition(":")
        user, password = _unquoted(user), _unquoted(password)
    else:
        user, password = environ.get("ETCDCTL_USER", ""), ""
        if not environ.get("ETCDCTL_PASSWORD"):
            # As in etcdctl, USER may hold both, but only if PASSWORD is not set.
            user, _, password = user.partition(":")
    password = password or environ.get("ETCDCTL_PASSWORD", "")
    if not user:
        return None, None
    if not password:
        raise ValueError(f"no password for etcd user {user!r}; set ETCDCTL_PASSWORD")
    return user, password


def _unquoted(text: str) -> str:
    if "%" not in text:
        return text
    from urllib.parse import unquote

    return unquote(text)


def _tls(query: str, *, secure: bool, environ: Mapping[str, str]) -> Tls | None:
    given: dict[str, str] = {}
    if query:
        from urllib.parse import parse_qsl

        given = dict(parse_qsl(query, keep_blank_values=True))
    for name in given:
        if name not in _FILES:
            raise ValueError(
                f"unknown option {name!r} in the etcd URL; there are cacert, cert, key"
            )
    if not secure:
        if given:
            raise ValueError("certificates are of no use without TLS; write etcds:// for etcd://")
        return None
    files = {name: given.get(name) or environ.get(env) or None for name, env in _FILES.items()}
    tls = Tls(cacert=files["cacert"], cert=files["cert"], key=files["key"])
    if (tls.cert is None) != (tls.key is None):
        raise ValueError("a client certificate needs both cert and key (ETCDCTL_CERT, ETCDCTL_KEY)")
    for name, path in files.items():
        if path is not None and not os.access(path, os.R_OK):
            raise ValueError(f"cannot read the {name} file {path!r}")
    return tls
