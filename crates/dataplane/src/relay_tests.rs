//! Bytes, ends and resets from one connection to the other.

use std::future::poll_fn;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::transport_sockets::RawBuffer;

/// A connection: the end that the relay has, and the peer's.
async fn connection() -> (TransportSocket, TcpStream) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (accepted, connected) = tokio::join!(listener.accept(), TcpStream::connect(address));
    let (ours, _) = accepted.expect("accepted");
    (TransportSocket::RawBuffer(RawBuffer::Tcp(ours)), connected.expect("connected"))
}

struct Rig {
    client: TcpStream,
    upstream: TcpStream,
    relay: tokio::task::JoinHandle<(End, Relay)>,
}

/// A client and an upstream host with a relay between them.
async fn rig(limit: usize) -> Rig {
    let (mut downstream, client) = connection().await;
    let (mut upstream, host) = connection().await;
    let relay = tokio::task::spawn_local(async move {
        let blocks = BlockPool::new();
        let mut relay = Relay::new(limit, limit);
        let mut sides = Sides { downstream: &mut downstream, upstream: &mut upstream };
        let end = poll_fn(|cx| relay.poll(&mut sides, cx, &blocks)).await;
        if end.is_reset() {
            sides.downstream.reset_on_close().expect("linger");
            sides.upstream.reset_on_close().expect("linger");
        }
        relay.release(&blocks);
        (end, relay)
    });
    Rig { client, upstream: host, relay }
}

/// Runs a test on one thread, as workers run; what does not end fails.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let tasks = tokio::task::LocalSet::new();
    let limited = async { tokio::time::timeout(Duration::from_secs(20), test).await.expect("it ends") };
    tasks.block_on(&runtime, limited);
}

async fn receive(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).await.expect("bytes");
    bytes
}

async fn receive_all(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.map(|_| bytes)
}

fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("linger");
}

#[test]
fn bytes_go_both_ways() {
    run(async {
        let mut rig = rig(1 << 20).await;
        for round in 0..100_u8 {
            rig.client.write_all(&[round; 64]).await.expect("sent");
            assert_eq!(receive(&mut rig.upstream, 64).await, [round; 64]);
            rig.upstream.write_all(&[round; 3]).await.expect("sent");
            assert_eq!(receive(&mut rig.client, 3).await, [round; 3]);
        }
        drop(rig.client);
        assert_eq!(receive_all(&mut rig.upstream).await.expect("an end"), b"");
        drop(rig.upstream);
        let (end, relay) = rig.relay.await.expect("relayed");
        assert!(matches!(end, End::Complete { last: Side::Upstream }), "{end:?}");
        assert_eq!(
            relay.to_upstream(),
            Traffic { read: 6400, written: 6400, ended: true, ..Traffic::default() }
        );
        assert_eq!(
            relay.to_downstream(),
            Traffic { read: 300, written: 300, ended: true, ..Traffic::default() }
        );
    });
}

#[test]
fn each_side_ends_on_its_own() {
    run(async {
        let mut rig = rig(1 << 20).await;
        rig.upstream.write_all(b"hello").await.expect("sent");
        rig.upstream.shutdown().await.expect("ended");
        assert_eq!(receive_all(&mut rig.client).await.expect("an end"), b"hello");
        rig.client.write_all(b"more").await.expect("sent");
        rig.client.shutdown().await.expect("ended");
        assert_eq!(receive_all(&mut rig.upstream).await.expect("an end"), b"more");
        let (end, _) = rig.relay.await.expect("relayed");
        assert!(matches!(end, End::Complete { last: Side::Downstream }), "{end:?}");
    });
}

#[test]
fn large_transfers_arrive_whole_under_any_limit() {
    run(async {
        for limit in [1, 1000, 1 << 20] {
            let sum = if limit == 1 { 20_000 } else { 3_000_000 };
            let bytes: Vec<u8> = (0..=250).cycle().take(sum).collect();
            let Rig { client, upstream, relay } = rig(limit).await;
            let (mut client_in, mut client_out) = client.into_split();
            let (mut upstream_in, mut upstream_out) = upstream.into_split();
            let send = async |out: &mut tokio::net::tcp::OwnedWriteHalf| {
                out.write_all(&bytes).await.expect("sent");
                out.shutdown().await.expect("ended");
            };
            let (mut up, mut down) = (Vec::new(), Vec::new());
            let (_, _, received, answered) = tokio::join!(
                send(&mut client_out),
                send(&mut upstream_out),
                upstream_in.read_to_end(&mut up),
                client_in.read_to_end(&mut down),
            );
            assert_eq!((received.expect("read"), answered.expect("read")), (sum, sum));
            assert!(up == bytes && down == bytes, "limit {limit}");
            let (end, _) = relay.await.expect("relayed");
            assert!(matches!(end, End::Complete { .. }), "{end:?}");
        }
    });
}

#[test]
fn a_slow_reader_slows_down_the_writer() {
    run(async {
        let rig = rig(64 * 1024).await;
        let mut sent = 0_usize;
        // More than the kernel's buffers hold: the writer must be stopped before.
        while let Ok(Ok(count)) = tokio::time::timeout(Duration::from_millis(200), async {
            rig.client.writable().await?;
            rig.client.try_write(&[7; 65_536]).or_else(|error| match error.kind() {
                io::ErrorKind::WouldBlock => Ok(0),
                _ => Err(error),
            })
        })
        .await
        {
            sent += count;
            assert!(sent < 64 << 20, "the relay keeps reading");
        }
        drop(rig.client);
        let mut upstream = rig.upstream;
        assert_eq!(receive_all(&mut upstream).await.expect("an end").len(), sent);
        drop(upstream);
        let (_, relay) = rig.relay.await.expect("relayed");
        let traffic = relay.to_upstream();
        assert!(traffic.paused > 0 && traffic.paused == traffic.resumed, "{traffic:?}");
    });
}

#[test]
fn a_reset_is_told() {
    run(async {
        let mut first = rig(1 << 20).await;
        first.client.write_all(b"x").await.expect("sent");
        receive(&mut first.upstream, 1).await;
        reset(first.client);
        let error = receive_all(&mut first.upstream).await.expect_err("a reset");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        let (end, _) = first.relay.await.expect("relayed");
        assert!(end.is_reset() && matches!(end, End::Broken { side: Side::Downstream, .. }), "{end:?}");

        let mut second = rig(1 << 20).await;
        second.client.write_all(b"x").await.expect("sent");
        second.client.shutdown().await.expect("ended");
        receive(&mut second.upstream, 1).await;
        reset(second.upstream);
        let error = receive_all(&mut second.client).await.expect_err("a reset");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        let (end, _) = second.relay.await.expect("relayed");
        assert!(end.is_reset() && matches!(end, End::Broken { side: Side::Upstream, .. }), "{end:?}");
    });
}

/// As Envoy 1.40: a client that is gone without a reset ends the session, and the upstream sees an end.
#[test]
fn a_client_that_is_gone_ends_the_session() {
    run(async {
        let mut rig = rig(1 << 20).await;
        drop(rig.client);
        assert_eq!(receive_all(&mut rig.upstream).await.expect("an end"), b"");
        let end = loop {
            if rig.relay.is_finished() || rig.upstream.write_all(b"y").await.is_err() {
                break rig.relay.await.expect("relayed").0;
            }
            tokio::task::yield_now().await;
        };
        assert!(!end.is_reset() && matches!(end, End::Broken { side: Side::Downstream, .. }), "{end:?}");
    });
}
