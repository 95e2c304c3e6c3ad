//! Long bodies through a writer and a reader: nothing lost, and no more held than allowed.

use std::task::{Context, Poll, Waker};

use ferryman_codec::{BodyFraming, RequestKind, Version};
use tokio::net::UnixStream;

use crate::connections::{FRAMINGS, LIMIT, Side, body, response};

/// Writes a body in pieces of these sizes, taking turns with a reader that consumes in these sizes.
async fn relay(framing: BodyFraming, sent: &[u8], pieces: &[usize], reads: &[usize]) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (mut from, mut to) = (Side::new(ours, LIMIT), Side::new(theirs, 24 * 1024));
    let write = async move {
        from.writer.start_response(&response("200"), framing, Version::Http11).unwrap();
        let (mut rest, mut sizes) = (sent, pieces.iter().cycle());
        while !rest.is_empty() {
            let size = sizes.next().copied().unwrap_or(1).min(rest.len());
            let (piece, after) = rest.split_at(size);
            from.write_all(piece).await.unwrap();
            assert!(from.writer.pending_len() <= 16 * 1024 + 64);
            rest = after;
        }
        from.writer.finish(None);
        from.flush().await.unwrap();
        from.writer.wire_bytes()
    };
    let read = async {
        let head = to.response_head(RequestKind::Other).await.unwrap();
        assert_eq!(head.framing, framing);
        let (mut got, mut sizes) = (Vec::new(), reads.iter().cycle());
        while !to.reader.is_ended() {
            to.data().await.unwrap();
            let held = to.reader.data();
            let size = sizes.next().copied().unwrap_or(1).min(held.len());
            got.extend_from_slice(held.get(..size).unwrap());
            to.reader.consume(size, &to.pool);
            assert!(to.reader.unread_bytes() <= LIMIT);
        }
        got
    };
    let (wire_bytes, got) = tokio::join!(write, read);
    assert!(got == sent, "{framing:?} {pieces:?} {reads:?}");
    assert_eq!(to.reader.wire_bytes(), wire_bytes);
    assert_eq!(to.reader.received_bytes(), wire_bytes);
}

#[tokio::test]
async fn pieces_of_all_sizes_arrive_whole() {
    let sent = body(700_000);
    for framing in FRAMINGS {
        for pieces in [&[700_000][..], &[4096, 4097], &[1, 20_000, 300, 100_000], &[50_000, 7]] {
            for reads in [&[usize::MAX][..], &[5000, 1, 70_000]] {
                relay(framing(sent.len()), &sent, pieces, reads).await;
            }
        }
    }
}

/// A peer that reads nothing stops the writer, and is given what it missed when it reads again.
#[tokio::test]
async fn a_slow_peer_holds_the_writer_back() {
    let large = &body(LIMIT);
    for framing in FRAMINGS {
        let (mut side, peer) = Side::pair();
        let framing = framing(large.len());
        side.writer.start_response(&response("200"), framing, Version::Http11).unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        let mut taken = 0;
        while let Poll::Ready(count) =
            side.writer.poll_write(&mut side.socket, &mut cx, large.get(taken..).unwrap())
        {
            taken += count.unwrap();
        }
        assert!(taken < large.len() && side.writer.pending_len() < 100, "{framing:?} {taken}");
        let mut other = Side::new(peer, LIMIT);
        let (got, ()) = tokio::join!(
            async {
                other.response_head(RequestKind::Other).await.unwrap();
                other.body().await.unwrap()
            },
            async move {
                side.write_all(large.get(taken..).unwrap()).await.unwrap();
                side.writer.finish(None);
                side.flush().await.unwrap();
            }
        );
        assert!(got == *large, "{framing:?}");
    }
}

/// Bytes are read only as they are consumed.
#[tokio::test]
async fn a_reader_that_does_not_consume_holds_the_peer_back() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (mut from, mut to) = (Side::new(ours, LIMIT), Side::new(theirs, 10_000));
    from.writer.start_response(&response("200"), BodyFraming::UntilClose, Version::Http11).unwrap();
    from.write_all(&body(100_000)).await.unwrap();
    to.response_head(RequestKind::Other).await.unwrap();
    let with_head = to.reader.received_bytes();
    for _ in 0..3 {
        to.data().await.unwrap();
    }
    assert_eq!(to.reader.received_bytes(), with_head, "the data that is there is to be consumed first");
    let mut rest = 100_000;
    while rest > 0 {
        to.data().await.unwrap();
        let count = to.reader.data().len();
        assert!(rest == 100_000 || count <= 10_000);
        rest -= count;
        to.reader.consume(count, &to.pool);
    }
}
