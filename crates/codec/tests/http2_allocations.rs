//! After a warm-up, a request and its response pass through both roles without a single allocation.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "these are tests")]

use std::alloc::System;

use ferryman_codec::{HeaderBlock, Http2Connection, Http2Event, Http2Settings, KnownName, Role};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

struct Pair {
    client: Http2Connection,
    server: Http2Connection,
    request: HeaderBlock,
    response: HeaderBlock,
    trailers: HeaderBlock,
    block: HeaderBlock,
    wire: Vec<u8>,
    count: u32,
}

impl Pair {
    fn new() -> Self {
        let settings = Http2Settings::default();
        let mut pair = Pair {
            client: Http2Connection::new(Role::Client, settings),
            server: Http2Connection::new(Role::Server, settings),
            request: HeaderBlock::new(),
            response: HeaderBlock::new(),
            trailers: HeaderBlock::new(),
            block: HeaderBlock::new(),
            wire: Vec::new(),
            count: 0,
        };
        for (name, value) in [
            (KnownName::Method, &b"POST"[..]),
            (KnownName::Scheme, b"https"),
            (KnownName::Authority, b"shop.example.com"),
            (KnownName::Path, b"/api/v1/items?page=2"),
            (KnownName::UserAgent, b"curl/8.5.0"),
            (KnownName::Cookie, b"session=0123456789abcdef; theme=dark"),
        ] {
            assert!(pair.request.append(name, value));
        }
        assert!(pair.response.append(KnownName::Status, b"200"));
        assert!(pair.response.append(KnownName::ContentType, b"text/plain"));
        assert!(pair.trailers.append(KnownName::GrpcStatus, b"0"));
        pair
    }

    /// Takes what one side has to send into `wire`.
    fn send(wire: &mut Vec<u8>, from: &mut Http2Connection) {
        wire.clear();
        wire.extend_from_slice(from.pending());
        from.mark_sent(wire.len());
    }

    fn exchange(&mut self) {
        self.count += 1;
        let value = self.count.to_be_bytes().map(|byte| b'a' + byte % 26);
        assert!(self.request.set(KnownName::XRequestId, &value));
        let stream = self.client.open(&self.request, false).unwrap();
        assert_eq!(self.client.send_data(stream, &[b'x'; 1000], true), Ok(1000));
        Self::send(&mut self.wire, &mut self.client);
        let mut rest = &self.wire[..];
        loop {
            let received = self.server.receive(rest, &mut self.block).unwrap();
            rest = &rest[received.consumed..];
            match received.event {
                None => break,
                Some(Http2Event::Data { data, .. }) => self.server.consume(stream, data.len()),
                Some(_) => {}
            }
        }
        self.server.send_response(stream, &self.response, false).unwrap();
        assert_eq!(self.server.send_data(stream, b"hello", false), Ok(5));
        self.server.send_trailers(stream, &self.trailers).unwrap();
        Self::send(&mut self.wire, &mut self.server);
        let mut rest = &self.wire[..];
        loop {
            let received = self.client.receive(rest, &mut self.block).unwrap();
            rest = &rest[received.consumed..];
            match received.event {
                None => break,
                Some(Http2Event::Data { data, .. }) => self.client.consume(stream, data.len()),
                Some(_) => {}
            }
        }
        assert_eq!((self.client.active_streams(), self.server.active_streams()), (0, 0));
    }
}

/// A program without the test harness, which has a thread of its own that would be counted as well.
fn main() {
    let mut pair = Pair::new();
    // The tables of both directions are full, and their memory is as large as it gets.
    for _ in 0..20_000 {
        pair.exchange();
    }
    let region = Region::new(ALLOCATOR);
    for _ in 0..1000 {
        pair.exchange();
    }
    let change = region.change();
    assert_eq!((change.allocations, change.reallocations), (0, 0));
    println!("nothing is allocated after the warm-up: ok");
}
