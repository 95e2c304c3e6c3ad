"""TLS contexts: certificates, parameters and what is asked of a peer's certificate.

Owns what both sides have in common (CommonTlsContext) and DownstreamTlsContext. Certificates and keys are
read at load; the data plane says here whether it can use them.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/extensions/transport_sockets/tls/v3/common.proto
and https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/extensions/transport_sockets/tls/v3/tls.proto
"""

from __future__ import annotations

from typing import Any, Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.duration import milliseconds
from ferryman.config.fields import Fields, refuse
from ferryman.config.native_checks import certificate_complaint
from ferryman.config.secrets import Secrets
from ferryman.config.tls_validation import lower_validation, validation_of
from ferryman.config.watched_files import read_watched_source, watched_files

_TLS: Final = "envoy.extensions.transport_sockets.tls.v3."
DOWNSTREAM = Fields(
    f"{_TLS}DownstreamTlsContext",
    "common_tls_context require_client_certificate require_sni session_ticket_keys"
    " session_ticket_keys_sds_secret_config disable_stateless_session_resumption"
    " disable_stateful_session_resumption session_timeout full_scan_certs_on_sni_mismatch"
    " prefer_client_ciphers",
)
UPSTREAM = Fields(
    f"{_TLS}UpstreamTlsContext",
    "common_tls_context sni auto_host_sni auto_sni_san_validation max_session_keys",
    same={"enforce_rsa_key_usage": True},
)
_COMMON = Fields(
    f"{_TLS}CommonTlsContext",
    "tls_params tls_certificates tls_certificate_sds_secret_configs validation_context"
    " validation_context_sds_secret_config combined_validation_context alpn_protocols key_log",
)
_PARAMETERS = Fields(
    f"{_TLS}TlsParameters",
    "tls_minimum_protocol_version tls_maximum_protocol_version cipher_suites ecdh_curves",
)
_CERTIFICATE = Fields(f"{_TLS}TlsCertificate", "certificate_chain private_key watched_directory")
_TICKET_KEYS = Fields(f"{_TLS}TlsSessionTicketKeys", "keys")
_KEY_LOG = Fields(f"{_TLS}TlsKeyLog", "path")

_VERSIONS: Final = {0: "", 1: "TLSv1_0", 2: "TLSv1_1", 3: "1.2", 4: "1.3"}
_CIPHERS: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
)
_CIPHERS_1_3: Final = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
_NO_FORWARD_SECRECY: Final = ("AES128-GCM-SHA256", "AES256-GCM-SHA384")
_CURVES: Final = ("X25519MLKEM768", "X25519", "P-256", "P-384")
_CERTIFICATES_BY_NAME: Final = "tls_certificate_sds_secret_configs"
_SOURCES: Final = ("certificate_chain", "private_key")
_TICKET_KEY_BYTES: Final = 80
_SESSION_TIMEOUT_S: Final = 7200


def lower_downstream_tls(cursor: Cursor, secrets: Secrets) -> model.DownstreamTls:
    """A DownstreamTlsContext."""
    fields = DOWNSTREAM.read(cursor)
    common = _common(cursor, secrets, default_max="1.3")
    if not common.certificates and not cursor.child("common_tls_context").has(_CERTIFICATES_BY_NAME):
        cursor.child("common_tls_context").problem(
            "a server needs a certificate", "add tls_certificates", "tls_certificates", "required"
        )
    tickets = _ticket_source(cursor, fields, secrets)
    required = fields.get("require_client_certificate")
    if required is not None and required.value and common.validation is None:
        text = "has no effect without a validation_context: no client is asked for a certificate"
        cursor.warn(text, field="require_client_certificate")
    return model.DownstreamTls(
        common=common,
        require_client_certificate=required is not None and required.value,
        require_sni="require_sni" in fields and fields["require_sni"].value,
        session_ticket_keys=_ticket_keys(tickets),
        session_ticket_keys_watched=_ticket_keys_watched(tickets),
        stateless_resumption=not fields.get("disable_stateless_session_resumption", False),
        stateful_resumption=not fields.get("disable_stateful_session_resumption", False),
        session_timeout_s=milliseconds(cursor, "session_timeout", fields, _SESSION_TIMEOUT_S * 1000) // 1000,
        ocsp_staple_policy="lenient_stapling",
        full_scan_certs_on_sni_mismatch="full_scan_certs_on_sni_mismatch" in fields
        and fields["full_scan_certs_on_sni_mismatch"].value,
        prefer_client_ciphers=fields.get("prefer_client_ciphers", False),
        offer_client_ca_names=True,
    )


def lower_upstream_tls(cursor: Cursor, secrets: Secrets) -> model.UpstreamTls:
    """An UpstreamTlsContext. As in Envoy, TLS 1.2 is spoken unless more is asked for."""
    fields = UPSTREAM.read(cursor)
    common = _common(cursor, secrets, default_max="1.2")
    if len(common.certificates) > 1:
        text = "a client has at most one certificate"
        cursor.child("common_tls_context").problem(text, None, "tls_certificates")
    verifies_name = fields.get("auto_sni_san_validation", False)
    if verifies_name and (common.validation is None or not _trusts(common.validation)):
        cursor.problem(
            "names of certificates that nobody vouches for prove nothing",
            "add a validation_context with trusted_ca",
            "auto_sni_san_validation",
        )
    keys = fields.get("max_session_keys")
    return model.UpstreamTls(
        common=common,
        sni=fields.get("sni", ""),
        auto_host_sni=fields.get("auto_host_sni", False),
        auto_sni_san_validation=verifies_name,
        max_session_keys=1 if keys is None else keys.value,
    )


def _trusts(validation: model.CertificateValidation) -> bool:
    return validation.trusted_ca is not None or validation.system_roots


def _common(cursor: Cursor, secrets: Secrets, default_max: str) -> model.TlsContext:
    context = cursor.child("common_tls_context")
    fields = _COMMON.read(context)
    asked = validation_of(context, secrets)
    return model.TlsContext(
        parameters=_lower_parameters(context.child("tls_params"), default_max),
        certificates=[_lower_certificate(item) for item in _certificates(context, secrets)],
        validation=None if asked is None else lower_validation(asked),
        alpn_protocols=list(fields.get("alpn_protocols", ())),
        key_log_path=_lower_key_log(context.child("key_log")) if "key_log" in fields else None,
    )


def _certificates(cursor: Cursor, secrets: Secrets) -> list[Cursor]:
    """Those that stand in the context, else the secrets that it names."""
    inline = cursor.items("tls_certificates")
    if inline and cursor.has(_CERTIFICATES_BY_NAME):
        cursor.warn("has no effect beside tls_certificates", field=_CERTIFICATES_BY_NAME)
    named = [] if inline else cursor.items(_CERTIFICATES_BY_NAME)
    found = [secrets.find(use, "tls_certificate") for use in named]
    return inline or [secret for secret in found if secret is not None]


def _lower_parameters(cursor: Cursor, default_max: str) -> model.TlsParameters:
    fields = _PARAMETERS.read(cursor)
    low = _version(cursor, fields, "tls_minimum_protocol_version", "1.2")
    high = _version(cursor, fields, "tls_maximum_protocol_version", default_max)
    if low > high:
        cursor.problem(
            f"no version is at least {low} and at most {high}",
            "raise tls_maximum_protocol_version",
            "tls_minimum_protocol_version",
        )
    return model.TlsParameters(
        min_version=low,
        max_version=high,
        cipher_suites=_cipher_suites(cursor, fields),
        ecdh_curves=_curves(cursor, fields),
    )


def _version(cursor: Cursor, fields: dict[str, Any], field: str, default: str) -> str:
    version = _VERSIONS.get(fields.get(field, 0), "") or default
    if version.startswith("TLSv"):
        text = f"{version} is not supported: it is not safe any more (RFC 8996)"
        refuse(cursor, text, "use TLSv1_2 or TLSv1_3", field)
        return default
    return version


def _cipher_suites(cursor: Cursor, fields: dict[str, Any]) -> list[str]:
    found = []
    for place, entry in enumerate(fields.get("cipher_suites", ())):
        for name in entry.strip("[]").split("|"):
            if name in _CIPHERS:
                found.append(name)
            elif name in _CIPHERS_1_3:
                continue  # those of TLS 1.3 are not chosen, in Envoy either
            elif name in _NO_FORWARD_SECRECY or "-CBC" in name or name.endswith("-SHA"):
                text = f"cipher suite {name} is not supported: it has no forward secrecy, or is broken"
                cursor.problem(text, f"use {_CIPHERS[0]} or another of its kind", "cipher_suites",
                               "not-supported", place)  # fmt: skip
            else:
                cursor.problem(f"there is no cipher suite `{name}`", f"there are {', '.join(_CIPHERS)}",
                               "cipher_suites", item=place)  # fmt: skip
    return found


def _curves(cursor: Cursor, fields: dict[str, Any]) -> list[str]:
    curves = list(fields.get("ecdh_curves", ()))
    for place, name in enumerate(curves):
        if name not in _CURVES:
            hint = f"there are {', '.join(_CURVES)}"
            cursor.problem(f"there is no curve `{name}`", hint, "ecdh_curves", item=place)
    return curves


def _lower_certificate(cursor: Cursor) -> model.TlsCertificate:
    fields = _CERTIFICATE.read(cursor)
    chain = key = None
    for field in ("certificate_chain", "private_key"):
        if field not in fields:
            cursor.problem(f"{field} is required", None, field, "required")
    if "certificate_chain" in fields:
        chain = read_watched_source(cursor.child("certificate_chain"))
    if "private_key" in fields:
        key = read_watched_source(cursor.child("private_key"))
    if chain is not None and key is not None:
        complaint = certificate_complaint(chain, key)
        if complaint is not None:
            field, text = complaint
            cursor.problem(text, field=field, code="certificate")
    return model.TlsCertificate(
        name=cursor.child("certificate_chain").get("filename") or "<inline>",
        certificate_chain=chain or b"",
        private_key=key or b"",
        ocsp_staple=None,
        watched=watched_files(
            {field: cursor.child(field) for field in _SOURCES if field in fields},
            cursor.child("watched_directory") if "watched_directory" in fields else None,
        ),
    )


def _ticket_source(cursor: Cursor, fields: dict[str, Any], secrets: Secrets) -> Cursor | None:
    """Where session ticket keys stand: in the context, or in a secret that it names."""
    if "session_ticket_keys" in fields:
        return cursor.child("session_ticket_keys")
    if "session_ticket_keys_sds_secret_config" in fields:
        return secrets.find(cursor.child("session_ticket_keys_sds_secret_config"), "session_ticket_keys")
    return None


def _ticket_keys(keys: Cursor | None) -> list[bytes]:
    if keys is None:
        return []
    _TICKET_KEYS.read(keys)
    found = []
    for item in keys.items("keys"):
        key = read_watched_source(item)
        if key is None:
            continue
        if len(key) != _TICKET_KEY_BYTES:
            item.problem(
                f"a session ticket key has {_TICKET_KEY_BYTES} bytes, and this one {len(key)}",
                "make one with `openssl rand 80`",
            )
        found.append(key)
    return found


def _ticket_keys_watched(keys: Cursor | None) -> model.WatchedFiles | None:
    if keys is None:
        return None
    return watched_files({str(number): item for number, item in enumerate(keys.items("keys"))})


def _lower_key_log(cursor: Cursor) -> str | None:
    return _KEY_LOG.read(cursor).get("path") or None
