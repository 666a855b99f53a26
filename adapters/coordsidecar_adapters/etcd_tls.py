"""TLS to etcd: the only module of the gateway client that imports ssl, and only if it is used."""

from __future__ import annotations

import socket
import ssl

from coordsidecar_adapters.etcd_url import Tls

__all__ = ["SslSide"]


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
            return (
                f"etcd at {address}: its certificate does not verify: {error.verify_message}; "
                f"name its CA with ETCDCTL_CACERT or ?cacert=FILE, and a host name it is valid for"
            )
        if not isinstance(error, ssl.SSLError):
            return None
        reason = error.reason or ""
        if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
            return f"etcd at {address} does not serve TLS; write etcd:// for etcds://"
        if "ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason):
            return (
                f"etcd at {address} does not accept our client certificate ({reason}); set "
                f"ETCDCTL_CERT and ETCDCTL_KEY to a pair that its CA has signed"
            )
        return None
