//! TLS on either side (Envoy: `extensions.transport_sockets.tls.v3`).
#![allow(missing_docs)] // field by field in ferryman/config/model/

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::matcher::StringMatcher;

/// A byte string.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Bytes(#[serde(with = "super::bytes")] pub Vec<u8>);

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TlsParameters {
    pub min_version: String,
    pub max_version: String,
    pub cipher_suites: Vec<String>,
    pub ecdh_curves: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WatchedDirectory {
    pub path: String,
    pub watch_modify: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WatchedFiles {
    pub directories: Vec<WatchedDirectory>,
    pub files: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TlsCertificate {
    pub name: String,
    pub certificate_chain: Bytes,
    pub private_key: Bytes,
    pub ocsp_staple: Option<Bytes>,
    pub watched: Option<WatchedFiles>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SanType {
    Email,
    Dns,
    Uri,
    IpAddress,
    OtherName,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectAltNameMatcher {
    pub san_type: SanType,
    pub matcher: StringMatcher,
    pub oid: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools)] // Envoy's own switches
pub struct CertificateValidation {
    pub trusted_ca: Option<Bytes>,
    pub trusted_ca_name: String,
    pub system_roots: bool,
    pub crl: Option<Bytes>,
    pub only_verify_leaf_cert_crl: bool,
    pub max_verify_depth: Option<u32>,
    pub verify_certificate_hash: Vec<Bytes>,
    pub verify_certificate_spki: Vec<Bytes>,
    pub match_typed_subject_alt_names: Vec<SubjectAltNameMatcher>,
    pub allow_expired_certificate: bool,
    pub accept_untrusted: bool,
    pub watched: Option<WatchedFiles>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TlsContext {
    pub parameters: TlsParameters,
    pub certificates: Vec<TlsCertificate>,
    pub validation: Option<CertificateValidation>,
    pub alpn_protocols: Vec<String>,
    pub key_log_path: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OcspStaplePolicy {
    LenientStapling,
    StrictStapling,
    MustStaple,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools)] // Envoy's own switches
pub struct DownstreamTls {
    pub common: TlsContext,
    pub require_client_certificate: bool,
    pub require_sni: bool,
    pub session_ticket_keys: Vec<Bytes>,
    pub session_ticket_keys_watched: Option<WatchedFiles>,
    pub stateless_resumption: bool,
    pub stateful_resumption: bool,
    pub session_timeout_s: u32,
    pub ocsp_staple_policy: OcspStaplePolicy,
    pub full_scan_certs_on_sni_mismatch: bool,
    pub prefer_client_ciphers: bool,
    pub offer_client_ca_names: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamTls {
    pub common: TlsContext,
    pub sni: String,
    pub auto_host_sni: bool,
    pub auto_sni_san_validation: bool,
    pub max_session_keys: u32,
}
