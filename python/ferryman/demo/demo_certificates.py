"""Certificates for one run of the demo: an authority, and what it signs for the proxy and for a client.

Owns making them, and the files that Python's TLS must have; their directory is the caller's.
"""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

CLIENT = "demo-client"


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, as PEM."""

    certificate: str
    key: str


class DemoCertificates:
    """`authority` has signed `server` and `client`; valid for a day."""

    def __init__(self, directory: Path) -> None:
        """Makes them, and writes those of the client to `directory`."""
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("demo-authority")
        self.authority = self._make("demo-authority", self._key, authority=True)
        self.server = self._pair("localhost")
        self.client = self._pair(CLIENT)
        self._file = directory / "client.pem"
        self._file.touch(0o600)
        self._file.write_text(self.client.key + self.client.certificate)

    def context(self, alpn: str, *, with_certificate: bool = True) -> ssl.SSLContext:
        """Of a client that trusts the authority, and shows its certificate."""
        context = ssl.create_default_context(cadata=self.authority)
        context.check_hostname = False
        context.set_alpn_protocols([alpn])
        if with_certificate:
            context.load_cert_chain(self._file)
        return context

    def _pair(self, name: str) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        text = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return Pair(self._make(name, key), text.decode())

    def _make(self, name: str, key: Any, *, authority: bool = False) -> str:
        now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
        names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - day)
            .not_valid_after(now + day)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
