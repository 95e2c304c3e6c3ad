//! Versions, cipher suites and curves.
//!
//! Owns: Envoy's names for them, and the provider that offers just those. Does not own: refusing names (the configuration
//! does). Follows Envoy's `TlsParameters`.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs};
use rustls::{
    CipherSuite, NamedGroup, ProtocolVersion, SupportedCipherSuite, SupportedProtocolVersion, version,
};

use crate::model::tls::TlsParameters;

/// Of TLS 1.2, in Envoy's order.
const CIPHERS: [(CipherSuite, &str); 6] = [
    (CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, "ECDHE-ECDSA-AES128-GCM-SHA256"),
    (CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE-ECDSA-CHACHA20-POLY1305"),
    (CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, "ECDHE-RSA-AES128-GCM-SHA256"),
    (CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE-RSA-CHACHA20-POLY1305"),
    (CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, "ECDHE-ECDSA-AES256-GCM-SHA384"),
    (CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, "ECDHE-RSA-AES256-GCM-SHA384"),
];
const CIPHERS_1_3: [(CipherSuite, &str); 3] = [
    (CipherSuite::TLS13_AES_128_GCM_SHA256, "TLS_AES_128_GCM_SHA256"),
    (CipherSuite::TLS13_AES_256_GCM_SHA384, "TLS_AES_256_GCM_SHA384"),
    (CipherSuite::TLS13_CHACHA20_POLY1305_SHA256, "TLS_CHACHA20_POLY1305_SHA256"),
];
/// Envoy's default ones, in its order.
const CURVES: [&str; 3] = ["X25519MLKEM768", "X25519", "P-256"];

/// The name of a cipher suite as operators and statistics have it.
#[must_use]
pub fn cipher_name(suite: CipherSuite) -> &'static str {
    let named = CIPHERS.iter().chain(&CIPHERS_1_3).find(|(known, _)| *known == suite);
    named.map_or("", |(_, name)| name)
}

/// The name of a version as operators and statistics have it.
#[must_use]
pub fn version_name(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLSv1_3 => "TLSv1.3",
        _ => "TLSv1.2",
    }
}

/// The name of a curve as operators and statistics have it.
#[must_use]
pub fn curve_name(group: NamedGroup) -> &'static str {
    match group {
        NamedGroup::X25519MLKEM768 => "X25519MLKEM768",
        NamedGroup::X25519 => "X25519",
        NamedGroup::secp256r1 => "P-256",
        NamedGroup::secp384r1 => "P-384",
        _ => "",
    }
}

/// The versions, the newest first.
#[must_use]
pub fn versions(model: &TlsParameters) -> Vec<&'static SupportedProtocolVersion> {
    let all = [("1.3", &version::TLS13), ("1.2", &version::TLS12)];
    let within = |name: &str| model.min_version.as_str() <= name && name <= model.max_version.as_str();
    all.into_iter().filter(|(name, _)| within(name)).map(|(_, version)| version).collect()
}

/// What offers the cipher suites and curves.
#[must_use]
pub fn provider(model: &TlsParameters) -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    let suite = |wanted: CipherSuite| {
        aws_lc_rs::ALL_CIPHER_SUITES
            .iter()
            .copied()
            .find(|suite: &SupportedCipherSuite| suite.suite() == wanted)
    };
    let older: Vec<CipherSuite> = if model.cipher_suites.is_empty() {
        CIPHERS.iter().map(|(suite, _)| *suite).collect()
    } else {
        let by_name =
            |wanted: &String| CIPHERS.iter().find(|(_, name)| name == wanted).map(|(suite, _)| *suite);
        model.cipher_suites.iter().filter_map(by_name).collect()
    };
    let newer = CIPHERS_1_3.iter().map(|(suite, _)| *suite);
    provider.cipher_suites = newer.chain(older).filter_map(suite).collect();
    let names: Vec<&str> = if model.ecdh_curves.is_empty() {
        CURVES.to_vec()
    } else {
        model.ecdh_curves.iter().map(String::as_str).collect()
    };
    let group = |name: &&str| {
        let groups = aws_lc_rs::ALL_KX_GROUPS.iter().copied();
        groups.into_iter().find(|group: &&dyn SupportedKxGroup| curve_name(group.name()) == *name)
    };
    provider.kx_groups = names.iter().filter_map(group).collect();
    Arc::new(provider)
}
