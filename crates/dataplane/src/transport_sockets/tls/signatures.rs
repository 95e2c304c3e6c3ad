//! The signatures with which peers prove that a certificate is theirs.
//!
//! Owns: which kinds are taken, and noting the kind that was used. Does not own: certificates (`validation`). Follows RFC
//! 8446 section 4.2.3 and RFC 5246 section 7.4.1.4.1.

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::CertificateDer;
use rustls::{DigitallySignedStruct, Error, SignatureScheme};

use super::observed;

/// The kinds that are taken.
#[derive(Debug, Clone, Copy)]
pub struct Signatures(pub WebPkiSupportedAlgorithms);

impl Signatures {
    /// Of TLS 1.2.
    ///
    /// # Errors
    /// It is not the certificate's.
    pub fn check_tls12(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        observed::note_signature(dss.scheme);
        verify_tls12_signature(message, cert, dss, &self.0)
    }

    /// Of TLS 1.3.
    ///
    /// # Errors
    /// It is not the certificate's.
    pub fn check_tls13(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        observed::note_signature(dss.scheme);
        verify_tls13_signature(message, cert, dss, &self.0)
    }

    /// In the order in which peers are told of them.
    #[must_use]
    pub fn schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
