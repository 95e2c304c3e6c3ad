//! After a warm-up, a request and its response pass through the codec without a single allocation.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "these are tests")]

use std::alloc::System;

use ferryman_codec::{
    BodyDecoder, BodyFraming, CHUNK_END, HeaderBlock, HeaderName, Http1Settings, KnownName, RequestDecoder,
    RequestKind, ResponseDecoder, Version, encode_chunk_start, encode_last_chunk, encode_request_head,
    encode_response_head,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const REQUEST: &[u8] =
    b"POST /api/v1/items?page=2 HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: curl/8.5.0\r\n\
Accept:application/json\r\nConnection: keep-alive, x-hop\r\nX-Hop: 1\r\nX-Tenant: blue\r\n\
Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n";

const RESPONSE: &[u8] =
    b"HTTP/1.1 200 OK\r\nServer: s\r\nContent-Type: text/plain\r\nContent-Length: 002\r\n\r\nok";

struct Connection {
    settings: Http1Settings,
    request: RequestDecoder,
    response: ResponseDecoder,
    request_block: HeaderBlock,
    response_block: HeaderBlock,
    body: BodyDecoder,
    tenant: HeaderName,
    out: Vec<u8>,
}

impl Connection {
    fn new() -> Self {
        let settings = Http1Settings { enable_trailers: true, ..Http1Settings::default() };
        Connection {
            settings,
            request: RequestDecoder::new(),
            response: ResponseDecoder::new(),
            request_block: HeaderBlock::new(),
            response_block: HeaderBlock::new(),
            body: BodyDecoder::new(BodyFraming::None, &settings),
            tenant: HeaderName::new(b"x-tenant").unwrap(),
            out: Vec::new(),
        }
    }

    /// Decodes the request, edits it as a proxy would, and writes it with its body.
    fn forward_request(&mut self) {
        let block = &mut self.request_block;
        let head = self.request.decode(REQUEST, &self.settings, block).unwrap().unwrap();
        assert!(block.get_bytes(b"x-hop").is_none());
        block.remove(KnownName::Connection);
        assert!(block.set(KnownName::XRequestId, b"7b5c1f3e-93a5-4f0e-8a9f-0c2d7cbb1c11"));
        assert!(block.set_name(&self.tenant, b"green"));
        assert!(block.append_value(KnownName::XForwardedFor, b"10.0.0.1", b", "));
        assert!(block.append_value(KnownName::XForwardedFor, b"10.0.0.2", b", "));
        block.retain(|_, name, _| name != b"accept");
        encode_request_head(block, head.framing, &mut self.out).unwrap();
        self.body.begin(head.framing, &self.settings);
        let mut rest = &REQUEST[head.consumed..];
        loop {
            let step = self.body.decode(rest).unwrap();
            if !step.data.is_empty() {
                encode_chunk_start(u64::try_from(step.data.len()).unwrap(), &mut self.out);
                self.out.extend_from_slice(&rest[step.data]);
                self.out.extend_from_slice(CHUNK_END);
            }
            rest = &rest[step.consumed..];
            if step.end {
                break;
            }
        }
        encode_last_chunk(Some(self.body.trailers()), &mut self.out);
    }

    fn forward_response(&mut self) {
        let block = &mut self.response_block;
        let head =
            self.response.decode(RESPONSE, &self.settings, RequestKind::Other, block).unwrap().unwrap();
        assert!(block.set(KnownName::Server, b"envoy"));
        assert!(block.append(KnownName::XEnvoyUpstreamServiceTime, b"3"));
        encode_response_head(block, head.framing, Version::Http11, &mut self.out).unwrap();
        self.body.begin(head.framing, &self.settings);
        let step = self.body.decode(&RESPONSE[head.consumed..]).unwrap();
        assert!(step.end);
    }

    fn exchange(&mut self) {
        self.out.clear();
        self.forward_request();
        self.forward_response();
    }
}

/// A program without the test harness, which has a thread of its own that would be counted as well.
fn main() {
    let mut connection = Connection::new();
    connection.exchange();
    let first = connection.out.clone();
    let region = Region::new(ALLOCATOR);
    for _ in 0..100 {
        connection.exchange();
    }
    let change = region.change();
    assert_eq!((change.allocations, change.reallocations), (0, 0));
    assert_eq!(connection.out, first);
    assert!(
        first.ends_with(b"x-envoy-upstream-service-time: 3\r\n\r\n"),
        "{}",
        String::from_utf8_lossy(&first)
    );
    println!("nothing is allocated after the warm-up: ok");
}
