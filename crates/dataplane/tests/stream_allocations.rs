//! A request that finds an idle upstream connection allocates nothing, from the first byte read to the last one written,
//! and a large one leaves no large memory to those that come after it.
//!
//! Alone in its program: what other tests allocate would be counted too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "these are tests")]

use std::alloc::System;
use std::time::{Instant, SystemTime};

use ferryman_codec::KnownName;
use ferryman_dataplane::http_stream::StreamState;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[allow(dead_code, reason = "the other program uses all of it")]
#[path = "data_plane/rig.rs"]
mod rig;

use rig::{Rig, connection_manager, run};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const REQUEST: &[u8] =
    b"POST /a?b=c HTTP/1.1\r\nhost: example\r\nuser-agent: test\r\ncontent-length: 5\r\n\r\nhello";
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok";

async fn read_message(socket: &mut TcpStream, block: &mut [u8], end: &[u8]) {
    let mut filled = 0;
    while !block[..filled].ends_with(end) {
        filled += socket.read(&mut block[filled..]).await.unwrap();
    }
}

async fn round(client: &mut TcpStream, upstream: &mut TcpStream, block: &mut [u8]) {
    client.write_all(REQUEST).await.unwrap();
    read_message(upstream, block, b"hello").await;
    upstream.write_all(RESPONSE).await.unwrap();
    read_message(client, block, b"ok").await;
}

/// How much memory a stream keeps for the next one after heads of 60 kB.
fn kept_after_large_heads() -> usize {
    let now = Instant::now();
    let mut state = StreamState::new(now, SystemTime::now());
    let region = Region::new(ALLOCATOR);
    let value = vec![b'x'; 60_000];
    for head in [&mut state.request, &mut state.response] {
        assert!(head.append(KnownName::Cookie, &value));
    }
    drop(value);
    state.clear();
    let change = region.change();
    change.bytes_allocated - change.bytes_deallocated
}

/// All of the process is measured, the harness of the test with it: the count is that of the best of several tries.
fn main() {
    let kept = (0..20).map(|_| kept_after_large_heads()).min().unwrap();
    assert!(kept < 40_000, "{kept} bytes are kept");
    run(async {
        let rig = Rig::new(&connection_manager(), Vec::new()).await;
        let mut client = rig.connect().await;
        let mut block = vec![0; 4096];
        client.write_all(REQUEST).await.unwrap();
        let (mut upstream, _) = rig.upstream.accept().await.unwrap();
        read_message(&mut upstream, &mut block, b"hello").await;
        upstream.write_all(RESPONSE).await.unwrap();
        read_message(&mut client, &mut block, b"ok").await;
        for _ in 0..50 {
            round(&mut client, &mut upstream, &mut block).await;
        }
        let mut least = usize::MAX;
        for _ in 0..20 {
            let region = Region::new(ALLOCATOR);
            for _ in 0..20 {
                round(&mut client, &mut upstream, &mut block).await;
            }
            let change = region.change();
            least = least.min(change.allocations + change.reallocations);
        }
        assert_eq!(least, 0, "20 requests allocated");
    });
}
