//! Rules about the client's certificate, and what is left of others until it is known.
//!
//! Owns: those rules, and truth values that hang on them: bytes come after the handshake, so that is when they are known. Does
//! not own: all other rules (`rules`). Follows Envoy's `Principal.Authenticated` and its extension `mtls_authenticated`.

use std::sync::Arc;

use crate::matcher::StringMatcher;
use crate::model::tls::SubjectAltNameMatcher;
use crate::transport_sockets::tls::TlsConnection;
use crate::transport_sockets::tls::subject_alt_names::SanMatcher;

/// A rule about the client's certificate.
#[derive(Debug)]
pub(super) enum CertificateRule {
    /// There is TLS, and one of the certificate's names fits: a URI, else a DNS name, else the subject.
    Authenticated(Option<StringMatcher>),
    /// It is proven, and one of its names fits.
    Validated(Option<SanMatcher>),
}

impl CertificateRule {
    pub(super) fn authenticated(
        name: Option<&crate::model::matcher::StringMatcher>,
    ) -> Result<Arc<Self>, String> {
        let name = name.map(StringMatcher::compile).transpose()?;
        Ok(Arc::new(CertificateRule::Authenticated(name)))
    }

    pub(super) fn validated(san: Option<&SubjectAltNameMatcher>) -> Result<Arc<Self>, String> {
        let san = san.map(SanMatcher::compile).transpose()?;
        Ok(Arc::new(CertificateRule::Validated(san)))
    }

    fn holds(&self, tls: &TlsConnection) -> bool {
        let peer = tls.peer();
        match self {
            CertificateRule::Authenticated(None) => true,
            CertificateRule::Authenticated(Some(matcher)) => {
                let matches = |text: &String| matcher.matches(text.as_bytes());
                let Some(certificate) = peer.map(|peer| &peer.certificate) else {
                    return matcher.matches(b"");
                };
                let names = &certificate.alt_names;
                names.uri.iter().any(matches)
                    || names.dns.iter().any(matches)
                    || matches(&certificate.subject)
            }
            CertificateRule::Validated(san) => peer
                .filter(|peer| peer.validated)
                .is_some_and(|peer| san.as_ref().is_none_or(|san| san.matches(&peer.certificate.alt_names))),
        }
    }
}

/// A truth value, as far as it is known before the handshake.
#[derive(Debug, Clone)]
pub(super) enum Pending {
    Known(bool),
    Not(Box<Pending>),
    And(Vec<Pending>),
    Or(Vec<Pending>),
    Certificate(Arc<CertificateRule>),
}

impl Pending {
    /// What it is, now that the handshake is over.
    pub(super) fn settle(&self, tls: &TlsConnection) -> bool {
        match self {
            Pending::Known(known) => *known,
            Pending::Not(inner) => !inner.settle(tls),
            Pending::And(all) => all.iter().all(|one| one.settle(tls)),
            Pending::Or(any) => any.iter().any(|one| one.settle(tls)),
            Pending::Certificate(rule) => rule.holds(tls),
        }
    }
}
