//! The statistics of TLS.
//!
//! Owns their names, and which cipher suite, curve, version or signature is counted by which of them. Follows Envoy's
//! pages "Listener stats: TLS" and "TLS Inspector".

use rustls::SignatureScheme;

use super::declare::{Group, NoHistogram, Table, stats_group};
use super::registry::{Registry, sanitize};
use super::scope::Scope;
use super::tags::Shape;

stats_group! {
    /// Of the TLS connections of one listener: `listener.<address or stat prefix>.ssl.`
    SslStats (Listener)
    SslStat {
        ConnectionError counter "connection_error",
        FailVerifyCertHash counter "fail_verify_cert_hash",
        FailVerifyError counter "fail_verify_error",
        FailVerifyNoCert counter "fail_verify_no_cert",
        FailVerifySan counter "fail_verify_san",
        Handshake counter "handshake",
        NoCertificate counter "no_certificate",
        OcspStapleFailed counter "ocsp_staple_failed",
        OcspStapleOmitted counter "ocsp_staple_omitted",
        OcspStapleRequests counter "ocsp_staple_requests",
        OcspStapleResponses counter "ocsp_staple_responses",
        SessionReused counter "session_reused",
        CipherAes128 counter "ciphers.TLS_AES_128_GCM_SHA256" [used],
        CipherAes256 counter "ciphers.TLS_AES_256_GCM_SHA384" [used],
        CipherChacha20 counter "ciphers.TLS_CHACHA20_POLY1305_SHA256" [used],
        CipherEcdsaAes128 counter "ciphers.ECDHE-ECDSA-AES128-GCM-SHA256" [used],
        CipherEcdsaAes256 counter "ciphers.ECDHE-ECDSA-AES256-GCM-SHA384" [used],
        CipherEcdsaChacha20 counter "ciphers.ECDHE-ECDSA-CHACHA20-POLY1305" [used],
        CipherRsaAes128 counter "ciphers.ECDHE-RSA-AES128-GCM-SHA256" [used],
        CipherRsaAes256 counter "ciphers.ECDHE-RSA-AES256-GCM-SHA384" [used],
        CipherRsaChacha20 counter "ciphers.ECDHE-RSA-CHACHA20-POLY1305" [used],
        CurveP256 counter "curves.P-256" [used],
        CurveP384 counter "curves.P-384" [used],
        CurveX25519 counter "curves.X25519" [used],
        CurveX25519Mlkem768 counter "curves.X25519MLKEM768" [used],
        SigalgEcdsaP256 counter "sigalgs.ecdsa_secp256r1_sha256" [used],
        SigalgEcdsaP384 counter "sigalgs.ecdsa_secp384r1_sha384" [used],
        SigalgEcdsaP521 counter "sigalgs.ecdsa_secp521r1_sha512" [used],
        SigalgEd25519 counter "sigalgs.ed25519" [used],
        SigalgRsaPkcs1Sha256 counter "sigalgs.rsa_pkcs1_sha256" [used],
        SigalgRsaPkcs1Sha384 counter "sigalgs.rsa_pkcs1_sha384" [used],
        SigalgRsaPkcs1Sha512 counter "sigalgs.rsa_pkcs1_sha512" [used],
        SigalgRsaPssSha256 counter "sigalgs.rsa_pss_rsae_sha256" [used],
        SigalgRsaPssSha384 counter "sigalgs.rsa_pss_rsae_sha384" [used],
        SigalgRsaPssSha512 counter "sigalgs.rsa_pss_rsae_sha512" [used],
        VersionTls12 counter "versions.TLSv1.2" [used],
        VersionTls13 counter "versions.TLSv1.3" [used],
    }
}

stats_group! {
    /// Of the making of TLS contexts: `listener.<address or stat prefix>.server_ssl_socket_factory.`
    SslSocketFactoryStats (Listener)
    SslSocketFactoryStat {
        DownstreamContextSecretsNotReady counter "downstream_context_secrets_not_ready",
        KeyRotationFailed counter "key_rotation_failed" [used],
        SslContextUpdateBySds counter "ssl_context_update_by_sds",
        UpstreamContextSecretsNotReady counter "upstream_context_secrets_not_ready",
    }
}

stats_group! {
    /// Of one certificate: `listener.<address or stat prefix>.ssl.certificate.<name>.`
    CertificateStats (Listener)
    CertificateStat {
        ExpirationUnixTimeSeconds gauge "expiration_unix_time_seconds",
    }
}

stats_group! {
    /// Of all TLS inspectors: `tls_inspector.`
    TlsInspectorStats (Plain)
    TlsInspectorStat {
        AlpnFound counter "alpn_found",
        AlpnNotFound counter "alpn_not_found",
        ClientHelloTooLarge counter "client_hello_too_large",
        SniFound counter "sni_found",
        SniNotFound counter "sni_not_found",
        TlsFound counter "tls_found",
        TlsNotFound counter "tls_not_found",
    }
    TlsInspectorHistogram {
        BytesProcessed "bytes_processed",
    }
}

stats_group! {
    /// Of all HTTP inspectors: `http_inspector.`
    HttpInspectorStats (Plain)
    HttpInspectorStat {
        Http10Found counter "http10_found",
        Http11Found counter "http11_found",
        Http2Found counter "http2_found",
        HttpNotFound counter "http_not_found",
        ReadError counter "read_error",
    }
}

/// Declares a group of a cluster with the names of one of a listener.
macro_rules! of_cluster {
    ($(#[$meta:meta])* $group:ident, $listener:ident, $stat:ident) => {
        $(#[$meta])*
        #[derive(Debug)]
        pub enum $group {}

        impl Group for $group {
            type Stat = $stat;
            type Histogram = NoHistogram;
            const TABLE: &'static Table = &Table {
                group: stringify!($group),
                shape: Shape::Cluster,
                numbers: $listener::TABLE.numbers,
                histograms: &[],
                codes: &[],
                completed: false,
            };
        }
    };
}

of_cluster!(
    /// Of the TLS connections to the hosts of a cluster: `cluster.<name>.ssl.`
    ClusterSslStats, SslStats, SslStat
);
of_cluster!(
    /// Of the making of TLS contexts of a cluster: `cluster.<name>.client_ssl_socket_factory.`
    ClusterSslFactoryStats, SslSocketFactoryStats, SslSocketFactoryStat
);
of_cluster!(
    /// Of one certificate of a cluster: `cluster.<name>.ssl.certificate.<name>.`
    ClusterCertificateStats, CertificateStats, CertificateStat
);

impl Registry {
    /// `listener.<listener>.ssl.`
    pub fn listener_ssl(&self, listener: &str) -> Scope<SslStats> {
        self.scope(&format!("listener.{}.ssl.", sanitize(listener)))
    }

    /// `listener.<listener>.server_ssl_socket_factory.`
    pub fn listener_ssl_factory(&self, listener: &str) -> Scope<SslSocketFactoryStats> {
        self.scope(&format!("listener.{}.server_ssl_socket_factory.", sanitize(listener)))
    }

    /// `listener.<listener>.ssl.certificate.<name>.`
    pub fn listener_certificate(&self, listener: &str, name: &str) -> Scope<CertificateStats> {
        self.scope(&format!("listener.{}.ssl.certificate.{name}.", sanitize(listener)))
    }

    /// `cluster.<name>.ssl.`
    pub fn cluster_ssl(&self, stat_name: &str) -> Scope<ClusterSslStats> {
        self.scope(&format!("cluster.{}.ssl.", sanitize(stat_name)))
    }

    /// `cluster.<name>.client_ssl_socket_factory.`
    pub fn cluster_ssl_factory(&self, stat_name: &str) -> Scope<ClusterSslFactoryStats> {
        self.scope(&format!("cluster.{}.client_ssl_socket_factory.", sanitize(stat_name)))
    }

    /// `cluster.<name>.ssl.certificate.<name>.`
    pub fn cluster_certificate(&self, stat_name: &str, name: &str) -> Scope<ClusterCertificateStats> {
        self.scope(&format!("cluster.{}.ssl.certificate.{name}.", sanitize(stat_name)))
    }

    /// `tls_inspector.`
    pub fn tls_inspector(&self) -> Scope<TlsInspectorStats> {
        self.scope("tls_inspector.")
    }

    /// `http_inspector.`
    pub fn http_inspector(&self) -> Scope<HttpInspectorStats> {
        self.scope("http_inspector.")
    }
}

/// What counts a version.
#[must_use]
pub fn of_version(name: &str) -> Option<SslStat> {
    match name {
        "TLSv1.2" => Some(SslStat::VersionTls12),
        "TLSv1.3" => Some(SslStat::VersionTls13),
        _ => None,
    }
}

/// What counts a cipher suite.
#[must_use]
pub fn of_cipher(name: &str) -> Option<SslStat> {
    Some(match name {
        "TLS_AES_128_GCM_SHA256" => SslStat::CipherAes128,
        "TLS_AES_256_GCM_SHA384" => SslStat::CipherAes256,
        "TLS_CHACHA20_POLY1305_SHA256" => SslStat::CipherChacha20,
        "ECDHE-ECDSA-AES128-GCM-SHA256" => SslStat::CipherEcdsaAes128,
        "ECDHE-ECDSA-AES256-GCM-SHA384" => SslStat::CipherEcdsaAes256,
        "ECDHE-ECDSA-CHACHA20-POLY1305" => SslStat::CipherEcdsaChacha20,
        "ECDHE-RSA-AES128-GCM-SHA256" => SslStat::CipherRsaAes128,
        "ECDHE-RSA-AES256-GCM-SHA384" => SslStat::CipherRsaAes256,
        "ECDHE-RSA-CHACHA20-POLY1305" => SslStat::CipherRsaChacha20,
        _ => return None,
    })
}

/// What counts a curve.
#[must_use]
pub fn of_curve(name: &str) -> Option<SslStat> {
    Some(match name {
        "P-256" => SslStat::CurveP256,
        "P-384" => SslStat::CurveP384,
        "X25519" => SslStat::CurveX25519,
        "X25519MLKEM768" => SslStat::CurveX25519Mlkem768,
        _ => return None,
    })
}

/// What counts a peer's signature.
#[must_use]
pub fn of_signature_scheme(scheme: SignatureScheme) -> Option<SslStat> {
    Some(match scheme {
        SignatureScheme::ECDSA_NISTP256_SHA256 => SslStat::SigalgEcdsaP256,
        SignatureScheme::ECDSA_NISTP384_SHA384 => SslStat::SigalgEcdsaP384,
        SignatureScheme::ECDSA_NISTP521_SHA512 => SslStat::SigalgEcdsaP521,
        SignatureScheme::ED25519 => SslStat::SigalgEd25519,
        SignatureScheme::RSA_PKCS1_SHA256 => SslStat::SigalgRsaPkcs1Sha256,
        SignatureScheme::RSA_PKCS1_SHA384 => SslStat::SigalgRsaPkcs1Sha384,
        SignatureScheme::RSA_PKCS1_SHA512 => SslStat::SigalgRsaPkcs1Sha512,
        SignatureScheme::RSA_PSS_SHA256 => SslStat::SigalgRsaPssSha256,
        SignatureScheme::RSA_PSS_SHA384 => SslStat::SigalgRsaPssSha384,
        SignatureScheme::RSA_PSS_SHA512 => SslStat::SigalgRsaPssSha512,
        _ => return None,
    })
}
