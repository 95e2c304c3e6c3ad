//! Our own certificates: reading them, and choosing one for a client.
//!
//! Owns: certificates with their keys, and which of several a client gets: by the name that it asks for, and by the kinds
//! of key that it takes. Does not own: the peers' certificates (`validation`).
//! Follows Envoy's page "SSL": "Certificate selection".

use std::collections::HashMap;
use std::sync::Arc;

use rustls::SignatureAlgorithm;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::observed;
use super::x509::Certificate;
use crate::model::tls::TlsCertificate;

/// Envoy's names for certificates that came without one: the digits are those of the hash of nothing.
pub const UNNAMED: [&str; 2] = ["unnamed_cert_e3b0c442", "unnamed_ca_cert_e3b0c442"];

/// A certificate of ours.
#[derive(Debug)]
pub struct OwnCertificate {
    /// What it says.
    pub facts: Arc<Certificate>,
    /// Its file, or what stands for it.
    pub name: String,
    key: Arc<CertifiedKey>,
}

/// Reads a chain and its key, both PEM.
///
/// # Errors
/// Which of the two cannot be used (`certificate_chain`, `private_key`), and why.
pub fn read_certificate(
    chain: &[u8],
    key: &[u8],
) -> Result<(CertifiedKey, Certificate), (&'static str, String)> {
    let no_chain = |text: String| ("certificate_chain", text);
    let no_key = |text: String| ("private_key", text);
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<_, _>>()
        .map_err(|error| no_chain(format!("is no PEM: {error}")))?;
    let leaf = chain.first().ok_or_else(|| no_chain("holds no certificate".to_owned()))?;
    let facts =
        Certificate::read(leaf).ok_or_else(|| no_chain("its first certificate is broken".to_owned()))?;
    if text_has(key, b"ENCRYPTED") {
        return Err(no_key("is encrypted, and passwords are not supported yet".to_owned()));
    }
    let key =
        PrivateKeyDer::from_pem_slice(key).map_err(|_| no_key("holds no private key in PEM".to_owned()))?;
    let key = any_supported_type(&key).map_err(|_| no_key("is of no kind that TLS can use".to_owned()))?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
            Ok((certified, facts))
        }
        Err(_) => Err(no_key("does not belong to the certificate".to_owned())),
    }
}

fn text_has(text: &[u8], word: &[u8]) -> bool {
    memchr::memmem::find(text, word).is_some()
}

/// Reads all certificates of a context.
///
/// # Errors
/// The name of what cannot be used, and why.
pub fn compile(models: &[TlsCertificate]) -> Result<Vec<OwnCertificate>, String> {
    let read = |model: &TlsCertificate| {
        let read = read_certificate(&model.certificate_chain.0, &model.private_key.0);
        let (key, facts) = read.map_err(|(which, text)| format!("{which} of {}: {text}", model.name))?;
        Ok(OwnCertificate { facts: Arc::new(facts), name: model.name.clone(), key: Arc::new(key) })
    };
    models.iter().map(read).collect()
}

impl OwnCertificate {
    /// With its key, as `rustls` takes it.
    #[must_use]
    pub fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key)
    }

    fn is_ecdsa(&self) -> bool {
        self.key.key.algorithm() == SignatureAlgorithm::ECDSA
    }

    fn suits(&self, hello: &ClientHello<'_>) -> bool {
        self.key.key.choose_scheme(hello.signature_schemes()).is_some()
    }
}

/// Chooses among the certificates of a filter chain.
#[derive(Debug)]
pub struct Choice {
    certificates: Vec<OwnCertificate>,
    /// Places of certificates, by name; wildcards by what follows the star.
    by_name: HashMap<String, Vec<usize>>,
    scans_all: bool,
}

impl Choice {
    /// Among these; `scans_all`: for an unknown name too, the best of all and not the first one.
    #[must_use]
    pub fn new(certificates: Vec<OwnCertificate>, scans_all: bool) -> Self {
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, certificate) in certificates.iter().enumerate() {
            let names = &certificate.facts.alt_names.dns;
            // The common name counts only where there are no other names.
            let common =
                Some(&certificate.facts.common_name).filter(|name| names.is_empty() && !name.is_empty());
            for name in names.iter().chain(common) {
                by_name.entry(name.to_ascii_lowercase()).or_default().push(place);
            }
        }
        Choice { certificates, by_name, scans_all }
    }

    /// The certificates.
    #[must_use]
    pub fn certificates(&self) -> &[OwnCertificate] {
        &self.certificates
    }

    fn place_for(&self, hello: &ClientHello<'_>) -> Option<usize> {
        let suits = |place: &usize| self.certificates.get(*place).is_some_and(|one| one.suits(hello));
        let prefers_ecdsa = |places: &mut dyn Iterator<Item = usize>| {
            let places: Vec<usize> = places.collect();
            let ecdsa = places.iter().find(|place| {
                suits(place) && self.certificates.get(**place).is_some_and(OwnCertificate::is_ecdsa)
            });
            ecdsa.or_else(|| places.iter().find(|place| suits(place))).copied()
        };
        let name = hello.server_name().map(str::to_ascii_lowercase);
        if let Some(name) = &name {
            let wildcard = name.split_once('.').map(|(_, rest)| format!("*.{rest}"));
            let found = [Some(name), wildcard.as_ref()].into_iter().flatten();
            for places in found.filter_map(|name| self.by_name.get(name)) {
                if let Some(place) = prefers_ecdsa(&mut places.iter().copied()) {
                    return Some(place);
                }
            }
        }
        // Without a name of a certificate, all are looked at; with an unknown one, the first is taken.
        if name.is_none() || self.scans_all {
            if let Some(place) = prefers_ecdsa(&mut (0..self.certificates.len())) {
                return Some(place);
            }
        }
        (!self.certificates.is_empty()).then_some(0)
    }
}

impl Choice {
    /// Until when our certificates are good, in seconds since 1970: the last one's, under the name that Envoy has for
    /// certificates without one.
    #[must_use]
    pub fn expiration(&self) -> Option<i64> {
        self.certificates.last().map(|certificate| certificate.facts.not_after)
    }
}

impl ResolvesServerCert for Choice {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let place = self.place_for(&hello)?;
        let certificate = self.certificates.get(place)?;
        observed::note_certificate(&certificate.facts, hello.server_name());
        Some(certificate.certified_key())
    }
}
