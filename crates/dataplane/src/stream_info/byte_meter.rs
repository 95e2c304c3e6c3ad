//! Bytes of one side of a stream.
//!
//! Owns the sums of wire and header bytes. Does not own who counts (`http_stream`, `relay`), nor how they are written
//! (`format`).

/// Bytes of one side of a stream as they went over the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ByteMeter {
    /// Everything received: heads, framing, bodies.
    pub wire_bytes_received: u64,
    /// Everything sent.
    pub wire_bytes_sent: u64,
    /// Heads received, as on the wire (compressed for HTTP/2 and HTTP/3).
    pub header_bytes_received: u64,
    /// Heads sent, as on the wire.
    pub header_bytes_sent: u64,
    /// Heads received, after decompression; equal to `header_bytes_received` on HTTP/1.
    pub decompressed_header_bytes_received: u64,
    /// Heads sent, before compression; equal to `header_bytes_sent` on HTTP/1.
    pub decompressed_header_bytes_sent: u64,
}

impl ByteMeter {
    /// Counts a head that came in on HTTP/1: `wire` bytes, of which `headers` count as header bytes (Envoy: names
    /// and values, and three bytes for each field).
    #[inline]
    pub fn receive_head(&mut self, wire: u64, headers: u64) {
        self.wire_bytes_received += wire;
        self.header_bytes_received += headers;
        self.decompressed_header_bytes_received += headers;
    }

    /// Counts a head that went out on HTTP/1: `wire` bytes, of which `headers` are field lines (without the first
    /// line and the empty one).
    #[inline]
    pub fn send_head(&mut self, wire: u64, headers: u64) {
        self.wire_bytes_sent += wire;
        self.header_bytes_sent += headers;
        self.decompressed_header_bytes_sent += headers;
    }
}
