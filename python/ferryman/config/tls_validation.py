"""What is asked of a peer's certificate.

Owns CertificateValidationContext: whom to trust, and which names, hashes and keys will do. The hashes are
compared as bytes, whatever form they are written in.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/extensions/transport_sockets/tls/v3/common.proto#extensions-transport-sockets-tls-v3-certificatevalidationcontext
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields, word
from ferryman.config.matcher import lower_string_matcher
from ferryman.config.native_checks import trusted_ca_complaint
from ferryman.config.secrets import Secrets
from ferryman.config.watched_files import read_watched_source, watched_files

_TLS: Final = "envoy.extensions.transport_sockets.tls.v3."
_VALIDATION = Fields(
    f"{_TLS}CertificateValidationContext",
    "trusted_ca system_root_certs verify_certificate_spki verify_certificate_hash"
    " match_typed_subject_alt_names match_subject_alt_names allow_expired_certificate"
    " trust_chain_verification max_verify_depth crl only_verify_leaf_cert_crl watched_directory",
)
_BY_NAME: Final = "validation_context_sds_secret_config"
_DEFAULT: Final = "default_validation_context"
_COMBINED = Fields(f"{_TLS}CommonTlsContext.CombinedCertificateValidationContext", f"{_DEFAULT} {_BY_NAME}")
_SYSTEM_ROOTS = Fields(f"{_VALIDATION.message}.SystemRootCerts")
_SAN_MATCHER = Fields(f"{_TLS}SubjectAltNameMatcher", "san_type matcher oid")
_SAN_TYPES: Final = ("unspecified", "email", "dns", "uri", "ip_address", "other_name")
_HASH_BYTES: Final = 32
_ACCEPT_UNTRUSTED: Final = 1


def validation_of(common: Cursor, secrets: Secrets) -> Cursor | None:
    """What a CommonTlsContext asks of its peer: in place, in a secret, or both, the secret over the place."""
    which = common.which("validation_context_type")
    if which == "validation_context":
        return common.child(which)
    if which == _BY_NAME:
        return secrets.find(common.child(which), "validation_context")
    if which != "combined_validation_context":
        return None
    combined = common.child(which)
    _COMBINED.read(combined)
    secret = secrets.find(combined.child(_BY_NAME), "validation_context")
    if secret is None:
        return None
    whole = type(secret.message)()
    whole.CopyFrom(combined.get(_DEFAULT))
    whole.MergeFrom(secret.message)
    return combined.below(whole, _DEFAULT)


def lower_validation(cursor: Cursor) -> model.CertificateValidation:
    """A CertificateValidationContext."""
    fields = _VALIDATION.read(cursor)
    ca, name = _trusted_ca(cursor, fields)
    sans = _san_matchers(cursor)
    if ca is None and "system_root_certs" not in fields:
        if sans:
            cursor.problem(
                "names of certificates that nobody vouches for prove nothing",
                "add trusted_ca",
                "match_typed_subject_alt_names"
                if cursor.has("match_typed_subject_alt_names")
                else "match_subject_alt_names",
            )
        if "crl" in fields:
            cursor.problem("needs trusted_ca beside it", None, "crl")
    depth = fields.get("max_verify_depth")
    crl = read_watched_source(cursor.child("crl")) if "crl" in fields else None
    complaint = trusted_ca_complaint(ca, crl)
    if complaint is not None:
        cursor.problem(complaint[1], field=complaint[0], code="certificate")
    return model.CertificateValidation(
        trusted_ca=ca,
        trusted_ca_name=name,
        system_roots="system_root_certs" in fields and "trusted_ca" not in fields,
        crl=crl,
        only_verify_leaf_cert_crl=fields.get("only_verify_leaf_cert_crl", False),
        max_verify_depth=None if depth is None else depth.value,
        verify_certificate_hash=_hashes(cursor, fields, "verify_certificate_hash"),
        verify_certificate_spki=_hashes(cursor, fields, "verify_certificate_spki"),
        match_typed_subject_alt_names=sans,
        allow_expired_certificate=fields.get("allow_expired_certificate", False),
        accept_untrusted=fields.get("trust_chain_verification", 0) == _ACCEPT_UNTRUSTED,
        watched=watched_files(
            {name: cursor.child(name) for name in ("trusted_ca", "crl") if name in fields},
            cursor.child("watched_directory") if "watched_directory" in fields else None,
        ),
    )


def _trusted_ca(cursor: Cursor, fields: dict[str, Any]) -> tuple[bytes | None, str]:
    if "trusted_ca" in fields:
        source = cursor.child("trusted_ca")
        return read_watched_source(source), source.get("filename") or "<inline>"
    if "system_root_certs" not in fields:
        return None, ""
    _SYSTEM_ROOTS.read(cursor.child("system_root_certs"))
    return None, "system"


def lower_san_matcher(cursor: Cursor) -> model.SubjectAltNameMatcher:
    """A SubjectAltNameMatcher."""
    fields = _SAN_MATCHER.read(cursor)
    san_type = word(cursor, "san_type", _SAN_TYPES)
    if san_type == "other_name" and "oid" not in fields:
        cursor.problem("is required for OTHER_NAME", None, "oid", "required")
    matcher = lower_string_matcher(cursor.child("matcher"))
    return model.SubjectAltNameMatcher(san_type=san_type, matcher=matcher, oid=fields.get("oid", ""))


def _san_matchers(cursor: Cursor) -> list[model.SubjectAltNameMatcher]:
    found = [lower_san_matcher(item) for item in cursor.items("match_typed_subject_alt_names")]
    # The deprecated form stands for all four kinds.
    untyped = cursor.items("match_subject_alt_names") if not found else []
    return found or [
        model.SubjectAltNameMatcher(san_type=kind, matcher=lower_string_matcher(item), oid="")
        for item in untyped
        for kind in ("dns", "uri", "email", "ip_address")
    ]


def _hashes(cursor: Cursor, fields: dict[str, Any], field: str) -> list[bytes]:
    found = []
    for place, text in enumerate(fields.get(field, ())):
        try:
            if field == "verify_certificate_spki":
                value = base64.b64decode(text, validate=True)
            else:
                value = bytes.fromhex(text.replace(":", ""))
        except (ValueError, binascii.Error):
            value = b""
        if len(value) != _HASH_BYTES:
            form = "base64" if field == "verify_certificate_spki" else "hexadecimal digits"
            cursor.problem(f"`{text}` is not a SHA-256 hash in {form}", None, field, item=place)
        found.append(value)
    return found
