//! What holds for all input: shared by the property tests and the fuzz targets.

use ferryman_codec::{Http2Connection, Http2ErrorKind, Http2Settings, Role};

use crate::wire::{self, feed_into};

fn settings() -> Http2Settings {
    Http2Settings { allow_connect: true, stream_error_on_invalid_message: true, ..Http2Settings::default() }
}

/// A connection to which the input may come: as a client it has sent two requests.
fn connection(role: Role) -> Http2Connection {
    let mut connection = wire::opened(role, settings());
    if role == Role::Client {
        let mut block = ferryman_codec::HeaderBlock::new();
        for (name, value) in [(":method", "GET"), (":path", "/"), (":authority", "a")] {
            let name = ferryman_codec::HeaderName::new(name.as_bytes()).unwrap();
            assert!(block.set_name(&name, value.as_bytes()));
        }
        for _ in 0..2 {
            connection.open(&block, false).unwrap();
        }
    }
    connection
}

/// What input comes to when it is received in pieces of these sizes, the last of which goes on.
fn outcome(role: Role, input: &[u8], sizes: &[usize]) -> (Vec<String>, Option<Http2ErrorKind>) {
    let mut connection = connection(role);
    let (mut events, mut unread, mut rest) = (Vec::new(), Vec::new(), input);
    let mut sizes = sizes.iter().copied();
    let mut size = usize::MAX;
    while !rest.is_empty() {
        size = sizes.next().unwrap_or(size).max(1);
        let (piece, behind) = rest.split_at(rest.len().min(size));
        rest = behind;
        unread.extend_from_slice(piece);
        match feed_into(&mut connection, &unread, &mut events) {
            Ok(consumed) => drop(unread.drain(..consumed)),
            Err(error) => return (events, Some(error.kind)),
        }
        assert!(unread.len() <= 16_384 + 9, "{} bytes are not read", unread.len());
        assert!(connection.active_streams() <= 1024);
        assert!(connection.pending().len() <= 64 * input.len() + 1024);
    }
    (events, None)
}

/// Whatever the bytes are: they end the same way however they are split, and nothing grows beyond its limit.
pub fn frames(input: &[u8], sizes: &[usize]) {
    for role in [Role::Server, Role::Client] {
        let whole = outcome(role, input, &[]);
        assert_eq!(outcome(role, input, sizes), whole, "{role:?} {sizes:?}");
        assert_eq!(outcome(role, input, &[1]), whole, "{role:?} byte by byte");
    }
}

/// Whatever a header block holds: it is taken, refused, or ends the connection, alone and after itself.
pub fn header_block(block: &[u8]) {
    let block = &block[..block.len().min(16_384)];
    let head = wire::frame(wire::HEADERS, wire::END_HEADERS | wire::END_STREAM, 1, block);
    let again = wire::frame(wire::HEADERS, wire::END_HEADERS | wire::END_STREAM, 3, block);
    frames(&[head, again].concat(), &[9 + block.len() / 2]);
}
