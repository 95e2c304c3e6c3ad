//! Our client and our server against each other, and any frames at any split.

use ferryman_codec::{ErrorCode, HeaderBlock, HeaderName, Http2Connection, Http2Settings, KnownName, Role};
use proptest::prelude::*;

use crate::invariants;
use crate::wire::*;

fn block(fields: &[(&str, &str)]) -> HeaderBlock {
    let mut block = HeaderBlock::new();
    for (name, value) in fields {
        assert!(block.append_name(&HeaderName::new(name.as_bytes()).unwrap(), value.as_bytes()), "{name}");
    }
    block
}

/// Passes on all that waits in both directions, in pieces.
fn exchange(
    client: &mut Http2Connection,
    server: &mut Http2Connection,
    size: usize,
) -> (Vec<String>, Vec<String>) {
    let (mut at_client, mut at_server) = (Vec::new(), Vec::new());
    let (mut to_client, mut to_server) = (Vec::new(), Vec::new());
    loop {
        to_server.extend(taken(client));
        to_client.extend(taken(server));
        if to_client.is_empty() && to_server.is_empty() {
            return (at_client, at_server);
        }
        for (connection, bytes, events) in
            [(&mut *client, &mut to_client, &mut at_client), (&mut *server, &mut to_server, &mut at_server)]
        {
            let all = std::mem::take(bytes);
            let mut unread = Vec::new();
            for piece in all.chunks(size) {
                unread.extend_from_slice(piece);
                let consumed = feed_into(connection, &unread, events).unwrap();
                unread.drain(..consumed);
            }
            assert!(unread.is_empty());
        }
    }
}

fn pair(settings: Http2Settings) -> (Http2Connection, Http2Connection) {
    (Http2Connection::new(Role::Client, settings), Http2Connection::new(Role::Server, settings))
}

const REQUEST: &[(&str, &str)] = &[
    (":method", "POST"),
    (":authority", "a.com"),
    (":scheme", "https"),
    (":path", "/x?y=1"),
    ("user-agent", "test"),
    ("x-team", "blue"),
    ("authorization", "secret"),
    ("cookie", "a=1; b=2"),
];

#[test]
fn a_request_and_its_response_at_every_split() {
    for size in 1..400 {
        let (mut client, mut server) = pair(Http2Settings::default());
        let stream = client.open(&block(REQUEST), false).unwrap();
        assert_eq!(client.send_data(stream, b"hello", false), Ok(5));
        client.send_trailers(stream, &block(&[("x-sum", "5")])).unwrap();
        let (at_client, at_server) = exchange(&mut client, &mut server, size);
        assert_eq!(at_client, ["SettingsChanged"]);
        assert_eq!(at_server[0], "SettingsChanged");
        assert!(at_server[1].contains(&format!("{:?}", block(REQUEST))), "{at_server:?}");
        assert_eq!(at_server[2], "Data 1 hello");
        assert!(at_server[3].contains("Trailers { stream: 1 } {\"x-sum\": \"5\"}"));
        server.send_response(stream, &block(&[(":status", "103"), ("link", "x")]), false).unwrap();
        server.send_response(stream, &block(&[(":status", "200"), ("connection", "close")]), false).unwrap();
        assert_eq!(server.send_data(stream, b"world", true), Ok(5));
        let (at_client, _) = exchange(&mut client, &mut server, size);
        assert!(at_client[0].contains("informational: true") && at_client[0].contains("\"link\": \"x\""));
        assert!(at_client[1].ends_with(" {\":status\": \"200\"}"), "{at_client:?}");
        assert_eq!(at_client[2], "Data 1 world.");
        assert_eq!((client.active_streams(), server.active_streams()), (0, 0));
    }
}

#[test]
fn an_upgrade_becomes_extended_connect_and_back() {
    let (mut client, mut server) = pair(Http2Settings { allow_connect: true, ..Http2Settings::default() });
    let upgrade =
        [&REQUEST[1..4], &[(":method", "GET"), ("upgrade", "websocket"), ("connection", "upgrade")]].concat();
    // The server has not said yet that it takes it.
    let stream = client.open(&block(&upgrade), false).unwrap();
    let (_, at_server) = exchange(&mut client, &mut server, usize::MAX);
    assert!(
        at_server[1].contains("upgrade: true") && at_server[1].contains("\"upgrade\": \"websocket\""),
        "{at_server:?}"
    );
    let switch = block(&[(":status", "101"), ("upgrade", "websocket"), ("connection", "upgrade")]);
    server.send_response(stream, &switch, false).unwrap();
    let (at_client, _) = exchange(&mut client, &mut server, usize::MAX);
    assert!(
        at_client[0].contains("upgrade: true") && at_client[0].contains("\":status\": \"101\""),
        "{at_client:?}"
    );
    assert!(at_client[0].contains("UntilClose"));
}

#[test]
fn a_head_larger_than_a_frame_is_continued() {
    let (mut client, mut server) = pair(Http2Settings::default());
    let value = "v~".repeat(10_000);
    let head = block(&[REQUEST, &[("x-large", &value)]].concat());
    client.open(&head, true).unwrap();
    let (_, at_server) = exchange(&mut client, &mut server, 1000);
    assert!(at_server[1].contains(&value));
}

#[test]
fn many_streams_share_the_connection() {
    let settings = Http2Settings {
        initial_stream_window: 5_000,
        connection_window: 70_000,
        max_pending_bytes: 3_000,
        ..Http2Settings::default()
    };
    let (mut client, mut server) = pair(settings);
    exchange(&mut client, &mut server, usize::MAX);
    let mut left: std::collections::BTreeMap<u32, usize> =
        (0..50).map(|n| (client.open(&block(REQUEST), false).unwrap(), 1_000 + 997 * n)).collect();
    let mut received = 0;
    let expected: usize = left.values().sum();
    let mut ready: Vec<u32> = left.keys().copied().collect();
    while !left.is_empty() {
        for id in ready.drain(..) {
            let missing = left.get_mut(&id).unwrap();
            *missing -= client.send_data(id, &vec![b'x'; *missing], true).unwrap();
            if *missing == 0 {
                left.remove(&id);
            }
        }
        let (_, at_server) = exchange(&mut client, &mut server, 999);
        received += at_server
            .iter()
            .filter(|event| event.starts_with("Data"))
            .map(|event| event.matches('x').count())
            .sum::<usize>();
        ready.extend(std::iter::from_fn(|| client.next_writable()));
        assert!(!ready.is_empty() || left.is_empty(), "a stream is never told that it can go on: {left:?}");
    }
    assert_eq!(received, expected);
}

#[test]
fn a_reset_is_told_to_the_other_side() {
    let (mut client, mut server) = pair(Http2Settings::default());
    let stream = client.open(&block(REQUEST), false).unwrap();
    exchange(&mut client, &mut server, usize::MAX);
    server.reset(stream, ErrorCode::EnhanceYourCalm);
    let (at_client, _) = exchange(&mut client, &mut server, usize::MAX);
    assert_eq!(at_client, ["Reset 1 EnhanceYourCalm None"]);
    assert_eq!(client.send_data(stream, b"x", true), Err(ferryman_codec::SendError::Closed));
    assert_eq!(client.take_counts().rx_reset, 1);
}

#[test]
fn what_is_out_of_order_is_refused() {
    let (mut client, mut server) = pair(Http2Settings::default());
    let stream = client.open(&block(REQUEST), true).unwrap();
    exchange(&mut client, &mut server, usize::MAX);
    let refused = Err(ferryman_codec::SendError::OutOfOrder);
    assert_eq!(server.send_data(stream, b"x", true), refused.map(|()| 0));
    assert_eq!(server.send_trailers(stream, &block(&[("x", "1")])), refused);
    assert_eq!(server.send_response(stream, &block(&[(":status", "100")]), true), refused);
    assert_eq!(server.send_response(stream, &block(&[]), true), refused);
    server.send_response(stream, &block(&[(":status", "200")]), false).unwrap();
    assert_eq!(server.send_response(stream, &block(&[(":status", "200")]), false), refused);
    let mut unwritable = block(REQUEST);
    unwritable.remove(KnownName::Path);
    assert!(client.open(&unwritable, true).is_err());
}

/// Frames that are mostly right: random streams and flags, plausible payloads.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let stream = prop_oneof![Just(0u32), (0u32..4).prop_map(|n| 2 * n + 1), 0u32..9];
    let payload = prop_oneof![
        Just(Vec::new()),
        Just(fields(GET)),
        Just(fields(&[(":status", b"200")])),
        Just(fields(&[("x", b"1")])),
        proptest::collection::vec(any::<u8>(), 0..40),
        Just(vec![0, 0, 0, 5]),
        Just(vec![0, 3, 0, 0, 0, 5]),
        Just(vec![0; 8]),
        Just(vec![b'd'; 3000]),
    ];
    (0u8..11, any::<u8>(), stream, payload)
        .prop_map(|(kind, flags, stream, payload)| frame(kind, flags & 0x2d, stream, &payload))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn frames_end_the_same_way_at_every_split(
        frames in proptest::collection::vec(any_frame(), 1..12),
        sizes in proptest::collection::vec(1usize..300, 1..20),
    ) {
        invariants::frames(&frames.concat(), &sizes);
    }

    #[test]
    fn any_bytes_end_the_same_way_at_every_split(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        invariants::frames(&bytes, &[3, 10]);
        invariants::header_block(&bytes);
    }
}
