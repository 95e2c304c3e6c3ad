//! Heads and bodies as they come in, whole and in pieces.

use ferryman_codec::{BodyFraming, ErrorKind, KnownName, RequestKind};
use ferryman_dataplane::http_codec::{Http1Reader, ReadError};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

use crate::connections::Side;

const POST: &[u8] = b"POST /a HTTP/1.1\r\nhost: one\r\ncontent-length: 5\r\n\r\nhello";
const CHUNKED: &[u8] = b"PUT /b HTTP/1.1\r\nhost: two\r\ntransfer-encoding: chunked\r\n\r\n\
    4;x=y\r\nchun\r\n2\r\nks\r\n0\r\nchecksum: 7\r\n\r\n";
const GET: &[u8] = b"GET /c HTTP/1.1\r\nhost: three\r\n\r\n";

async fn expect_the_three(side: &mut Side) {
    let head = side.request_head().await.unwrap();
    assert_eq!(side.block.get(KnownName::Path), Some(&b"/a"[..]));
    assert_eq!(head.framing, BodyFraming::Length(5));
    assert_eq!(side.body().await.unwrap(), b"hello");
    assert_eq!(side.reader.wire_bytes(), POST.len() as u64);

    side.request_head().await.unwrap();
    assert_eq!(side.block.get(KnownName::Path), Some(&b"/b"[..]));
    assert_eq!(side.reader.framing(), BodyFraming::Chunked);
    assert_eq!(side.body().await.unwrap(), b"chunks");
    assert_eq!(side.reader.trailers().get_bytes(b"checksum"), Some(&b"7"[..]));
    assert_eq!(side.reader.wire_bytes(), CHUNKED.len() as u64);

    side.request_head().await.unwrap();
    assert_eq!(side.block.get(KnownName::Path), Some(&b"/c"[..]));
    assert!(side.reader.is_ended() && side.reader.trailers().is_empty());
    assert_eq!(side.reader.wire_bytes(), GET.len() as u64);
}

#[tokio::test]
async fn pipelined_requests_cut_at_every_byte() {
    let stream = [POST, CHUNKED, GET].concat();
    for cut in 1..=stream.len() {
        let (mut side, mut peer) = Side::pair();
        let (first, second) = stream.split_at(cut);
        peer.write_all(first).await.unwrap();
        let ((), ()) = tokio::join!(expect_the_three(&mut side), async {
            // The reader has taken all it can by the time this runs.
            tokio::task::yield_now().await;
            peer.write_all(second).await.unwrap();
        });
        assert!(!side.reader.has_unread());
        assert_eq!(side.reader.received_bytes(), stream.len() as u64);
        drop(peer);
        assert!(matches!(side.request_head().await, Err(ReadError::Ended { clean: true })));
    }
}

#[tokio::test]
async fn requests_that_come_byte_by_byte() {
    let (mut side, mut peer) = Side::pair();
    let ((), ()) = tokio::join!(expect_the_three(&mut side), async {
        for byte in [POST, CHUNKED, GET].concat() {
            peer.write_all(&[byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
    });
}

#[tokio::test]
async fn responses_of_every_framing() {
    let (mut side, mut peer) = Side::pair();
    peer.write_all(
        b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n",
    )
    .await
    .unwrap();
    peer.write_all(b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n\r\nto the end").await.unwrap();
    drop(peer);
    let hints = side.response_head(RequestKind::Head).await.unwrap();
    assert!(hints.informational && side.block.get_bytes(b"link").is_some());
    let head = side.response_head(RequestKind::Head).await.unwrap();
    assert_eq!((head.status, head.framing), (200, BodyFraming::None));
    assert!(side.reader.is_ended(), "the answer to HEAD has no body");
    assert_eq!(side.reader.wire_bytes(), 37 + 38, "both heads");
    assert_eq!(side.response_head(RequestKind::Other).await.unwrap().status, 204);
    assert_eq!(side.reader.wire_bytes(), 27);
    let head = side.response_head(RequestKind::Other).await.unwrap();
    assert_eq!((head.framing, head.keep_alive), (BodyFraming::UntilClose, false));
    assert_eq!(side.body().await.unwrap(), b"to the end");
    assert!(side.reader.is_closed());
}

#[tokio::test]
async fn an_end_between_messages_is_clean_and_any_other_is_not() {
    for (sent, clean) in [
        (&b""[..], true),
        (b"\r\n\r\n", true),
        (b"G", false),
        (b"\r\nGET / HTTP/1.1\r\nhost: h\r\n\r", false),
    ] {
        let (mut side, mut peer) = Side::pair();
        peer.write_all(sent).await.unwrap();
        drop(peer);
        for _ in 0..2 {
            let Err(ReadError::Ended { clean: answered }) = side.request_head().await else { panic!() };
            assert_eq!(answered, clean, "{sent:?}");
        }
    }
    for sent in [POST.get(..POST.len() - 1).unwrap(), CHUNKED.get(..CHUNKED.len() - 1).unwrap()] {
        let (mut side, mut peer) = Side::pair();
        peer.write_all(sent).await.unwrap();
        drop(peer);
        side.request_head().await.unwrap();
        assert!(matches!(side.body().await, Err(ReadError::Ended { clean: false })));
    }
}

#[tokio::test]
async fn broken_rules_are_told() {
    for (sent, kind) in [
        (&b"GET / HTTP/1.1\r\nhost: h\r\nhost: h\r\n\r\n"[..], ErrorKind::DuplicateHost),
        (b"GET / HTTP/1.1\n", ErrorKind::BareLf),
    ] {
        let (mut side, mut peer) = Side::pair();
        peer.write_all(sent).await.unwrap();
        let Err(ReadError::Codec(error)) = side.request_head().await else { panic!() };
        assert_eq!(error.kind, kind);
    }
    let (mut side, mut peer) = Side::pair();
    let bad_chunk = b"PUT / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab";
    peer.write_all(bad_chunk).await.unwrap();
    side.request_head().await.unwrap();
    let Err(ReadError::Codec(error)) = side.body().await else { panic!() };
    assert_eq!(error.kind, ErrorKind::InvalidChunkEnd);
}

#[tokio::test]
async fn a_body_is_not_taken_for_the_next_head() {
    let (mut side, mut peer) = Side::pair();
    peer.write_all(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 33\r\n\r\n").await.unwrap();
    peer.write_all(GET).await.unwrap();
    side.request_head().await.unwrap();
    let Err(ReadError::Codec(error)) = side.request_head().await else { panic!() };
    assert_eq!(error.kind, ErrorKind::ExtraneousData);
}

/// A head and trailers may be as large as the settings say, whatever the limit for bodies.
#[tokio::test]
async fn a_head_may_be_larger_than_the_limit() {
    for (size, fits) in [(60 * 1024, true), (60 * 1024 + 1, false)] {
        let (ours, mut peer) = UnixStream::pair().unwrap();
        let mut side = Side::new(ours, 100);
        let rest = b"GET / HTTP/1.1\r\nhost: h\r\nx: \r\n\r\n".len();
        let head = format!("GET / HTTP/1.1\r\nhost: h\r\nx: {}\r\n\r\n", "v".repeat(size - rest));
        peer.write_all(head.as_bytes()).await.unwrap();
        match side.request_head().await {
            Ok(head) => assert_eq!((head.consumed, fits), (size, true)),
            Err(ReadError::Codec(error)) => {
                assert_eq!((error.kind, fits), (ErrorKind::HeadersTooLarge, false));
            }
            Err(error) => panic!("{error}"),
        }
    }
    let (ours, mut peer) = UnixStream::pair().unwrap();
    let mut side = Side::new(ours, 100);
    peer.write_all(b"PUT / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n0\r\nt: ").await.unwrap();
    peer.write_all(&[b'v'; 10_000]).await.unwrap();
    peer.write_all(b"\r\n\r\n").await.unwrap();
    side.request_head().await.unwrap();
    assert_eq!(side.body().await.unwrap(), b"");
    assert_eq!(side.reader.trailers().get_bytes(b"t").map(<[u8]>::len), Some(10_000));
}

#[tokio::test]
async fn a_tunnel_is_data_to_the_end() {
    let (mut side, mut peer) = Side::pair();
    peer.write_all(b"GET / HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nfra")
        .await
        .unwrap();
    assert!(side.request_head().await.unwrap().upgrade);
    side.reader.begin_tunnel();
    peer.write_all(b"mes").await.unwrap();
    drop(peer);
    assert_eq!(side.body().await.unwrap(), b"frames");
}

#[tokio::test]
async fn a_release_leaves_nothing_behind() {
    let (mut side, mut peer) = Side::pair();
    peer.write_all(POST).await.unwrap();
    side.request_head().await.unwrap();
    side.data().await.unwrap();
    assert_eq!(side.reader.unread_bytes(), 5);
    side.reader.release(&side.pool);
    assert_eq!((side.reader.data(), side.reader.unread_bytes()), (&b""[..], 0));
    assert!(!Http1Reader::new(0).has_unread());
}
