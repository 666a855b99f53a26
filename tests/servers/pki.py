"""A throwaway certificate authority with a server's and two clients' certificates."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["Pki"]

_VALID_FOR = datetime.timedelta(days=2)


class Pki:
    """PEM files below ``directory``, each certificate with its key beside it.

    `server_cert` is good for 127.0.0.1 and localhost, or for ``server_name`` alone. `client_cert`
    carries a CommonName, which etcd takes for a user's name; `nameless_client_cert` carries none,
    as etcd's JSON gateway asks.
    """

    def __init__(
        self, directory: Path, *, client_name: str = "root", server_name: str | None = None
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._ca_key = ec.generate_private_key(ec.SECP256R1())
        self._ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "throwaway CA")])
        self.ca_cert = directory / "ca.pem"
        self._write_ca()
        hosts = [
            x509.DNSName("localhost"),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        ]
        if server_name is not None:
            hosts = [x509.DNSName(server_name)]
        self.server_cert, self.server_key = self._issue("server", common_name=None, hosts=hosts)
        self.client_cert, self.client_key = self._issue("client", common_name=client_name)
        self.nameless_client_cert, self.nameless_client_key = self._issue(
            "nameless-client", common_name=None
        )

    def _write_ca(self) -> None:
        ca = (
            _builder(subject=self._ca_name, issuer=self._ca_name)
            .public_key(self._ca_key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True,
                    key_cert_sign=True,
                    crl_sign=True,
                    content_commitment=False,
                    key_encipherment=False,
                    data_encipherment=False,
                    key_agreement=False,
                    encipher_only=False,
                    decipher_only=False,
                ),
                critical=True,
            )
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self._ca_key.public_key()),
                critical=False,
            )
            .sign(self._ca_key, hashes.SHA256())
        )
        self.ca_cert.write_bytes(ca.public_bytes(serialization.Encoding.PEM))

    def _issue(
        self, stem: str, *, common_name: str | None, hosts: list[x509.GeneralName] | None = None
    ) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        attribute = (
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, f"throwaway {stem}")
            if common_name is None
            else x509.NameAttribute(NameOID.COMMON_NAME, common_name)
        )
        # etcd's gateway calls its own server with the server's certificate, as a client.
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = _builder(subject=x509.Name([attribute]), issuer=self._ca_name)
        if hosts is not None:
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
            builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        cert = (
            builder.public_key(key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._ca_key.public_key()),
                critical=False,
            )
            .sign(self._ca_key, hashes.SHA256())
        )
        cert_path, key_path = self._directory / f"{stem}.pem", self._directory / f"{stem}.key"
        cert_path.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
        key_path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return cert_path, key_path


def _builder(*, subject: x509.Name, issuer: x509.Name) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + _VALID_FOR)
    )
