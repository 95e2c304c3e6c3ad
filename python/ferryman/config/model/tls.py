"""TLS on either side (Envoy: `extensions.transport_sockets.tls.v3`)."""

from __future__ import annotations

from ferryman.config.model.matcher import StringMatcher
from ferryman.config.model.struct import Model


class TlsParameters(Model, frozen=True):
    """Versions are `1.2` and `1.3`; an empty list stands for the default one."""

    min_version: str
    max_version: str
    cipher_suites: list[str]  # Envoy's names, of TLS 1.2
    ecdh_curves: list[str]  # Envoy's names, the preferred one first


class WatchedDirectory(Model, frozen=True):
    """A folder in which files are replaced; `watch_modify`: or written in place."""

    path: str
    watch_modify: bool


class WatchedFiles(Model, frozen=True):
    """What is read again when something in one of the folders was replaced."""

    directories: list[WatchedDirectory]
    files: dict[str, str]  # the path by the field that it is read into


class TlsCertificate(Model, frozen=True):
    """A chain with its key, all PEM."""

    name: str  # its file, or what stands for it
    certificate_chain: bytes
    private_key: bytes
    ocsp_staple: bytes | None  # DER
    watched: WatchedFiles | None


class SubjectAltNameMatcher(Model, frozen=True):
    """What one subject alternative name must be like."""

    san_type: str  # email | dns | uri | ip_address | other_name
    matcher: StringMatcher
    oid: str  # of other_name


class CertificateValidation(Model, frozen=True):
    """What is asked of a peer's certificate. Without `trusted_ca` any chain will do."""

    trusted_ca: bytes | None  # PEM
    trusted_ca_name: str
    system_roots: bool  # those of the system are trusted
    crl: bytes | None  # PEM
    only_verify_leaf_cert_crl: bool
    max_verify_depth: int | None
    verify_certificate_hash: list[bytes]  # SHA-256 of the certificate
    verify_certificate_spki: list[bytes]  # SHA-256 of its public key
    match_typed_subject_alt_names: list[SubjectAltNameMatcher]
    allow_expired_certificate: bool
    accept_untrusted: bool
    watched: WatchedFiles | None


class TlsContext(Model, frozen=True):
    """What both sides have in common."""

    parameters: TlsParameters
    certificates: list[TlsCertificate]
    validation: CertificateValidation | None
    alpn_protocols: list[str]
    key_log_path: str | None


class DownstreamTls(Model, frozen=True):
    """`envoy.transport_sockets.tls` of a filter chain."""

    common: TlsContext
    require_client_certificate: bool
    require_sni: bool
    session_ticket_keys: list[bytes]  # the first one encrypts, all decrypt; empty: made at start
    session_ticket_keys_watched: WatchedFiles | None  # by the number of the key
    stateless_resumption: bool
    stateful_resumption: bool
    session_timeout_s: int
    ocsp_staple_policy: str  # lenient_stapling | strict_stapling | must_staple
    full_scan_certs_on_sni_mismatch: bool
    prefer_client_ciphers: bool
    offer_client_ca_names: bool


class UpstreamTls(Model, frozen=True):
    """`envoy.transport_sockets.tls` of a cluster."""

    common: TlsContext
    sni: str
    auto_host_sni: bool
    auto_sni_san_validation: bool
    max_session_keys: int
