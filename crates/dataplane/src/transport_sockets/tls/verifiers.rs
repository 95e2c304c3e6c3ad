//! What `rustls` asks about peers' certificates.
//!
//! Owns: asking clients for certificates, and the words for what will not do. Does not own: the judgement (`validation`).

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
};

use super::observed::{self, RejectedFor, Rejection};
use super::signatures::Signatures;
use super::validation::{PeerSide, Validation};

/// Judges clients.
pub struct ClientVerifier {
    validation: Arc<Validation>,
    is_required: bool,
    subjects: Vec<DistinguishedName>,
    signatures: Signatures,
}

impl fmt::Debug for ClientVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientVerifier(required: {})", self.is_required)
    }
}

impl ClientVerifier {
    /// `None`: clients are not asked for certificates; as in Envoy, also where one is required and nobody is trusted.
    #[must_use]
    pub fn new(
        validation: Option<Arc<Validation>>,
        is_required: bool,
        tells_subjects: bool,
        algorithms: WebPkiSupportedAlgorithms,
    ) -> Option<Arc<Self>> {
        let validation = validation.filter(|validation| !validation.asks_nothing())?;
        let subjects = if tells_subjects { validation.subjects() } else { Vec::new() };
        let signatures = Signatures(algorithms);
        Some(Arc::new(ClientVerifier { validation, is_required, subjects, signatures }))
    }
}

/// Notes why a certificate was refused, and makes it the error that the peer is told of.
pub fn refuse(rejection: Rejection) -> Error {
    let error = match rejection.cause {
        RejectedFor::Chain if rejection.text.ends_with("certificate has expired") => {
            CertificateError::Expired
        }
        RejectedFor::Chain if rejection.text.ends_with("certificate revoked") => CertificateError::Revoked,
        RejectedFor::Chain if rejection.text.ends_with("not yet valid") => CertificateError::NotValidYet,
        RejectedFor::Chain => CertificateError::UnknownIssuer,
        // Told as "certificate unknown".
        RejectedFor::SubjectAltName | RejectedFor::Hash => {
            CertificateError::Other(OtherError(Arc::new(std::io::Error::other("refused"))))
        }
    };
    Error::InvalidCertificate(error)
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.is_required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.subjects
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let judged = self.validation.judge(end_entity, intermediates, now, PeerSide::Client, None);
        if judged.map_err(refuse)? {
            observed::note_validated();
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.check_tls12(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.check_tls13(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.schemes()
    }
}
