"""TLS to etcd. The only module of the gateway client that imports ssl; loaded if TLS is used."""

from __future__ import annotations

import socket
import ssl

from coordsidecar_adapters.etcd_errors import certificate_refusal, client_certificate_refusal
from coordsidecar_adapters.etcd_url import Tls

__all__ = ["SslSide", "system_ca_file"]


class SslSide:
    """A `TlsSide` on the standard library's ssl."""

    def __init__(self, tls: Tls) -> None:
        """Read the certificates; `ValueError` if one of them cannot be used."""
        try:
            self._context = ssl.create_default_context(cafile=tls.cacert)
            if tls.cert is not None:
                self._context.load_cert_chain(tls.cert, tls.key)
        except (OSError, ssl.SSLError) as e:
            files = ", ".join(path for path in (tls.cacert, tls.cert, tls.key) if path)
            raise ValueError(f"cannot use the certificates in {files}: {e}") from e

    def wrap(self, sock: socket.socket, host: str) -> socket.socket:
        return self._context.wrap_socket(sock, server_hostname=host)

    def refusal(self, error: OSError, address: str) -> str | None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return certificate_refusal(address, error.verify_message)
        if not isinstance(error, ssl.SSLError):
            return None
        reason = error.reason or ""
        if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
            return f"what listens at {address} does not serve TLS; write etcd:// for etcds://"
        return client_certificate_refusal(address, reason)


def system_ca_file() -> str | None:
    """Path of the certificates that this system trusts."""
    return ssl.get_default_verify_paths().cafile
