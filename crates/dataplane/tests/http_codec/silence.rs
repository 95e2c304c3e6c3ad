//! Connections from which nothing should come.

use ferryman_dataplane::http_codec::Disturbance;
use ferryman_dataplane::transport_sockets::{RawBuffer, TransportSocket};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream, UnixStream};

use crate::connections::{LIMIT, Side};

#[tokio::test]
async fn silence_is_not_disturbed() {
    let (mut side, peer) = Side::pair();
    assert!(side.is_silent());
    drop(peer);
    assert!(matches!(side.disturbed().await, Disturbance::Ended));
    assert!(matches!(side.disturbed().await, Disturbance::Ended), "and stays so");
}

/// A client that sends its next request early gets it served; and one that sends and sends is not read on.
#[tokio::test]
async fn what_comes_early_is_kept_within_the_limit() {
    let (ours, mut peer) = UnixStream::pair().unwrap();
    let mut side = Side::new(ours, 40);
    let request = b"GET /1 HTTP/1.1\r\nhost: h\r\n\r\n";
    peer.write_all(&request.repeat(3)).await.unwrap();
    side.request_head().await.unwrap();
    let (early, ended) = (side.reader.unread_bytes(), side.reader.is_ended());
    assert_eq!((early, ended), (2 * request.len(), true), "came with the head, whose limit is larger");
    assert!(side.is_silent(), "the limit is reached");
    side.request_head().await.unwrap();
    assert!(side.is_silent(), "there is room again, but nothing has come");
    peer.write_all(&request.repeat(3)).await.unwrap();
    assert!(matches!(side.disturbed().await, Disturbance::Data));
    assert_eq!(side.reader.unread_bytes(), 40);
    assert!(side.is_silent());
    for _ in 0..4 {
        side.request_head().await.unwrap();
    }
    assert!(!side.reader.has_unread());
}

#[tokio::test]
async fn a_reset_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (ours, theirs) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    let (mut side, _unused) = Side::pair();
    side.socket = TransportSocket::RawBuffer(RawBuffer::Tcp(ours.unwrap()));
    let theirs = TransportSocket::RawBuffer(RawBuffer::Tcp(theirs.unwrap().0));
    theirs.reset_on_close().unwrap();
    drop(theirs);
    let Disturbance::Failed(error) = side.disturbed().await else { panic!() };
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert!(side.reader.unread_bytes() < LIMIT);
}
