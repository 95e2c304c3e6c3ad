//! Messages as they go out: how many system calls, and what is on the wire.

use std::io::ErrorKind;

use ferryman_codec::{BodyFraming, HeaderBlock, KnownName, Version};

use crate::connections::{Side, body, received, request, response};

#[tokio::test]
async fn a_small_request_is_one_write() {
    let (mut side, peer) = Side::packets();
    for _ in 0..2 {
        side.writer.start_request(&request(), BodyFraming::Length(5)).unwrap();
        side.write_all(b"he").await.unwrap();
        side.write_all(b"llo").await.unwrap();
        side.writer.finish(None);
        assert!(received(&peer).is_empty() && side.writer.has_pending());
        side.flush().await.unwrap();
        let expected = b"POST /p HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nhello";
        assert_eq!(received(&peer), [expected]);
        assert_eq!(side.writer.wire_bytes(), expected.len() as u64);
        drop(side.writer.give_back());
        assert_eq!(side.writer.wire_bytes(), 0);
    }
}

#[tokio::test]
async fn a_small_chunked_response_is_one_write() {
    let (mut side, peer) = Side::packets();
    side.writer.queue_informational(&response("100")).unwrap();
    side.writer.start_response(&response("200"), BodyFraming::Chunked, Version::Http11).unwrap();
    side.write_all(b"0123456789abcdef").await.unwrap();
    let mut trailers = HeaderBlock::new();
    trailers.append(KnownName::GrpcStatus, b"0");
    side.writer.finish(Some(&trailers));
    side.flush().await.unwrap();
    let expected = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
        10\r\n0123456789abcdef\r\n0\r\ngrpc-status: 0\r\n\r\n";
    assert_eq!(received(&peer), [expected]);
    assert_eq!(side.writer.wire_bytes(), expected.len() as u64);
}

#[tokio::test]
async fn a_large_piece_leaves_with_what_stands_around_it() {
    let large = body(64 * 1024);
    for (framing, before, behind) in [
        (BodyFraming::Length(65536), "content-length: 65536\r\n\r\n", ""),
        (BodyFraming::Chunked, "transfer-encoding: chunked\r\n\r\n10000\r\n", "\r\n"),
        (BodyFraming::UntilClose, "\r\n", ""),
    ] {
        let (mut side, peer) = Side::packets();
        side.writer.start_response(&response("200"), framing, Version::Http11).unwrap();
        assert_eq!(side.write(&large).await.unwrap(), large.len());
        let before = format!("HTTP/1.1 200 OK\r\n{before}");
        assert_eq!(received(&peer), [[before.as_bytes(), &large, behind.as_bytes()].concat()]);
        side.writer.finish(None);
        side.flush().await.unwrap();
        let last: &[&[u8]] = if framing == BodyFraming::Chunked { &[b"0\r\n\r\n"] } else { &[] };
        assert_eq!(received(&peer), last);
    }
}

#[tokio::test]
async fn small_pieces_are_gathered() {
    let (mut side, peer) = Side::packets();
    side.writer.start_response(&response("200"), BodyFraming::Length(40_000), Version::Http11).unwrap();
    for piece in body(40_000).chunks(4000) {
        side.write_all(piece).await.unwrap();
    }
    side.writer.finish(None);
    side.flush().await.unwrap();
    let packets = received(&peer);
    assert!(packets.len() <= 4 && packets.iter().all(|packet| packet.len() <= 16 * 1024));
    assert!(packets.concat().ends_with(&body(40_000)));
}

#[tokio::test]
async fn a_body_is_never_longer_than_announced() {
    for (framing, first) in
        [(BodyFraming::Length(5), &b"hello"[..]), (BodyFraming::Length(0), b""), (BodyFraming::None, b"")]
    {
        for excess in [1, 8192] {
            let (mut side, peer) = Side::packets();
            side.writer.start_request(&request(), framing).unwrap();
            side.write_all(first).await.unwrap();
            let refused = side.write(&body(excess)).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::InvalidInput);
            side.flush().await.unwrap();
            assert!(received(&peer).concat().ends_with(&[b"\r\n\r\n", first].concat()));
        }
    }
    let (mut side, _peer) = Side::packets();
    assert!(side.write(b"x").await.is_err(), "nothing is announced");
    assert_eq!(side.write(b"").await.unwrap(), 0);
}

#[tokio::test]
async fn a_body_that_is_too_short_spoils_the_connection() {
    let (mut side, peer) = Side::packets();
    side.writer.start_request(&request(), BodyFraming::Length(5)).unwrap();
    side.write_all(b"hell").await.unwrap();
    assert!(side.writer.start_request(&request(), BodyFraming::None).is_err(), "not finished");
    side.writer.finish(None);
    assert_eq!(side.flush().await.unwrap_err().kind(), ErrorKind::InvalidData);
    assert!(side.writer.start_request(&request(), BodyFraming::None).is_err());
    assert!(!side.writer.is_finished());
    assert!(received(&peer).concat().ends_with(b"hell"));
}

#[tokio::test]
async fn a_status_without_a_body_gets_none() {
    for status in ["204", "101", "199"] {
        let (mut side, peer) = Side::packets();
        side.writer.start_response(&response(status), BodyFraming::Chunked, Version::Http11).unwrap();
        assert!(side.write(b"x").await.is_err());
        side.writer.finish(None);
        side.flush().await.unwrap();
        let sent = received(&peer).concat();
        assert!(sent.ends_with(b"\r\n\r\n") && !sent.ends_with(b"0\r\n\r\n"), "{status}");
    }
    let (mut side, peer) = Side::packets();
    side.writer.start_response(&response("101"), BodyFraming::UntilClose, Version::Http11).unwrap();
    side.write_all(b"frames").await.unwrap();
    side.flush().await.unwrap();
    assert_eq!(received(&peer), [b"HTTP/1.1 101 Switching Protocols\r\n\r\nframes"]);
}

#[tokio::test]
async fn a_head_that_cannot_be_written_leaves_no_trace() {
    let (mut side, peer) = Side::packets();
    assert!(side.writer.start_response(&request(), BodyFraming::None, Version::Http11).is_err());
    assert!(side.writer.start_request(&response("200"), BodyFraming::None).is_err());
    side.flush().await.unwrap();
    assert!(received(&peer).is_empty() && side.writer.is_finished());
    assert_eq!(side.writer.wire_bytes(), 0);
}

#[tokio::test]
async fn a_peer_that_has_gone_is_an_error() {
    let (mut side, peer) = Side::pair();
    drop(peer);
    side.writer.start_request(&request(), BodyFraming::None).unwrap();
    side.writer.finish(None);
    assert_eq!(side.flush().await.unwrap_err().kind(), ErrorKind::BrokenPipe);
}
