"""Where the API server is, and who we are to it: a pod's service account, or a kubeconfig.

In a pod everything is found where Kubernetes puts it:
https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/#directly-accessing-the-rest-api
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from coordsidecar.store.protocol import Election
from coordsidecar.value import Value
from coordsidecar_adapters.link import Server, Tls
from coordsidecar_adapters.regular_file import read_regular

__all__ = ["KUBERNETES", "Access", "KubernetesSettings", "header"]

KUBERNETES = Server(
    name="Kubernetes",
    scheme="kubernetes",
    ca_setting="certificate-authority in the kubeconfig",
    client_settings="client-certificate and client-key in the kubeconfig",
    name_setting="tls-server-name in the kubeconfig",
    early_close="it may be about to start or to stop, or refuse more connections",
)

_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_LONGEST_LABEL = 63
_HOW = (
    "write kubernetes: in a pod, or kubernetes:?kubeconfig=FILE with a file made by "
    "`kubectl config view --raw --flatten -o json > FILE`"
)
# https://kubernetes.io/docs/concepts/overview/working-with-objects/names
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_PART = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
_SUBDOMAIN = re.compile(rf"(?=.{{1,253}}\Z){_PART}(\.{_PART})*")


class Access(Value, kw_only=True):
    """How to reach the API server; ``path`` goes before that of its API. ``tls`` None: no TLS.

    ``token_file`` is read anew, and wins over ``token``. ``source`` names where all this is from.
    """

    _secret = ("token",)

    address: str
    tls: Tls | None
    path: str = ""
    token: str = ""
    token_file: str = ""
    namespace: str = ""
    source: str = "the pod's service account"

    def read_token(self) -> str:
        """The token as it is now: a file is replaced before it expires. `OSError`, `ValueError`."""
        if not self.token_file:
            return self.token
        token = read_regular(self.token_file).decode(errors="replace").strip()
        return header(token, f"the token in {self.token_file}")


class KubernetesSettings(Value):
    """Which Lease, and how to reach it; ``label_pods``: whether a label says which pod leads."""

    access: Access
    namespace: str
    name: str
    label_pods: bool = False

    @classmethod
    def read(cls, url: str, election: Election, environ: Mapping[str, str]) -> KubernetesSettings:
        """Read the store URL, and what it points to; `ValueError` if that makes no sense."""
        namespace, query = _parts(url)
        kubeconfig = query.get("kubeconfig") or (
            "" if _in_pod(environ) else environ.get("KUBECONFIG", "")
        )
        if kubeconfig:
            from coordsidecar_adapters.kubernetes.kubeconfig import read_kubeconfig

            access = read_kubeconfig(kubeconfig)
        elif _in_pod(environ):
            access = _of_pod(environ)
        else:
            raise ValueError(f"this is no pod, and no kubeconfig is named; {_HOW}")
        # "default" is what --namespace is when nobody says anything.
        asked = "" if election.namespace == "default" else election.namespace
        namespace = namespace or asked or access.namespace or "default"
        if not _LABEL.fullmatch(namespace):
            raise ValueError(f"{namespace!r} cannot be a namespace of Kubernetes: a-z, 0-9 and -")
        if not _SUBDOMAIN.fullmatch(election.name):
            raise ValueError(
                f"{election.name!r} cannot be the name of a Lease: a-z, 0-9, - and ., and first "
                "and last a letter or digit; use another --name"
            )
        label_pods = query.get("label-pods", "no")
        if label_pods not in ("yes", "no"):
            raise ValueError(f"label-pods in the store URL is {label_pods[:20]!r}, not yes or no")
        if label_pods == "yes" and len(election.name) > _LONGEST_LABEL:
            raise ValueError(
                f"with label-pods, --name may have {_LONGEST_LABEL} characters at most"
            )
        return cls(access, namespace, election.name, label_pods == "yes")


def header(value: str, source: str) -> str:
    """Refuse what would break out of a header, without showing it."""
    if not value:
        raise ValueError(f"{source} is empty")
    if not (value.isascii() and value.isprintable()):
        raise ValueError(f"{source} holds other characters than printable ASCII")
    return value


def _parts(url: str) -> tuple[str, dict[str, str]]:
    """What stands in ``kubernetes:NAMESPACE?kubeconfig=FILE&label-pods=yes``."""
    _, _, rest = url.partition(":")
    namespace, mark, query = rest.partition("?")
    found: dict[str, str] = {}
    for part in query.split("&") if mark else ():
        key, _, value = part.partition("=")
        if key not in ("kubeconfig", "label-pods") or not value or key in found:
            raise ValueError(f"the store URL goes on with what it may not after its ?; {_HOW}")
        found[key] = value
    if "/" in namespace or "@" in namespace:
        raise ValueError(f"the store URL names a server, which a kubeconfig does; {_HOW}")
    if "%" in found.get("kubeconfig", ""):
        from urllib.parse import unquote

        found["kubeconfig"] = unquote(found["kubeconfig"])
    return namespace, found


def _in_pod(environ: Mapping[str, str]) -> bool:
    return bool(environ.get("KUBERNETES_SERVICE_HOST")) and os.path.isdir(_ACCOUNT)


def _of_pod(environ: Mapping[str, str]) -> Access:
    host = environ["KUBERNETES_SERVICE_HOST"]
    port = environ.get("KUBERNETES_SERVICE_PORT_HTTPS") or environ.get("KUBERNETES_SERVICE_PORT")
    try:
        with open(f"{_ACCOUNT}/namespace", encoding="utf-8") as file:
            namespace = file.read().strip()
        access = Access(
            address=f"[{host}]:{port or 443}" if ":" in host else f"{host}:{port or 443}",
            tls=Tls(cacert=f"{_ACCOUNT}/ca.crt"),
            token_file=f"{_ACCOUNT}/token",
            namespace=namespace,
        )
        access.read_token()
    except OSError as e:
        raise ValueError(
            f"{e.filename}: {e.strerror}; the pod needs its service account's token: "
            "automountServiceAccountToken: true"
        ) from e
    return access
