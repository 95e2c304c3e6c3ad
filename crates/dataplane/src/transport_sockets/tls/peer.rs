//! A peer's certificate, and the texts that command operators and headers make of it.
//!
//! Owns: fingerprints, and certificates as text in header values; each is made when it is asked for, once a connection.
//! Does not own: whether the certificate is to be trusted (`validation`), nor who prints it (`format`, the HTTP connection
//! manager). Follows Envoy's pages "Access logging" and "HTTP header manipulation", section "x-forwarded-client-cert".

use std::cell::OnceCell;

use aws_lc_rs::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use rustls::pki_types::CertificateDer;

use super::x509::{Certificate, hex};
use crate::base64;

/// How long the lines of a PEM are.
const PEM_LINE: usize = 64;

/// A peer's certificate.
#[derive(Debug)]
pub struct Peer {
    /// What it says.
    pub certificate: Certificate,
    /// It, and what came with it, in DER.
    pub chain: Vec<CertificateDer<'static>>,
    /// Whether somebody vouches for it whom we trust.
    pub validated: bool,
    /// Who vouches for it, where the handshake has found that out.
    pub issuer: Option<Issuer>,
    fingerprint_256: OnceCell<Box<str>>,
    fingerprint_1: OnceCell<Box<str>>,
    pem: OnceCell<Box<[u8]>>,
}

/// The certificate that a peer's was signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    /// As hexadecimal digits in small letters.
    pub serial: String,
    /// SHA-256, as hexadecimal digits in small letters.
    pub fingerprint_256: String,
}

impl Issuer {
    /// Of the certificate in DER.
    #[must_use]
    pub fn read(der: &[u8]) -> Option<Self> {
        let serial = Certificate::read(der)?.serial;
        Some(Issuer { serial, fingerprint_256: fingerprint(&SHA256, der) })
    }
}

impl Peer {
    /// Of what the peer has shown.
    #[must_use]
    pub fn new(chain: &[CertificateDer<'static>], validated: bool, issuer: Option<Issuer>) -> Option<Peer> {
        Some(Peer {
            certificate: Certificate::read(chain.first()?)?,
            chain: chain.to_vec(),
            validated,
            issuer,
            fingerprint_256: OnceCell::new(),
            fingerprint_1: OnceCell::new(),
            pem: OnceCell::new(),
        })
    }

    /// SHA-256 of the certificate.
    pub fn fingerprint_256(&self) -> &str {
        self.fingerprint_256.get_or_init(|| fingerprint(&SHA256, self.leaf()).into())
    }

    /// SHA-1 of the certificate.
    pub fn fingerprint_1(&self) -> &str {
        self.fingerprint_1.get_or_init(|| fingerprint(&SHA1_FOR_LEGACY_USE_ONLY, self.leaf()).into())
    }

    /// The certificate as PEM, in the form that it has in header values.
    pub fn pem(&self) -> &[u8] {
        self.pem.get_or_init(|| {
            let mut text = Vec::new();
            write_pem(self.leaf(), &mut text);
            text.into()
        })
    }

    /// A certificate as PEM.
    #[must_use]
    pub fn plain_pem(der: &[u8]) -> String {
        let mut text = Vec::with_capacity(der.len() * 4 / 3 + 4);
        base64::encode(der, &mut text);
        let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
        for line in text.chunks(PEM_LINE) {
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        pem.push_str("-----END CERTIFICATE-----\n");
        pem
    }

    /// Appends all that the peer has shown, in that form.
    pub fn write_chain_pem(&self, out: &mut Vec<u8>) {
        self.chain.iter().for_each(|one| write_pem(one, out));
    }

    /// Appends SHA-256 of each certificate, with commas between.
    pub fn write_chain_fingerprints_256(&self, out: &mut Vec<u8>) {
        self.write_each(out, |der| fingerprint(&SHA256, der));
    }

    /// Appends SHA-1 of each certificate, with commas between.
    pub fn write_chain_fingerprints_1(&self, out: &mut Vec<u8>) {
        self.write_each(out, |der| fingerprint(&SHA1_FOR_LEGACY_USE_ONLY, der));
    }

    /// Appends the serial number of each certificate, with commas between.
    pub fn write_chain_serials(&self, out: &mut Vec<u8>) {
        self.write_each(out, |der| Certificate::read(der).map(|one| one.serial).unwrap_or_default());
    }

    fn write_each(&self, out: &mut Vec<u8>, text: impl Fn(&[u8]) -> String) {
        for (index, der) in self.chain.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(text(der).as_bytes());
        }
    }

    fn leaf(&self) -> &[u8] {
        self.chain.first().map(|leaf| &**leaf).unwrap_or_default()
    }
}

fn fingerprint(algorithm: &'static Algorithm, der: &[u8]) -> String {
    hex(digest(algorithm, der).as_ref())
}

/// As PEM, with what cannot stand in a header's value, or has a meaning there, as `%` and two digits.
fn write_pem(der: &[u8], out: &mut Vec<u8>) {
    for byte in Peer::plain_pem(der).bytes() {
        match byte {
            b'\n' => out.extend_from_slice(b"%0A"),
            b' ' => out.extend_from_slice(b"%20"),
            b'+' => out.extend_from_slice(b"%2B"),
            b'/' => out.extend_from_slice(b"%2F"),
            b'=' => out.extend_from_slice(b"%3D"),
            byte => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_as_header_values() {
        let mut out = Vec::new();
        write_pem(&[0xff; 50], &mut out);
        let body = format!("{}%0A{}8%3D", "%2F".repeat(64), "%2F".repeat(2));
        let expected = format!("-----BEGIN%20CERTIFICATE-----%0A{body}%0A-----END%20CERTIFICATE-----%0A");
        assert_eq!(String::from_utf8(out).expect("text"), expected);
    }
}
