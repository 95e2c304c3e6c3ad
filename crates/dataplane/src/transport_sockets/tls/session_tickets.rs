//! Session tickets: what a client brings back to go on with a former session.
//!
//! Owns: encrypting and decrypting them under keys that are bound to a filter chain and its configuration, so that a ticket
//! of another one is none. Does not own: what is in them (`rustls`). Follows RFC 5077 and RFC 8446 section 4.6.1; Envoy's
//! `TlsSessionTicketKeys`: the first key encrypts, all of them decrypt.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use rustls::server::ProducesTickets;

use crate::model::tls::Bytes;

const NAME_BYTES: usize = 16;
/// What a configured key has, as in OpenSSL.
const KEY_BYTES: usize = 80;
const SECRET_BYTES: usize = 32;

struct TicketKey {
    name: [u8; NAME_BYTES],
    key: LessSafeKey,
}

/// The keys of a filter chain.
pub struct SessionTickets {
    keys: Vec<TicketKey>,
    lifetime_s: u32,
}

impl fmt::Debug for SessionTickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionTickets({} keys)", self.keys.len())
    }
}

impl SessionTickets {
    /// From the configured secrets, or without any from a random one. `bound_to` tells one filter chain and configuration
    /// from all others.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn new(secrets: &[&[u8]], bound_to: &[u8], lifetime_s: u32) -> Result<Arc<Self>, String> {
        let mut random = [0; SECRET_BYTES];
        let mut all = secrets.to_vec();
        if all.is_empty() {
            SystemRandom::new().fill(&mut random).map_err(|_| "no randomness".to_owned())?;
            all.push(&random);
        }
        let keys = all.iter().map(|secret| derive(secret, bound_to)).collect::<Option<Vec<_>>>();
        let keys = keys.ok_or_else(|| "no session ticket key could be made".to_owned())?;
        Ok(Arc::new(SessionTickets { keys, lifetime_s }))
    }
}

/// A key of the length that keys have.
///
/// # Errors
/// It has another.
pub fn checked(key: Bytes) -> Result<Bytes, String> {
    match key.0.len() {
        KEY_BYTES => Ok(key),
        other => Err(format!("a session ticket key has {KEY_BYTES} bytes, and this one {other}")),
    }
}

fn derive(secret: &[u8], bound_to: &[u8]) -> Option<TicketKey> {
    let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let part = |purpose: &[u8]| hmac::sign(&secret, &[purpose, bound_to].concat());
    let name = part(b"name").as_ref().first_chunk().copied()?;
    let key = UnboundKey::new(&AES_256_GCM, part(b"key").as_ref()).ok()?;
    Some(TicketKey { name, key: LessSafeKey::new(key) })
}

impl ProducesTickets for SessionTickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        self.lifetime_s
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let TicketKey { name, key } = self.keys.first()?;
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut sealed = plain.to_vec();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(name), &mut sealed)
            .ok()?;
        Some([&name[..], &nonce, &sealed].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (name, rest) = ticket.split_first_chunk::<NAME_BYTES>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let key = self.keys.iter().find(|key| key.name == *name)?;
        let mut plain = sealed.to_vec();
        let opened =
            key.key.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(name), &mut plain).ok()?;
        let length = opened.len();
        plain.truncate(length);
        Some(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickets_are_bound_and_old_keys_still_open_them() {
        let (one, two) = ([1; 80], [2; 80]);
        let make = |secrets: &[&[u8]], bound: &[u8]| SessionTickets::new(secrets, bound, 7).expect("tickets");
        let ticket = make(&[&one], b"a").encrypt(b"session").expect("a ticket");
        assert_eq!(make(&[&one], b"a").decrypt(&ticket).as_deref(), Some(&b"session"[..]));
        assert_eq!(make(&[&two, &one], b"a").decrypt(&ticket).as_deref(), Some(&b"session"[..]));
        assert_eq!(make(&[&two], b"a").decrypt(&ticket), None);
        assert_eq!(make(&[&one], b"b").decrypt(&ticket), None);
        assert_eq!(make(&[], b"a").decrypt(&ticket), None);
        for end in 0..ticket.len() {
            assert_eq!(make(&[&one], b"a").decrypt(&ticket[..end]), None);
        }
    }
}
