//! What gRPC makes of the bodies of HTTP messages.
//!
//! Owns: where messages begin and end in a body, and which messages are those of a call. Does not own: what is in a message,
//! the names of statuses (`format/grpc_status.rs`), filters and calls.
//! Follows grpc/doc/PROTOCOL-HTTP2.md, "Length-Prefixed-Message".

use ferryman_codec::{HeaderBlock, KnownName};

use crate::format::grpc_status::is_grpc_type;

pub(crate) use crate::format::grpc_status::is_grpc_request;

/// How long the prefix of a message is: a byte of flags, four of length.
pub const PREFIX_BYTES: usize = 5;

/// The prefix of a message that is not compressed; `None`: no message is that long.
#[must_use]
pub fn prefix(length: usize) -> Option<[u8; PREFIX_BYTES]> {
    let [a, b, c, d] = u32::try_from(length).ok()?.to_be_bytes();
    Some([0, a, b, c, d])
}

/// Whether a response is one to a call. One that ends with its head says how the call ended.
pub(crate) fn is_grpc_response(head: &HeaderBlock, end_stream: bool) -> bool {
    if end_stream {
        return head.contains(KnownName::GrpcStatus);
    }
    head.get(KnownName::Status) == Some(b"200")
        && is_grpc_type(head.get(KnownName::ContentType).unwrap_or_default())
}

/// Where in a body the next byte lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MessageBorders {
    /// How many bytes of the prefix have come.
    prefix: u8,
    /// The length, as far as it has come; then what is left of the message.
    rest: u32,
    /// How many messages have begun.
    pub count: u64,
}

/// How a piece of a body is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// So many bytes belong to one message.
    pub bytes: usize,
    /// Whether they end it.
    pub ends: bool,
}

impl MessageBorders {
    /// The first bytes of a piece that belong to one message; none are left out. `data` must not be empty.
    pub fn step(&mut self, data: &[u8]) -> Step {
        let mut taken = 0;
        while usize::from(self.prefix) < PREFIX_BYTES {
            let Some(&byte) = data.get(taken) else { return Step { bytes: taken, ends: false } };
            match self.prefix {
                0 => (self.count, self.rest) = (self.count + 1, 0),
                _ => self.rest = self.rest << 8 | u32::from(byte),
            }
            self.prefix += 1;
            taken += 1;
        }
        let here = data.len() - taken;
        let rest = usize::try_from(self.rest).unwrap_or(usize::MAX);
        if here >= rest {
            self.prefix = 0;
            return Step { bytes: taken + rest, ends: true };
        }
        self.rest -= u32::try_from(here).unwrap_or(self.rest);
        Step { bytes: data.len(), ends: false }
    }

    /// Goes over a whole piece; answers how many messages begin in it.
    pub fn pass(&mut self, mut data: &[u8]) -> u64 {
        let before = self.count;
        while !data.is_empty() {
            let step = self.step(data);
            data = data.get(step.bytes..).unwrap_or_default();
        }
        self.count - before
    }

    /// Whether the next byte begins a message.
    #[must_use]
    pub fn is_between(&self) -> bool {
        self.prefix == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body() -> Vec<u8> {
        let mut body = Vec::new();
        for length in [0, 1, 300, 5] {
            body.extend_from_slice(&prefix(length).unwrap());
            body.extend(std::iter::repeat_n(b'x', length));
        }
        body
    }

    #[test]
    fn messages_are_counted_however_the_body_is_cut() {
        let body = body();
        for size in 1..body.len() {
            let mut borders = MessageBorders::default();
            let begun: u64 = body.chunks(size).map(|piece| borders.pass(piece)).sum();
            assert_eq!((begun, borders.count, borders.is_between()), (4, 4, true));
        }
    }

    #[test]
    fn a_step_ends_where_its_message_does() {
        let body = body();
        let mut borders = MessageBorders::default();
        assert_eq!(borders.step(&body), Step { bytes: 5, ends: true });
        assert_eq!(borders.step(&body[5..8]), Step { bytes: 3, ends: false });
        assert_eq!(borders.step(&body[8..]), Step { bytes: 3, ends: true });
        assert_eq!(borders.step(&body[11..100]), Step { bytes: 89, ends: false });
        assert!(!borders.is_between());
    }

    #[test]
    fn the_longest_message_is_no_problem() {
        let mut borders = MessageBorders::default();
        assert_eq!(borders.pass(&[1, 0xff, 0xff, 0xff, 0xff, 7]), 1);
        assert_eq!(prefix(1 << 33), None);
    }
}
