"""Certificates for tests, made when they are asked for and the same for everybody in one run.

Owns: a certificate authority, what it signs, and TLS contexts of clients and servers. No key is ever kept.
"""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from functools import cache
from pathlib import Path
from threading import RLock
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
"""One time for the whole run: certificates of two rigs are the same."""
NAMES: dict[str, dict[str, Any]] = {
    "ca": {"authority": True},
    "other-ca": {"authority": True},
    "server": {"dns": ["server.test", "*.wild.test"]},
    "server-rsa": {"dns": ["server.test"], "rsa": True},
    "second": {"dns": ["second.test"]},
    "client": {"dns": ["client.test"]},
    "client-rsa": {"dns": ["client.test"], "rsa": True},
    "expired": {"dns": ["expired.test"], "days": (-5, -1)},
    "early": {"dns": ["early.test"], "days": (1, 5)},
    "stranger": {"dns": ["client.test"], "issuer": "other-ca"},
    "lonely": {"dns": ["client.test"], "issuer": None},
    "intermediate": {"authority": True, "issuer": "ca"},
    "leaf": {"dns": ["leaf.test", "leaf2.test"], "issuer": "intermediate"},
    "odd": {"dns": ["a,b.test", "second.test"], "others": True, "common_name": 'o"d,d; =\\ né'},
    "nameless": {},
}
"""What there is: `$(cert:NAME)` is the file of a certificate, `$(key:NAME)` that of its key."""


LOCK = RLock()
"""Two proxies are played to at once; they are to see one certificate of a name, and its key."""


@cache
def make(name: str) -> tuple[Any, Any]:
    """A certificate and its key."""
    wanted = NAMES[name]
    key: Any = (
        rsa.generate_private_key(65537, 2048)
        if wanted.get("rsa")
        else ec.generate_private_key(ec.SECP256R1())
    )
    authority = wanted.get("authority", False)
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test, Inc"),
            x509.NameAttribute(NameOID.COMMON_NAME, wanted.get("common_name", name)),
        ]
    )
    issuer = wanted.get("issuer", None if authority else "ca")
    issued_by, signs = make(issuer) if issuer else (None, key)
    first, last = wanted.get("days", (-1, 30))
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issued_by.subject if issued_by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + datetime.timedelta(days=first))
        .not_valid_after(NOW + datetime.timedelta(days=last, hours=12))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if "dns" in wanted:
        names: list[Any] = [x509.DNSName(dns) for dns in wanted["dns"]]
        names += [
            x509.UniformResourceIdentifier(f"spiffe://test/{name}"),
            x509.RFC822Name(f"{name}@mail.test"),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        ]
        if "others" in wanted:
            names += [
                x509.UniformResourceIdentifier("urn:second;x,y"),
                x509.RFC822Name("two@mail.test"),
                x509.IPAddress(ipaddress.ip_address("fd00::1")),
                x509.OtherName(x509.ObjectIdentifier("1.2.3.4"), b"\x0c\x05named"),
                x509.OtherName(x509.ObjectIdentifier("1.2.3.5"), b"\x16\x03ia5"),
                x509.OtherName(x509.ObjectIdentifier("1.2.3.6"), b"\x02\x01\x2a"),
                x509.RegisteredID(x509.ObjectIdentifier("1.2.3.7")),
            ]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(signs, hashes.SHA256()), key


def write(kind: str, name: str, directory: Path) -> Path:
    """The file of a certificate (`cert`) or of its key (`key`)."""
    path = directory / f"{name}.{kind}.pem"
    with LOCK:
        if path.exists():
            return path
        certificate, key = make(name)
        if kind == "cert":
            data = certificate.public_bytes(serialization.Encoding.PEM)
            issuer = NAMES[name].get("issuer")
            if issuer == "intermediate":
                data += make(issuer)[0].public_bytes(serialization.Encoding.PEM)
        else:
            data = key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        path.write_bytes(data)
    return path


def client_context(wanted: dict[str, Any], directory: Path) -> ssl.SSLContext:
    """The context of a client.

    `certificate`, `alpn` (a list), `max_version` and `min_version` (`1.2`), `ciphers` (TLS 1.2), `ca` (whom
    it trusts; without it anybody).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if "ca" in wanted:
        context.load_verify_locations(write("cert", wanted["ca"], directory))
        context.verify_mode = ssl.CERT_REQUIRED
    _load(context, wanted, directory)
    return context


def server_context(wanted: dict[str, Any], directory: Path) -> ssl.SSLContext:
    """The context of a server: as a client's; with `ca` it asks for a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if "ca" in wanted:
        context.load_verify_locations(write("cert", wanted["ca"], directory))
        context.verify_mode = ssl.CERT_REQUIRED
    _load(context, {"certificate": "server", **wanted}, directory)
    return context


def _load(context: ssl.SSLContext, wanted: dict[str, Any], directory: Path) -> None:
    if "certificate" in wanted:
        name = wanted["certificate"]
        context.load_cert_chain(write("cert", name, directory), write("key", name, directory))
    if "alpn" in wanted:
        context.set_alpn_protocols(wanted["alpn"])
    for key, attribute in (("max_version", "maximum_version"), ("min_version", "minimum_version")):
        if key in wanted:
            version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[str(wanted[key])]
            setattr(context, attribute, version)
    if "ciphers" in wanted:
        context.set_ciphers(wanted["ciphers"])
