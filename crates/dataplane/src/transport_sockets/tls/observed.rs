//! What is seen within one step of a handshake, by those whom `rustls` calls.
//!
//! Owns: handing that to the connection whose step it was: `rustls` calls back without saying for whom. A step does not
//! wait, so what was noted on this thread since the step began belongs to it.

use std::cell::RefCell;
use std::sync::Arc;

use rustls::SignatureScheme;

use super::peer::Issuer;
use super::x509::Certificate;

/// What one of our certificates says.
pub type OurCertificate = Arc<Certificate>;

/// What was seen.
#[derive(Debug, Default)]
pub struct Observed {
    /// Which of our certificates was chosen.
    pub certificate: Option<OurCertificate>,
    /// The name that the client asked for.
    pub server_name: Option<String>,
    /// What the peer has signed with.
    pub signature_scheme: Option<SignatureScheme>,
    /// Why the peer's certificate was refused.
    pub rejection: Option<Rejection>,
    /// Whether the peer's certificate is proven.
    pub validated: bool,
    /// Who vouches for it, where that is asked for.
    pub issuer: Option<Issuer>,
}

/// What of a peer's certificate will not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectedFor {
    /// Nobody vouches for it.
    Chain,
    /// Its names.
    SubjectAltName,
    /// Its hash, or that of its key.
    Hash,
}

/// Why a peer's certificate was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// What will not do.
    pub cause: RejectedFor,
    /// In Envoy's words.
    pub text: String,
}

thread_local! {
    static OBSERVED: RefCell<Observed> = RefCell::default();
}

fn note(change: impl FnOnce(&mut Observed)) {
    OBSERVED.with_borrow_mut(change);
}

/// This certificate was chosen for a client that asked for this name.
pub fn note_certificate(certificate: &OurCertificate, server_name: Option<&str>) {
    note(|observed| {
        observed.certificate = Some(Arc::clone(certificate));
        observed.server_name = server_name.map(str::to_owned);
    });
}

/// The peer has signed so.
pub fn note_signature(scheme: SignatureScheme) {
    note(|observed| observed.signature_scheme = Some(scheme));
}

/// The peer's certificate was refused.
pub fn note_rejection(rejection: Rejection) {
    note(|observed| observed.rejection = Some(rejection));
}

/// The peer's certificate is proven.
pub fn note_validated() {
    note(|observed| observed.validated = true);
}

/// Who vouches for the peer's certificate.
pub fn note_issuer(issuer: Option<Issuer>) {
    note(|observed| observed.issuer = issuer);
}

/// Takes what was noted since the last time.
pub fn take() -> Observed {
    OBSERVED.take()
}
