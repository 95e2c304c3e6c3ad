//! The certificates that a context has loaded, as admin's `/certs` tells of them.
//!
//! Owns: which of a context's certificates are told of, and when the first of them expires. Does not own: the page
//! (Python), nor loading them (`downstream`, `upstream`). Follows Envoy's `admin.v3.Certificate`: the certificates that
//! the system trusts are not on the list.

use serde::Serialize;

use super::certificates::OwnCertificate;
use super::x509::Certificate;

/// Those of a context.
#[derive(Debug, Clone, Default, Serialize)]
pub struct LoadedContext {
    ca_cert: Vec<LoadedCertificate>,
    cert_chain: Vec<LoadedCertificate>,
}

/// One of them.
#[derive(Debug, Clone, Serialize)]
struct LoadedCertificate {
    path: String,
    serial_number: String,
    dns: Vec<String>,
    uri: Vec<String>,
    ip_address: Vec<String>,
    /// Seconds since 1970.
    valid_from: i64,
    /// Seconds since 1970.
    expiration_time: i64,
}

impl LoadedCertificate {
    fn new(facts: &Certificate, path: &str) -> Self {
        LoadedCertificate {
            path: path.to_owned(),
            serial_number: facts.serial.clone(),
            dns: facts.alt_names.dns.clone(),
            uri: facts.alt_names.uri.clone(),
            ip_address: facts.alt_names.ip.iter().map(ToString::to_string).collect(),
            valid_from: facts.not_before,
            expiration_time: facts.not_after,
        }
    }
}

impl LoadedContext {
    /// With certificates of our own.
    #[must_use]
    pub fn with_own(mut self, certificates: &[OwnCertificate]) -> Self {
        let own = certificates.iter().map(|own| LoadedCertificate::new(&own.facts, &own.name));
        self.cert_chain.extend(own);
        self
    }

    /// With those whom it trusts, each in DER.
    #[must_use]
    pub fn with_trusted<'a>(mut self, path: &str, trusted: impl Iterator<Item = &'a [u8]>) -> Self {
        let trusted = trusted.filter_map(Certificate::read);
        self.ca_cert.extend(trusted.map(|facts| LoadedCertificate::new(&facts, path)));
        self
    }

    /// When the first of them expires, in seconds since 1970; none: there are none.
    #[must_use]
    pub fn first_expiration(&self) -> Option<i64> {
        self.ca_cert.iter().chain(&self.cert_chain).map(|certificate| certificate.expiration_time).min()
    }
}
