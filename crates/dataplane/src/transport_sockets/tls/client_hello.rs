//! The first message of a TLS client.
//!
//! Owns: finding out whether bytes are the begin of a TLS connection, and what the client asks for: server name and
//! application protocols. Does not own: the handshake (`rustls`), nor looking at a socket (`filters::listener`).
//! Follows RFC 8446 sections 4.1.2 and 5.1, RFC 6066 section 3, RFC 7301 section 3.1.

/// The longest record.
const RECORD_MOST: usize = 1 << 14;
const RECORD_HEADER: usize = 5;
const MESSAGE_HEADER: usize = 4;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;

/// What a client asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// In small letters; empty: none.
    pub server_name: String,
    /// In the client's order.
    pub application_protocols: Vec<Vec<u8>>,
    /// Whether TLS 1.3 will do.
    pub speaks_tls13: bool,
    /// The ticket of a session of TLS 1.2; empty: none.
    pub session_ticket: Vec<u8>,
    /// All of it, without the header of the message.
    pub body: Vec<u8>,
}

/// What bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A whole message, and the bytes that it takes with its records.
    ClientHello(Box<ClientHello>, usize),
    /// The begin of one: at least so many bytes in all are needed.
    Begin(usize),
    /// Something else.
    Other,
    /// A handshake message that is none.
    Malformed,
}

/// Looks at the first bytes of a connection.
#[must_use]
pub fn find(bytes: &[u8]) -> Found {
    let mut message = Vec::new();
    let mut rest = bytes;
    loop {
        let seen = bytes.len() - rest.len();
        let header = rest.get(..RECORD_HEADER.min(rest.len())).unwrap_or_default();
        // As soon as they differ: a client of another protocol may wait for us.
        if header.first().is_some_and(|kind| *kind != HANDSHAKE)
            || header.get(1).is_some_and(|major| *major != 3)
        {
            return if message.is_empty() { Found::Other } else { Found::Malformed };
        }
        let &[_, _, _, high, low] = header else { return Found::Begin(seen + RECORD_HEADER) };
        let length = usize::from(high) << 8 | usize::from(low);
        if length == 0 || length > RECORD_MOST {
            return Found::Malformed;
        }
        let record_end = RECORD_HEADER + length;
        let part = rest.get(RECORD_HEADER..record_end.min(rest.len())).unwrap_or_default();
        message.extend_from_slice(part);
        if message.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
            return Found::Malformed;
        }
        if let Some(&[_, high, middle, low]) = message.get(..MESSAGE_HEADER) {
            let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
            if let Some(body) = message.get(MESSAGE_HEADER..MESSAGE_HEADER + length) {
                let Some(mut hello) = read(body) else { return Found::Malformed };
                message.truncate(MESSAGE_HEADER + length);
                message.drain(..MESSAGE_HEADER);
                hello.body = message;
                return Found::ClientHello(Box::new(hello), seen + record_end.min(rest.len()));
            }
        }
        match rest.get(record_end..) {
            Some(behind) => rest = behind,
            None => return Found::Begin(seen + record_end),
        }
    }
}

/// Takes `count` bytes.
fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, behind) = rest.split_at_checked(count)?;
    *rest = behind;
    Some(taken)
}

/// Takes a vector whose length stands before it in one byte.
fn vector8<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take(rest, 1)?.first().copied()?;
    take(rest, usize::from(length))
}

/// Takes a vector whose length stands before it in two bytes.
fn vector16<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = number16(rest)?;
    take(rest, usize::from(length))
}

fn number16(rest: &mut &[u8]) -> Option<u16> {
    take(rest, 2)?.try_into().ok().map(u16::from_be_bytes)
}

/// The parts of a first message.
pub(super) struct Parts<'a> {
    /// That of old: TLS 1.3 has an extension for it.
    pub version: u16,
    /// Two bytes each.
    pub cipher_suites: &'a [u8],
    extensions: &'a [u8],
}

/// Takes a first message apart.
pub(super) fn parts(mut body: &[u8]) -> Option<Parts<'_>> {
    let rest = &mut body;
    let version = number16(rest)?;
    take(rest, 32)?;
    vector8(rest)?;
    let cipher_suites = vector16(rest)?;
    let compressions = vector8(rest)?;
    if cipher_suites.is_empty() || cipher_suites.len() % 2 != 0 || compressions.is_empty() {
        return None;
    }
    let extensions = if rest.is_empty() { &[] } else { vector16(rest)? };
    rest.is_empty().then_some(Parts { version, cipher_suites, extensions })
}

impl<'a> Parts<'a> {
    /// Takes the next extension: its kind and its content. `None`: there is none, or it is not whole.
    pub fn extension(&mut self) -> Option<(u16, &'a [u8])> {
        Some((number16(&mut self.extensions)?, vector16(&mut self.extensions)?))
    }
}

fn read(body: &[u8]) -> Option<ClientHello> {
    let mut parts = parts(body)?;
    let mut hello = ClientHello::default();
    while !parts.extensions.is_empty() {
        let (kind, mut content) = parts.extension()?;
        match kind {
            0 => hello.server_name = server_name(&mut content)?,
            16 => hello.application_protocols = protocols(&mut content)?,
            35 => hello.session_ticket = content.to_vec(),
            43 => {
                // As in Envoy, a broken list is none yet: the handshake refuses it.
                let versions = vector8(&mut content).unwrap_or_default();
                hello.speaks_tls13 = versions.chunks_exact(2).any(|version| version == [3, 4]);
            }
            _ => {}
        }
    }
    Some(hello)
}

fn server_name(content: &mut &[u8]) -> Option<String> {
    let mut names = vector16(content)?;
    let kind = take(&mut names, 1)?.first().copied()?;
    let name = vector16(&mut names)?;
    (kind == 0 && !name.is_empty() && names.is_empty() && content.is_empty())
        .then(|| String::from_utf8_lossy(name).to_ascii_lowercase())
}

fn protocols(content: &mut &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut list = vector16(content)?;
    let mut protocols = Vec::new();
    while !list.is_empty() {
        protocols.push(vector8(&mut list)?.to_vec());
    }
    (!protocols.is_empty() && content.is_empty()).then_some(protocols)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(extensions: &[u8]) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([0, 0, 2, 0x13, 1, 1, 0]);
        body.extend(u16::try_from(extensions.len()).expect("short").to_be_bytes());
        body.extend(extensions);
        let mut message = vec![1, 0];
        message.extend(u16::try_from(body.len()).expect("short").to_be_bytes());
        message.extend(body);
        message
    }

    fn record(part: &[u8]) -> Vec<u8> {
        let mut record = vec![22, 3, 1];
        record.extend(u16::try_from(part.len()).expect("short").to_be_bytes());
        record.extend(part);
        record
    }

    const NAME: &[u8] = &[0, 0, 0, 8, 0, 6, 0, 0, 3, b'A', b'.', b'b'];
    const ALPN: &[u8] = &[0, 16, 0, 5, 0, 3, 2, b'h', b'2'];

    #[test]
    fn names_and_protocols_at_every_split() {
        let message = hello(&[NAME, ALPN, &[0, 43, 0, 3, 2, 3, 4]].concat());
        let expected = ClientHello {
            server_name: "a.b".to_owned(),
            application_protocols: vec![b"h2".to_vec()],
            speaks_tls13: true,
            session_ticket: Vec::new(),
            body: message[MESSAGE_HEADER..].to_vec(),
        };
        for at in 1..message.len() {
            let (first, second) = message.split_at(at);
            let bytes = [record(first), record(second)].concat();
            for end in 0..bytes.len() {
                assert!(matches!(find(&bytes[..end]), Found::Begin(needed) if needed > end), "{at} {end}");
            }
            assert_eq!(find(&bytes), Found::ClientHello(Box::new(expected.clone()), bytes.len()));
        }
    }

    #[test]
    fn what_is_none() {
        assert_eq!(find(b"GET / HTTP/1.1\r\n"), Found::Other);
        assert_eq!(find(&[22, 2]), Found::Other);
        assert_eq!(find(&record(&[2, 0, 0, 0])), Found::Malformed);
        assert_eq!(find(&[22, 3, 1, 0, 0]), Found::Malformed);
        assert_eq!(find(&record(&hello(&[0, 0, 0, 9, 0]))), Found::Malformed);
        assert_eq!(find(&record(&hello(&[0, 16, 0, 2, 0, 0]))), Found::Malformed);
    }
}
