"""Client certificates that pretend to be somebody: refused where the real Envoy refuses them."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from harness import certificates
from harness.bootstrap import DOWNSTREAM_TLS
from harness.proxy_process import ProxyProcess

LIMIT_S = 10
TYPE = "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo"
DNS, IP, URI, MAIL = x509.DNSName, x509.IPAddress, x509.UniformResourceIdentifier, x509.RFC822Name
ADDRESS = ipaddress.ip_address("10.1.2.3")
DAY = datetime.timedelta(days=1)

EXACT = {"san_type": "DNS", "matcher": {"exact": "client.test"}}
SUFFIX = {"san_type": "DNS", "matcher": {"suffix": ".trusted.test"}}
ADDRESSED = {"san_type": "IP_ADDRESS", "matcher": {"exact": "10.1.2.3"}}
NAMED = {"san_type": "URI", "matcher": {"exact": "spiffe://trusted/a"}}
MAILED = {"san_type": "EMAIL", "matcher": {"exact": "a@trusted.test"}}

CASES: dict[str, dict[str, Any]] = {
    "good": {"names": [DNS("client.test")]},
    "good among others": {"names": [DNS("a.test"), DNS("client.test")]},
    "upper case": {"names": [DNS("CLIENT.test")]},
    "zero in the name": {"names": [DNS("client.test\0.evil.test")]},
    "zero at the end": {"names": [DNS("client.test\0")]},
    "zero before": {"names": [DNS("\0client.test")]},
    "dot at the end": {"names": [DNS("client.test.")]},
    "dot before": {"names": [DNS(".client.test")]},
    "space at the end": {"names": [DNS("client.test ")]},
    "star for the host": {"names": [DNS("*.test")]},
    "star for all": {"names": [DNS("*")]},
    "star in a label": {"names": [DNS("cl*.test")]},
    "star at the end": {"names": [DNS("client.*")]},
    "two stars": {"names": [DNS("*.*")]},
    "star below": {"names": [DNS("*.client.test")]},
    "name below": {"names": [DNS("a.client.test")]},
    "longer name": {"names": [DNS("client.test.evil")]},
    "international name": {"names": [DNS("xn--clint-csa.test")]},
    "empty name": {"names": [DNS("")]},
    "two names in one": {"names": [DNS("client.test,a.test")]},
    "only a common name": {"names": [], "common": "client.test"},
    "common name beside another": {"names": [DNS("a.test")], "common": "client.test"},
    "name as mail": {"names": [MAIL("client.test")]},
    "name as uri": {"names": [URI("client.test")]},
    "address as name": {"names": [DNS("10.1.2.3")], "wanted": ADDRESSED},
    "address as uri": {"names": [URI("10.1.2.3")], "wanted": ADDRESSED},
    "good address": {"names": [IP(ADDRESS)], "wanted": ADDRESSED},
    "other address": {"names": [IP(ipaddress.ip_address("10.1.2.4"))], "wanted": ADDRESSED},
    "address mapped": {"names": [IP(ipaddress.ip_address("::ffff:10.1.2.3"))], "wanted": ADDRESSED},
    "name for an address": {"names": [IP(ADDRESS)], "wanted": {**EXACT, "matcher": {"exact": "10.1.2.3"}}},
    "good uri": {"names": [URI("spiffe://trusted/a")], "wanted": NAMED},
    "uri with a zero": {"names": [URI("spiffe://trusted/a\0b")], "wanted": NAMED},
    "uri as name": {"names": [DNS("spiffe://trusted/a")], "wanted": NAMED},
    "uri of another": {"names": [URI("spiffe://trusted.evil/a")], "wanted": NAMED},
    "good mail": {"names": [MAIL("a@trusted.test")], "wanted": MAILED},
    "mail as name": {"names": [DNS("a@trusted.test")], "wanted": MAILED},
    "good suffix": {"names": [DNS("a.trusted.test")], "wanted": SUFFIX},
    "suffix and a zero": {"names": [DNS("evil.test\0.trusted.test")], "wanted": SUFFIX},
    "suffix without its dot": {"names": [DNS("eviltrusted.test")], "wanted": SUFFIX},
    "expired": {"names": [DNS("client.test")], "days": (-9, -2)},
    "not yet valid": {"names": [DNS("client.test")], "days": (2, 9)},
    "of another authority": {"names": [DNS("client.test")], "issuer": "other-ca"},
    "issuer's name and another key": {"names": [DNS("client.test")], "signer": "other-ca"},
    "of itself": {"names": [DNS("client.test")], "issuer": None},
    "of one that is no authority": {"names": [DNS("client.test")], "issuer": "server", "shown": ["server"]},
    "for servers only": {"names": [DNS("client.test")], "usage": ExtendedKeyUsageOID.SERVER_AUTH},
    "for code only": {"names": [DNS("client.test")], "usage": ExtendedKeyUsageOID.CODE_SIGNING},
    "for clients": {"names": [DNS("client.test")], "usage": ExtendedKeyUsageOID.CLIENT_AUTH},
    "without the one between": {"names": [DNS("client.test")], "issuer": "between"},
    "with the one between": {"names": [DNS("client.test")], "issuer": "between", "shown": ["between"]},
}


def issued_by(name: str | None, own: Any) -> tuple[Any, Any]:
    """The certificate and the key of who signs."""
    if name is None:
        return None, own
    if name != "between":
        return certificates.make(name)
    key = BETWEEN_KEY
    return build("between", [], certificates.make("ca"), key, authority=True), key


BETWEEN_KEY = ec.generate_private_key(ec.SECP256R1())


def build(
    common: str,
    names: list[Any],
    issuer: tuple[Any, Any],
    key: Any,
    *,
    days: tuple[int, int] = (-1, 30),
    usage: Any = None,
    authority: bool = False,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer[0] else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(certificates.NOW + days[0] * DAY)
        .not_valid_after(certificates.NOW + days[1] * DAY)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return builder.sign(issuer[1], hashes.SHA256())


def forge(case: dict[str, Any], path: Path) -> Path:
    """The certificate, what is shown with it, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = issued_by(case.get("issuer", "ca"), key)
    if "signer" in case:
        issuer = (issuer[0], certificates.make(case["signer"])[1])
    made = build(
        case.get("common", "forged"), case["names"], issuer, key,
        days=case.get("days", (-1, 30)), usage=case.get("usage"),
    )  # fmt: skip
    chain = [made, *(issued_by(name, None)[0] for name in case.get("shown", ()))]
    pem = b"".join(one.public_bytes(serialization.Encoding.PEM) for one in chain)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(pem + key.private_bytes(*form))
    return path


def wanted_names() -> list[dict[str, Any]]:
    """Each matcher once."""
    found: list[dict[str, Any]] = []
    for case in CASES.values():
        if case.get("wanted", EXACT) not in found:
            found.append(case.get("wanted", EXACT))
    return found


def listener(number: int, matcher: dict[str, Any], directory: Path) -> dict[str, Any]:
    """It says the same to whom it lets in."""
    file = {
        kind: {"filename": str(certificates.write(kind, "server", directory))} for kind in ("cert", "key")
    }
    ca = {"filename": str(certificates.write("cert", "ca", directory))}
    context = {
        "@type": DOWNSTREAM_TLS,
        "require_client_certificate": True,
        "common_tls_context": {
            "tls_certificates": [{"certificate_chain": file["cert"], "private_key": file["key"]}],
            "validation_context": {"trusted_ca": ca, "match_typed_subject_alt_names": [matcher]},
        },
    }
    answer = {"@type": TYPE}
    return {
        "name": str(number),
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [
            {
                "filters": [{"name": "answer", "typed_config": answer}],
                "transport_socket": {"name": "tls", "typed_config": context},
            }
        ],
    }


def is_let_in(port: int, file: Path) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(file)
    with socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) as plain:
        try:
            with context.wrap_socket(plain) as connection:
                connection.sendall(b"hello")
                return connection.recv(5) == b"hello"
        except (ssl.SSLError, ConnectionError):
            return False


def judged(which: str, directory: Path, files: dict[str, Path]) -> dict[str, bool]:
    """Who is let in."""
    matchers = wanted_names()
    listeners = [listener(number, matcher, directory) for number, matcher in enumerate(matchers)]
    bootstrap = {
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "static_resources": {"listeners": listeners},
    }
    proxy = ProxyProcess(which, bootstrap, directory, [])
    try:
        addresses = proxy.listeners()
        return {
            name: is_let_in(int(addresses[str(matchers.index(case.get("wanted", EXACT)))][1]), files[name])
            for name, case in CASES.items()
        }
    finally:
        proxy.stop()


def test_forged_certificates_are_refused_as_by_envoy(tmp_path: Path) -> None:
    files = {
        name: forge(case, tmp_path / f"{number}.pem") for number, (name, case) in enumerate(CASES.items())
    }
    envoy, ferryman = (judged(which, tmp_path, files) for which in ("envoy", "ferryman"))
    # Envoy takes a star for a part of a label, and a zero byte for a letter (docs/differences_from_envoy.md).
    differing = {name for name in CASES if ferryman[name] != envoy[name]}
    assert differing == {"star in a label", "suffix and a zero"}
    assert not any(ferryman[name] for name in differing)
