//! Whether a peer's certificate will do.
//!
//! Owns: the chain to those whom the configuration trusts, revocation, depth, names and hashes. Does not own: the
//! handshake (`rustls`) and building chains (`webpki`). Follows Envoy's `CertificateValidationContext` and the order of
//! its default validator: the chain, then names, then hashes.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, TrustAnchor, UnixTime};
use webpki::{CertRevocationList, EndEntityCert, KeyUsage, OwnedCertRevocationList};

use super::loaded::LoadedContext;
use super::observed::{self, RejectedFor, Rejection};
use super::peer::Issuer;
use super::subject_alt_names::SanMatcher;
use super::x509::Certificate;
use crate::format::asked_for;
use crate::model::tls::CertificateValidation;

/// Where Debian and its kin have them.
const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Which side's certificate it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerSide {
    /// A client's.
    Client,
    /// A server's.
    Server,
}

/// What is asked of peers, compiled.
#[derive(Debug)]
pub struct Validation {
    anchors: Option<Vec<TrustAnchor<'static>>>,
    trusted: Vec<CertificateDer<'static>>,
    /// The file of those, or what stands for it; empty: the system's.
    trusted_name: String,
    revoked: Vec<CertRevocationList<'static>>,
    only_leaf_may_be_revoked: bool,
    max_depth: Option<usize>,
    hashes: Vec<Vec<u8>>,
    key_hashes: Vec<Vec<u8>>,
    names: Vec<SanMatcher>,
    allows_expired: bool,
    accepts_untrusted: bool,
}

/// Reads certificates to trust, PEM.
///
/// # Errors
/// What is wrong with them.
pub fn read_trusted(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("is no PEM: {error}"))?;
    if found.is_empty() {
        return Err("holds no certificate".to_owned());
    }
    for certificate in &found {
        webpki::anchor_from_trusted_cert(certificate).map_err(|error| format!("is broken: {error}"))?;
    }
    Ok(found)
}

/// The certificates that the system trusts, PEM.
fn read_system_roots() -> Result<Vec<u8>, String> {
    let path = std::env::var("SSL_CERT_FILE").unwrap_or_else(|_| SYSTEM_ROOTS.to_owned());
    std::fs::read(&path).map_err(|error| format!("system_root_certs: cannot read {path}: {error}"))
}

/// Reads lists of revoked certificates, PEM.
///
/// # Errors
/// What is wrong with them.
pub fn read_revoked(pem: &[u8]) -> Result<Vec<CertRevocationList<'static>>, String> {
    let lists: Vec<CertificateRevocationListDer<'static>> = CertificateRevocationListDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("is no PEM: {error}"))?;
    if lists.is_empty() {
        return Err("holds no list of revoked certificates".to_owned());
    }
    let read = |list: &CertificateRevocationListDer<'_>| {
        let list = OwnedCertRevocationList::from_der(list).map_err(|error| format!("is broken: {error}"))?;
        Ok(CertRevocationList::Owned(list))
    };
    lists.iter().map(read).collect()
}

impl Validation {
    /// Compiles it.
    ///
    /// # Errors
    /// What cannot be used of it.
    pub fn compile(model: &CertificateValidation) -> Result<Self, String> {
        let system = if model.system_roots { Some(read_system_roots()?) } else { None };
        let trusted_ca = model.trusted_ca.as_ref().map(|pem| &pem.0).or(system.as_ref());
        let trusted = trusted_ca.map(|pem| read_trusted(pem)).transpose();
        let trusted = trusted.map_err(|text| format!("trusted_ca {}: {text}", model.trusted_ca_name))?;
        let revoked = model.crl.as_ref().map(|pem| read_revoked(&pem.0)).transpose();
        let names = model.match_typed_subject_alt_names.iter().map(SanMatcher::compile);
        Ok(Validation {
            anchors: trusted.as_ref().map(|trusted| {
                let anchors = trusted.iter().filter_map(|one| webpki::anchor_from_trusted_cert(one).ok());
                anchors.map(|anchor| anchor.to_owned()).collect()
            }),
            trusted: trusted.unwrap_or_default(),
            trusted_name: if model.system_roots { String::new() } else { model.trusted_ca_name.clone() },
            revoked: revoked.map_err(|text| format!("crl: {text}"))?.unwrap_or_default(),
            only_leaf_may_be_revoked: model.only_verify_leaf_cert_crl,
            max_depth: model.max_verify_depth.and_then(|depth| usize::try_from(depth).ok()),
            hashes: model.verify_certificate_hash.iter().map(|hash| hash.0.clone()).collect(),
            key_hashes: model.verify_certificate_spki.iter().map(|hash| hash.0.clone()).collect(),
            names: names.collect::<Result<_, _>>()?,
            allows_expired: model.allow_expired_certificate,
            accepts_untrusted: model.accept_untrusted,
        })
    }

    /// Whether any certificate will do: then none is asked for.
    #[must_use]
    pub fn asks_nothing(&self) -> bool {
        self.anchors.is_none()
            && self.hashes.is_empty()
            && self.key_hashes.is_empty()
            && !self.accepts_untrusted
    }

    /// Until when the first of those whom we trust is good, in seconds since 1970.
    #[must_use]
    pub fn expiration(&self) -> Option<i64> {
        Certificate::read(self.trusted.first()?).map(|facts| facts.not_after)
    }

    /// With those whom we trust.
    #[must_use]
    pub fn tell(&self, loaded: LoadedContext) -> LoadedContext {
        let trusted = if self.trusted_name.is_empty() { &[] } else { &*self.trusted };
        loaded.with_trusted(&self.trusted_name, trusted.iter().map(|one| &**one))
    }

    /// Whom a client's certificate may come from, in DER.
    #[must_use]
    pub fn subjects(&self) -> Vec<rustls::DistinguishedName> {
        let anchors = self.anchors.iter().flatten();
        anchors.map(|anchor| rustls::DistinguishedName::in_sequence(&anchor.subject)).collect()
    }

    /// Judges a chain. `also_named`: one name that a server must have beside what is configured. Answers whether the
    /// certificate is proven: one that is accepted although nobody vouches for it is not.
    ///
    /// # Errors
    /// It will not do.
    pub fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
        side: PeerSide,
        also_named: Option<&SanMatcher>,
    ) -> Result<bool, Rejection> {
        let judged = self.judge_strictly(leaf, others, now, side, also_named);
        match judged {
            Err(rejection) => {
                observed::note_rejection(rejection.clone());
                if self.accepts_untrusted { Ok(false) } else { Err(rejection) }
            }
            Ok(proven) => Ok(proven),
        }
    }

    fn judge_strictly(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
        side: PeerSide,
        also_named: Option<&SanMatcher>,
    ) -> Result<bool, Rejection> {
        if let Some(anchors) = &self.anchors {
            self.judge_chain(anchors, leaf, others, now, side).map_err(|text| Rejection {
                cause: RejectedFor::Chain,
                text: format!(
                    "verify cert failed: X509_verify_cert: certificate verification error at {text}"
                ),
            })?;
        }
        if !self.names.is_empty() || also_named.is_some() {
            let names = Certificate::read(leaf).map(|facts| facts.alt_names).unwrap_or_default();
            let mut matchers =
                also_named.into_iter().chain(if also_named.is_some() { &[] } else { &*self.names });
            if !matchers.any(|matcher| matcher.matches(&names)) {
                return Err(Rejection {
                    cause: RejectedFor::SubjectAltName,
                    text: format!(
                        "verify cert failed: SAN matcher, certificate SANs are [{}]",
                        names.in_order.join(", ")
                    ),
                });
            }
        }
        if !self.hashes.is_empty() || !self.key_hashes.is_empty() {
            let hash = digest(&SHA256, leaf);
            let key = Certificate::read(leaf).map(|facts| digest(&SHA256, &facts.public_key));
            let is_known = self.hashes.iter().any(|known| known == hash.as_ref())
                || key.is_some_and(|key| self.key_hashes.iter().any(|known| known == key.as_ref()));
            if !is_known {
                let text = "verify cert failed: cert hash and spki".to_owned();
                return Err(Rejection { cause: RejectedFor::Hash, text });
            }
        }
        Ok(self.anchors.is_some() || !self.hashes.is_empty() || !self.key_hashes.is_empty())
    }

    /// The error is what follows `at`, in BoringSSL's words.
    fn judge_chain(
        &self,
        anchors: &[TrustAnchor<'_>],
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
        side: PeerSide,
    ) -> Result<(), String> {
        let facts = Certificate::read(leaf).ok_or("depth 0: format error in certificate")?;
        let mut times = vec![now];
        if self.allows_expired {
            let expiry = std::iter::once(&**leaf).chain(others.iter().map(|other| &**other));
            let expiry = expiry.filter_map(|der| u64::try_from(Certificate::read(der)?.not_after).ok());
            times.extend(expiry.map(|seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds))));
        }
        let mut first = None;
        for time in times {
            match self.build(anchors, leaf, others, time, side) {
                Ok(()) => return Ok(()),
                Err(error) => {
                    first.get_or_insert(error);
                }
            }
        }
        Err(first.map_or_else(String::new, |error| chain_text(&error, &facts)))
    }

    fn build(
        &self,
        anchors: &[TrustAnchor<'_>],
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        time: UnixTime,
        side: PeerSide,
    ) -> Result<(), webpki::Error> {
        let end = EndEntityCert::try_from(leaf)?;
        let usage = match side {
            PeerSide::Client => KeyUsage::client_auth(),
            PeerSide::Server => KeyUsage::server_auth(),
        };
        let lists: Vec<&CertRevocationList<'_>> = self.revoked.iter().collect();
        let revocation = webpki::RevocationOptionsBuilder::new(&lists).ok().map(|options| {
            let depth = if self.only_leaf_may_be_revoked {
                webpki::RevocationCheckDepth::EndEntity
            } else {
                webpki::RevocationCheckDepth::Chain
            };
            options
                .with_depth(depth)
                .with_status_policy(webpki::UnknownStatusPolicy::Deny)
                .with_expiration_policy(webpki::ExpirationPolicy::Enforce)
                .build()
        });
        let within_depth = |path: &webpki::VerifiedPath<'_>| {
            let length = path.intermediate_certificates().count();
            match self.max_depth {
                Some(most) if length > most => Err(webpki::Error::MaximumPathDepthExceeded),
                _ => Ok(()),
            }
        };
        let built = end.verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            anchors,
            others,
            time,
            usage,
            revocation,
            Some(&within_depth),
        );
        match built {
            Ok(path) => {
                if asked_for::PEER_ISSUER.is_asked_for() {
                    observed::note_issuer(self.issuer(&path));
                }
                Ok(())
            }
            // A certificate that is trusted itself needs nobody to vouch for it, also when it is that of an authority.
            Err(webpki::Error::CaUsedAsEndEntity | webpki::Error::UnknownIssuer)
                if self.trusted.iter().any(|trusted| **trusted == **leaf) =>
            {
                self.is_in_time(leaf, time)
            }
            Err(error) => Err(error),
        }
    }

    /// Who vouches for the first certificate of a path.
    fn issuer(&self, path: &webpki::VerifiedPath<'_>) -> Option<Issuer> {
        if let Some(intermediate) = path.intermediate_certificates().next() {
            return Issuer::read(&intermediate.der());
        }
        let anchor = path.anchor();
        let is_it = |trusted: &&CertificateDer<'_>| {
            webpki::anchor_from_trusted_cert(trusted).is_ok_and(|one| {
                one.subject == anchor.subject && one.subject_public_key_info == anchor.subject_public_key_info
            })
        };
        self.trusted.iter().find(is_it).and_then(|trusted| Issuer::read(trusted))
    }

    fn is_in_time(&self, leaf: &CertificateDer<'_>, time: UnixTime) -> Result<(), webpki::Error> {
        let facts = Certificate::read(leaf).ok_or(webpki::Error::BadDer)?;
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        if (facts.not_before..=facts.not_after).contains(&seconds) || self.allows_expired {
            return Ok(());
        }
        Err(webpki::Error::InvalidCertValidity)
    }
}

/// BoringSSL's words for what is wrong with a chain.
fn chain_text(error: &webpki::Error, leaf: &Certificate) -> String {
    let text = match error {
        webpki::Error::CertExpired { .. } | webpki::Error::InvalidCertValidity => "certificate has expired",
        webpki::Error::CertNotValidYet { .. } => "certificate is not yet valid",
        webpki::Error::CertRevoked => "certificate revoked",
        webpki::Error::UnknownRevocationStatus => "unable to get certificate CRL",
        webpki::Error::CrlExpired { .. } => "CRL has expired",
        webpki::Error::UnknownIssuer if leaf.issuer == leaf.subject => "self signed certificate",
        webpki::Error::UnknownIssuer | webpki::Error::CaUsedAsEndEntity => {
            "unable to get local issuer certificate"
        }
        webpki::Error::InvalidSignatureForPublicKey => "certificate signature failure",
        webpki::Error::MaximumPathDepthExceeded => "certificate chain too long",
        webpki::Error::RequiredEkuNotFoundContext(_) => "unsupported certificate purpose",
        webpki::Error::PathLenConstraintViolated => "path length constraint exceeded",
        webpki::Error::EndEntityUsedAsCa => "invalid CA certificate",
        webpki::Error::NameConstraintViolation => "permitted subtree violation",
        _ => "format error in certificate",
    };
    format!("depth 0: {text}")
}
