//! Frames on the wire.
//!
//! Owns: the nine bytes before each frame, the numbers of types, flags and settings, and the writing of frames that have
//! no header block. Does not own: what a frame does.
//! Follows: RFC 9113 sections 4.1 and 6.

use super::error::ErrorCode;

/// How many bytes stand before a frame's payload.
pub(crate) const FRAME_HEADER_LEN: usize = 9;
/// What a client's side begins with.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The largest payload that everyone takes.
pub(crate) const DEFAULT_MAX_FRAME_SIZE: u32 = 16_384;
/// The largest that anyone may take.
pub(crate) const LARGEST_MAX_FRAME_SIZE: u32 = (1 << 24) - 1;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

/// Of SETTINGS and PING.
pub(crate) const ACK: u8 = 0x1;
/// Of DATA and HEADERS.
pub(crate) const END_STREAM: u8 = 0x1;
pub(crate) const END_HEADERS: u8 = 0x4;
pub(crate) const PADDED: u8 = 0x8;
pub(crate) const HAS_PRIORITY: u8 = 0x20;

pub(crate) const SETTINGS_HEADER_TABLE_SIZE: u16 = 1;
pub(crate) const SETTINGS_ENABLE_PUSH: u16 = 2;
pub(crate) const SETTINGS_MAX_CONCURRENT_STREAMS: u16 = 3;
pub(crate) const SETTINGS_INITIAL_WINDOW_SIZE: u16 = 4;
pub(crate) const SETTINGS_MAX_FRAME_SIZE: u16 = 5;
pub(crate) const SETTINGS_MAX_HEADER_LIST_SIZE: u16 = 6;
/// RFC 8441.
pub(crate) const SETTINGS_ENABLE_CONNECT_PROTOCOL: u16 = 8;

/// What stands before a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    /// 24 bits.
    pub(crate) length: u32,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    /// 31 bits; the highest is ignored when read.
    pub(crate) stream: u32,
}

impl FrameHeader {
    /// None when the input is shorter than a frame header.
    #[inline]
    pub(crate) fn parse(input: &[u8]) -> Option<Self> {
        let &[high, mid, low, kind, flags, s0, s1, s2, s3] = input.first_chunk::<FRAME_HEADER_LEN>()?;
        Some(FrameHeader {
            length: u32::from_be_bytes([0, high, mid, low]),
            kind,
            flags,
            stream: u32::from_be_bytes([s0, s1, s2, s3]) & !(1 << 31),
        })
    }

    #[inline]
    pub(crate) fn bytes(self) -> [u8; FRAME_HEADER_LEN] {
        let [_, high, mid, low] = self.length.to_be_bytes();
        let [s0, s1, s2, s3] = self.stream.to_be_bytes();
        [high, mid, low, self.kind, self.flags, s0, s1, s2, s3]
    }

    #[inline]
    pub(crate) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The payload's length.
    #[inline]
    pub(crate) fn len(self) -> usize {
        usize::try_from(self.length).unwrap_or(usize::MAX)
    }
}

fn write(length: u32, kind: u8, flags: u8, stream: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&FrameHeader { length, kind, flags, stream }.bytes());
}

pub(crate) fn write_settings(settings: impl Iterator<Item = (u16, u32)> + Clone, out: &mut Vec<u8>) {
    let count = u32::try_from(settings.clone().count()).unwrap_or(0);
    write(count * 6, SETTINGS, 0, 0, out);
    for (id, value) in settings {
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
}

pub(crate) fn write_settings_ack(out: &mut Vec<u8>) {
    write(0, SETTINGS, ACK, 0, out);
}

pub(crate) fn write_ping(flags: u8, payload: [u8; 8], out: &mut Vec<u8>) {
    write(8, PING, flags, 0, out);
    out.extend_from_slice(&payload);
}

pub(crate) fn write_goaway(last_stream: u32, code: ErrorCode, out: &mut Vec<u8>) {
    write(8, GOAWAY, 0, 0, out);
    out.extend_from_slice(&last_stream.to_be_bytes());
    out.extend_from_slice(&code.number().to_be_bytes());
}

pub(crate) fn write_window_update(stream: u32, increment: u32, out: &mut Vec<u8>) {
    write(4, WINDOW_UPDATE, 0, stream, out);
    out.extend_from_slice(&increment.to_be_bytes());
}

pub(crate) fn write_rst_stream(stream: u32, code: ErrorCode, out: &mut Vec<u8>) {
    write(4, RST_STREAM, 0, stream, out);
    out.extend_from_slice(&code.number().to_be_bytes());
}

/// Four bytes of a payload as a number.
#[inline]
pub(crate) fn number(payload: &[u8]) -> Option<u32> {
    payload.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back() {
        let header =
            FrameHeader { length: 0x12_3456, kind: HEADERS, flags: END_HEADERS, stream: 0x7fff_fffe };
        assert_eq!(FrameHeader::parse(&header.bytes()), Some(header));
        assert_eq!(FrameHeader::parse(&header.bytes()[..8]), None);
        let mut reserved = header.bytes();
        reserved[5] |= 0x80;
        assert_eq!(FrameHeader::parse(&reserved), Some(header));
    }

    #[test]
    fn frames_are_written_as_the_rfc_draws_them() {
        let mut out = Vec::new();
        write_settings([(SETTINGS_ENABLE_PUSH, 0)].into_iter(), &mut out);
        write_settings_ack(&mut out);
        write_ping(ACK, *b"12345678", &mut out);
        write_goaway(5, ErrorCode::EnhanceYourCalm, &mut out);
        write_window_update(3, 1, &mut out);
        write_rst_stream(3, ErrorCode::Cancel, &mut out);
        let expected: &[&[u8]] = &[
            b"\0\0\x06\x04\0\0\0\0\0\0\x02\0\0\0\0",
            b"\0\0\0\x04\x01\0\0\0\0",
            b"\0\0\x08\x06\x01\0\0\0\x0012345678",
            b"\0\0\x08\x07\0\0\0\0\0\0\0\0\x05\0\0\0\x0b",
            b"\0\0\x04\x08\0\0\0\0\x03\0\0\0\x01",
            b"\0\0\x04\x03\0\0\0\0\x03\0\0\0\x08",
        ];
        assert_eq!(out, expected.concat());
    }
}
