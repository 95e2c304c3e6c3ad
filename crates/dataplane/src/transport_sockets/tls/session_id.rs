//! The id of a TLS 1.2 session, as `%DOWNSTREAM_TLS_SESSION_ID%` and `%UPSTREAM_TLS_SESSION_ID%` print it.
//!
//! Owns: finding it in the messages of a handshake, which are in the clear. Does not own: sessions (`rustls`). Follows RFC
//! 5246 section 7.4.1.3, RFC 5077 section 3.3, and BoringSSL, which names a session with a ticket by the ticket's SHA-256.
//! Nobody looks where no format asks for it. Sessions of TLS 1.3 have no id.

use aws_lc_rs::digest::{SHA256, digest};

use super::client_hello::{self, Found};
use super::x509::hex;

const HANDSHAKE: u8 = 22;
const SERVER_HELLO: u8 = 2;
const NEW_SESSION_TICKET: u8 = 4;
/// Version and random, before the id in a server's hello.
const BEFORE_ID: usize = 2 + 32;
/// The lifetime, before the length of a ticket.
const BEFORE_TICKET: usize = 4;

/// What was seen of a handshake.
#[derive(Debug, Default)]
pub struct SessionIdNotes {
    offered: String,
    issued: String,
    of_server: String,
}

impl SessionIdNotes {
    /// The ticket that the client has sent.
    pub fn note_offered(&mut self, ticket: &[u8]) {
        if !ticket.is_empty() {
            self.offered = named_by(ticket);
        }
    }

    /// Records of ours: a client's hello, or a server's.
    pub fn note_sent(&mut self, records: &[u8]) {
        match client_hello::find(records) {
            Found::ClientHello(hello, _) => self.note_offered(&hello.session_ticket),
            _ => self.scan(records),
        }
    }

    /// Looks at records of the server's first messages. What is not whole is not looked at.
    pub fn scan(&mut self, records: &[u8]) {
        let mut rest = records;
        while let Some((&[kind, _, _, high, low], behind)) = rest.split_first_chunk() {
            let length = usize::from(high) << 8 | usize::from(low);
            let Some((content, behind)) = behind.split_at_checked(length) else { return };
            if kind != HANDSHAKE {
                return;
            }
            self.scan_messages(content);
            rest = behind;
        }
    }

    fn scan_messages(&mut self, content: &[u8]) {
        let mut rest = content;
        while let Some((&[kind, high, middle, low], behind)) = rest.split_first_chunk() {
            let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
            let Some((body, behind)) = behind.split_at_checked(length) else { return };
            match kind {
                SERVER_HELLO => {
                    self.of_server = server_hello_id(body).map(hex).unwrap_or_default();
                }
                NEW_SESSION_TICKET => {
                    let ticket = new_ticket(body).unwrap_or_default();
                    self.issued = if ticket.is_empty() { String::new() } else { named_by(ticket) };
                }
                _ => {}
            }
            rest = behind;
        }
    }

    /// The id; empty: there is none.
    pub fn id(self, is_client: bool, resumed: bool) -> String {
        let SessionIdNotes { offered, issued, of_server } = self;
        if is_client && !issued.is_empty() {
            return issued;
        }
        if resumed && !offered.is_empty() { offered } else { of_server }
    }
}

fn named_by(ticket: &[u8]) -> String {
    hex(digest(&SHA256, ticket).as_ref())
}

fn server_hello_id(body: &[u8]) -> Option<&[u8]> {
    let (&length, rest) = body.get(BEFORE_ID..)?.split_first()?;
    rest.get(..usize::from(length))
}

fn new_ticket(body: &[u8]) -> Option<&[u8]> {
    let (&[high, low], rest) = body.get(BEFORE_TICKET..)?.split_first_chunk()?;
    rest.get(..usize::from(high) << 8 | usize::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).expect("short");
        [&[kind, 3, 3, 0, length], content].concat()
    }

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u8::try_from(body.len()).expect("short");
        [&[kind, 0, 0, length], body].concat()
    }

    fn flight() -> Vec<u8> {
        let hello = message(SERVER_HELLO, &[&[0; BEFORE_ID][..], &[2, 0xab, 0xcd, 0, 0, 0]].concat());
        let ticket = message(NEW_SESSION_TICKET, &[0, 0, 0, 9, 0, 1, b't']);
        [record(HANDSHAKE, &[hello, message(11, b"c")].concat()), record(HANDSHAKE, &ticket)].concat()
    }

    #[test]
    fn ids() {
        let of = |notes: SessionIdNotes, is_client, resumed| notes.id(is_client, resumed);
        let scanned = |count: usize| {
            let mut notes = SessionIdNotes::default();
            notes.scan(&flight()[..count]);
            notes
        };
        let whole = flight().len();
        assert_eq!(of(scanned(whole), true, false), named_by(b"t"));
        assert_eq!(of(scanned(whole), false, false), "abcd");
        let mut offered = scanned(whole);
        offered.note_offered(b"old");
        assert_eq!(of(offered, false, true), named_by(b"old"));
        for count in 0..whole {
            let id = of(scanned(count), true, false);
            assert!(["", "abcd"].contains(&id.as_str()), "{count} {id}");
        }
    }
}
