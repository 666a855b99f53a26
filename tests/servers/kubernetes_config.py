"""How the API server of the tests is configured, and a client of it."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.servers.pki import Pki

__all__ = ["client_config", "server_flags"]

# What is left out saves time at the start. A service account gets no token from a controller here.
_FLAGS = (
    "--bind-address=127.0.0.1",
    "--authorization-mode=RBAC",
    "--service-account-issuer=https://kubernetes.default.svc",
    "--service-cluster-ip-range=10.0.0.0/24",
    "--disable-admission-plugins=ServiceAccount",
    "--runtime-config=api/beta=false,flowcontrol.apiserver.k8s.io/v1beta1=true",
    "--profiling=false",
    # Its Service would tell of an address where it can be found from elsewhere: there is none.
    "--endpoint-reconciler-type=none",
    "--advertise-address=192.0.2.1",
)


def server_flags(
    directory: Path, *, etcd_url: str, port: int, pki: Pki, admin_token: str
) -> list[str]:
    """The flags of kube-apiserver; the files that they name are written to ``directory``."""
    tokens = directory / "tokens.csv"
    tokens.write_text(f'{admin_token},admin,1,"system:masters"\n')
    private_key, public_key = _key_pair(directory)
    return [
        *_FLAGS,
        f"--etcd-servers={etcd_url}",
        f"--secure-port={port}",
        f"--tls-cert-file={pki.server_cert}",
        f"--tls-private-key-file={pki.server_key}",
        f"--cert-dir={directory / 'certs'}",
        f"--token-auth-file={tokens}",
        f"--service-account-key-file={public_key}",
        f"--service-account-signing-key-file={private_key}",
    ]


def client_config(url: str, *, pki: Pki, token: str, namespace: str) -> dict[str, Any]:
    """A kubeconfig, with its keys in the order in which kubectl prints them."""
    ca = b64encode(pki.ca_cert.read_bytes()).decode()
    cluster = {"server": url, "certificate-authority-data": ca}
    context = {"cluster": "test", "user": "test", "namespace": namespace}
    return {
        "kind": "Config",
        "apiVersion": "v1",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": context}],
        "current-context": "test",
    }


def _key_pair(directory: Path) -> tuple[Path, Path]:
    """The keys by which the server signs service accounts' tokens, and knows its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = directory / "service-accounts.key", directory / "service-accounts.pub"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return private, public
