"""A kubeconfig, as ``kubectl config view --raw --flatten -o json`` prints it.

As JSON, since a reader of YAML costs more than all else here, and flattened, since what it names by
paths is relative to itself. https://kubernetes.io/docs/reference/config-api/kubeconfig.v1
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import urllib.parse
from collections.abc import Mapping

from coordsidecar.hints import Any
from coordsidecar_adapters.endpoints import host_port
from coordsidecar_adapters.kubernetes.settings import Access, header
from coordsidecar_adapters.link import Tls
from coordsidecar_adapters.regular_file import read_regular

__all__ = ["read_kubeconfig"]

_MAKE = "make one with `kubectl config view --raw --flatten -o json > FILE`"
_PORTS = {"https": 443, "http": 80}


def read_kubeconfig(path: str) -> Access:
    """What its current context says; `ValueError`: it cannot be read, or asks for what we lack."""
    try:
        raw = read_regular(path)
    except OSError as e:
        raise ValueError(f"the kubeconfig {path}: {e.strerror}; {_MAKE}") from e
    try:
        config = json.loads(raw)
    except (ValueError, RecursionError) as e:
        raise ValueError(f"the kubeconfig {path} is not JSON; {_MAKE}") from e
    try:
        return _access(config, path)
    except (KeyError, TypeError, AttributeError, binascii.Error) as e:
        raise ValueError(f"the kubeconfig {path} cannot be understood ({e!r}); {_MAKE}") from e


def _access(config: Mapping[str, Any], path: str) -> Access:
    current = config.get("current-context")
    if not current:
        raise ValueError(f"the kubeconfig {path} has no current-context")
    context = _named(config, "context", current, path)
    cluster = _named(config, "cluster", context["cluster"], path)
    user = _named(config, "user", context["user"], path)
    for unknown in ("exec", "auth-provider", "username", "as", "as-groups", "as-uid"):
        if user.get(unknown):
            raise ValueError(
                f"the kubeconfig {path} logs in by {unknown}, which is not supported; use a "
                "service account's token (kubectl create token)"
            )
    if cluster.get("proxy-url"):
        raise ValueError(f"the kubeconfig {path} asks for proxy-url, which is not supported")
    server = urllib.parse.urlsplit(cluster["server"])
    if server.scheme not in _PORTS or not server.hostname or "@" in server.netloc:
        raise ValueError(f"the kubeconfig {path} names a server by no https:// URL")
    host, port = host_port(server.netloc, default_port=_PORTS[server.scheme])
    token, token_file = user.get("token") or "", user.get("tokenFile") or ""
    return Access(
        address=f"{host}:{port}",
        path=server.path.rstrip("/"),
        tls=_tls(cluster, user) if server.scheme == "https" else None,
        token=header(token, f"the token in {path}") if token else "",
        token_file=token_file,
        namespace=context.get("namespace") or "",
        source=path,
    )


def _named(config: Mapping[str, Any], kind: str, name: str, path: str) -> Mapping[str, Any]:
    for entry in config.get(f"{kind}s") or ():
        if entry["name"] == name:
            return dict(entry[kind] or {})
    raise ValueError(f"the kubeconfig {path} has no {kind} {name!r}")


def _tls(cluster: Mapping[str, Any], user: Mapping[str, Any]) -> Tls:
    authority = cluster.get("certificate-authority-data")
    cert, key = _file(user, "client-certificate"), _file(user, "client-key")
    return Tls(
        cacert=cluster.get("certificate-authority") or None,
        cadata=base64.b64decode(authority).decode("ascii") if authority else None,
        cert=cert,
        key=key if cert else None,
        verify=not cluster.get("insecure-skip-tls-verify", False),
        server_name=cluster.get("tls-server-name") or None,
    )


def _file(user: Mapping[str, Any], what: str) -> str | None:
    """A path of what is named or given; ssl reads a client's key from nothing but a file."""
    given = user.get(f"{what}-data")
    if not given:
        return user.get(what) or None
    # In memory, so that no key is left behind on a disk; open for as long as this process lives.
    fd = os.memfd_create(what)
    os.write(fd, base64.b64decode(given))
    return f"/proc/self/fd/{fd}"
