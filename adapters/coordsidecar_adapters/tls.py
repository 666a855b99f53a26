"""TLS to a store's server. The only module that imports ssl; loaded if TLS is used."""

from __future__ import annotations

import os
import socket
import ssl
import sys
from contextlib import suppress

from coordsidecar_adapters.link import Server, Tls

__all__ = ["SslSide", "certificate_until_s", "system_ca_file"]

# A bundle (docs/bundle.md) brings certificates for images that have none. Its OpenSSL looks for an
# image's own only where the system has them that it was built on; these are all usual places.
_BUNDLED = os.path.join(sys.prefix, "cacert.pem")
_USUAL = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Alpine, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, Red Hat
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",
)


class SslSide:
    """A `TlsSide` on the standard library's ssl.

    The files are read again once they have changed: certificates that last for days are replaced
    in place, and a sidecar lasts longer.
    """

    def __init__(self, tls: Tls, server: Server) -> None:
        """Read the certificates; `ValueError` if one of them cannot be used."""
        self._tls = tls
        self._server = server
        self._read = _stamps(tls)
        self._context = _context(tls)

    def wrap(self, sock: socket.socket, host: str) -> socket.socket:
        stamps = _stamps(self._tls)
        # Somebody may be in the middle of replacing them: the old ones will do until then.
        if stamps != self._read and None not in stamps:
            with suppress(ValueError):
                self._context, self._read = _context(self._tls), stamps
        return self._context.wrap_socket(sock, server_hostname=self._tls.server_name or host)

    def refusal(self, error: OSError, address: str) -> str | None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return self._server.certificate_refusal(address, error.verify_message)
        if not isinstance(error, ssl.SSLError):
            return None
        reason = error.reason or ""
        if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
            plain = self._server.scheme
            return f"what listens at {address} does not serve TLS; write {plain}:// for {plain}s://"
        return self._server.client_certificate_refusal(address, reason)


def _context(tls: Tls) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(
            cafile=tls.cacert or (None if tls.capath or tls.cadata else _ca_file_in_a_bundle()),
            cadata=_all_in(tls.capath) if tls.capath else tls.cadata,
        )
        if tls.cert is not None:
            context.load_cert_chain(tls.cert, tls.key)
    except (OSError, ssl.SSLError) as e:
        files = ", ".join(filter(None, _paths(tls)))
        raise ValueError(f"cannot use the certificates in {files}: {e}") from e
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _paths(tls: Tls) -> tuple[str | None, ...]:
    return (tls.cacert, tls.capath, tls.cert, tls.key)


def _trusted(tls: Tls) -> list[str]:
    """What is read besides: the system's certificates ("": there are none), or those in the
    folder."""
    if tls.capath:
        with suppress(OSError):  # Then it has no stamp itself.
            return sorted(entry.path for entry in os.scandir(tls.capath) if entry.is_file())
        return []
    return [] if tls.cacert or tls.cadata else [system_ca_file() or ""]


def _stamps(tls: Tls) -> list[tuple[int, int] | None]:
    """What changes when one of the files is written or replaced, or comes into the folder."""
    stamps: list[tuple[int, int] | None] = []
    for path in (*filter(None, _paths(tls)), *_trusted(tls)):
        try:
            file = os.stat(path)
        except OSError:
            stamps.append(None)
        else:
            stamps.append((file.st_ino, file.st_mtime_ns))
    return stamps


def _all_in(folder: str) -> str:
    """All certificates in a folder, as Consul's tools read it; OpenSSL would want names by hash."""
    texts = []
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_file():
            with open(entry, encoding="ascii", errors="replace") as file:
                texts.append(file.read())
    if not texts:
        raise OSError("it is empty")  # With none at all, ssl would trust the system's.
    return "\n".join(texts)


def certificate_until_s(sock: socket.socket) -> float | None:
    """When the certificate expires that the server has shown, in seconds since 1970.

    None: it was not verified; then ssl does not even read it.
    """
    assert isinstance(sock, ssl.SSLSocket)
    certificate = sock.getpeercert()
    until = certificate.get("notAfter") if certificate else None
    return ssl.cert_time_to_seconds(until) if isinstance(until, str) else None


def system_ca_file() -> str | None:
    """Path of the certificates that this system trusts."""
    return _ca_file_in_a_bundle() or ssl.get_default_verify_paths().cafile


def _ca_file_in_a_bundle() -> str | None:
    """The image's certificates, or else the bundle's own; None: OpenSSL finds them by itself."""
    if not os.path.exists(_BUNDLED) or {"SSL_CERT_FILE", "SSL_CERT_DIR"} & os.environ.keys():
        return None
    return next((path for path in _USUAL if _has_some(path)), _BUNDLED)


def _has_some(path: str) -> bool:
    with suppress(OSError):
        return os.path.getsize(path) > 0
    return False
