//! Attacks: each is cut off within a thousand abusive units, and costs no memory until then.

use ferryman_codec::{HeaderBlock, Http2Connection, Http2ErrorKind, Http2Settings, KnownName, Role};

use crate::wire::*;

/// How many units are taken before the connection is cut, and why. What waits is sent each time if the peer reads.
fn cut(prelude: &[u8], reads: bool, unit: impl Fn(u32) -> Vec<u8>) -> (u32, Http2ErrorKind) {
    let settings = Http2Settings { stream_error_on_invalid_message: true, ..Http2Settings::default() };
    let mut connection = opened(Role::Server, settings);
    connection.set_now(1_000_000);
    feed(&mut connection, prelude).unwrap();
    for count in 0..20_000 {
        if let Err(error) = feed(&mut connection, &unit(count)) {
            assert!(error.kind.is_flood(), "{error}");
            assert_eq!(error.kind.code(), ferryman_codec::ErrorCode::EnhanceYourCalm);
            return (count, error.kind);
        }
        assert!(connection.pending().len() < 200_000);
        if reads {
            taken(&mut connection);
        }
    }
    panic!("never cut");
}

fn id(count: u32) -> u32 {
    2 * count + 1
}

/// Runs an attack on a connection whose peer reads all that it is sent.
fn attack(name: &str, prelude: &[Vec<u8>], kind: Http2ErrorKind, unit: impl Fn(u32) -> Vec<u8>) {
    let (count, cause) = cut(&prelude.concat(), true, unit);
    assert_eq!(cause, kind, "{name}");
    assert!(count <= 1_000, "{name}: {count}");
}

fn cancel(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, b"\0\0\0\x08")
}

#[test]
fn streams_that_are_reset() {
    use Http2ErrorKind::*;
    attack("rapid reset", &[], ResetFlood, |n| [request(id(n), GET, true), cancel(id(n))].concat());
    let bad = [GET, &[("X", b"1")]].concat();
    attack("by a malformed head", &[], ResetFlood, |n| request(id(n), &bad, true));
    attack("by a window", &[], ResetFlood, |n| {
        [request(id(n), POST, false), frame(WINDOW_UPDATE, 0, id(n), &[0; 4])].concat()
    });
    attack("by a dependency", &[], ResetFlood, |n| {
        let dependency = [&id(n).to_be_bytes()[..], &[0], &fields(GET)].concat();
        frame(HEADERS, END_HEADERS | END_STREAM | WITH_PRIORITY, id(n), &dependency)
    });
    attack("by data behind the end", &[], ResetFlood, |n| {
        [request(id(n), GET, true), frame(DATA, 0, id(n), b"x")].concat()
    });
    attack("after their end", &[request(1, POST, false), cancel(1)], UselessFlood, |_| cancel(1));
}

#[test]
fn control_frames() {
    use Http2ErrorKind::*;
    attack("pings", &[], PingFlood, |_| frame(PING, 0, 0, b"12345678"));
    attack("pongs", &[], PingFlood, |_| frame(PING, 1, 0, b"12345678"));
    attack("settings", &[], SettingsFlood, |_| frame(SETTINGS, 0, 0, b""));
    attack("settings acks", &[], SettingsFlood, |_| frame(SETTINGS, 1, 0, b""));
    attack("priorities", &[], PriorityFlood, |_| frame(PRIORITY, 0, 9, b"\0\0\0\x01\0"));
    attack("window updates", &[], WindowUpdateFlood, |_| frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\x01"));
    attack("unknown frames", &[], UselessFlood, |_| frame(99, 0, 0, b"x"));
    attack("goaways", &[], UselessFlood, |_| frame(GOAWAY, 0, 0, &[0; 8]));
}

#[test]
fn frames_that_carry_nothing() {
    use Http2ErrorKind::*;
    let open = [request(1, POST, false)];
    attack("data", &open, EmptyFramesFlood, |_| frame(DATA, 0, 1, b""));
    attack("padding", &open, EmptyFramesFlood, |_| frame(DATA, PADDED, 1, b"\x01\0"));
    let begun = [frame(HEADERS, 0, 1, b"\x82")];
    attack("empty continuations", &begun, EmptyFramesFlood, |_| frame(CONTINUATION, 0, 1, b""));
    attack("continuations", &begun, TooManyHeaderFrames, |_| frame(CONTINUATION, 0, 1, b"\x82"));
}

#[test]
fn a_peer_that_does_not_read_is_cut() {
    let settings = Http2Settings { max_concurrent_streams: 1_000_000, ..Http2Settings::default() };
    let mut connection = opened(Role::Server, settings);
    let mut block = HeaderBlock::new();
    block.set(KnownName::Status, b"204");
    let sent = (0..).find(|&count| {
        feed(&mut connection, &request(id(count), GET, true)).is_err()
            || connection.send_response(id(count), &block, true).is_err()
    });
    assert!((9_990..=10_001).contains(&sent.unwrap()), "{sent:?}");
    assert_eq!(connection.take_counts().outbound_flood, 1);
    let (_, kind) = cut(b"", false, |_| [frame(PING, 0, 0, b"12345678"), request(1, GET, true)].concat());
    assert!(kind.is_flood());
}

#[test]
fn data_waits_before_frames_are_too_many() {
    let mut connection = opened(Role::Server, Http2Settings::default());
    feed(&mut connection, &request(1, GET, true)).unwrap();
    let mut block = HeaderBlock::new();
    block.set(KnownName::Status, b"200");
    connection.send_response(1, &block, false).unwrap();
    let sent = (0..20_000).take_while(|_| connection.send_data(1, b"x", false) == Ok(1)).count();
    assert!((4_000..=5_000).contains(&sent), "{sent}");
    taken(&mut connection);
    assert_eq!(connection.next_writable(), Some(1));
}

/// Header blocks of many one-byte references to a large entry are counted, not stored.
#[test]
fn a_bomb_of_references_costs_no_memory() {
    let settings = Http2Settings { stream_error_on_invalid_message: true, ..Http2Settings::default() };
    let mut connection = Http2Connection::new(Role::Server, settings);
    let large = [&fields(GET)[..], b"\x40\x01a\x7f\x81\x1e", &[b'v'; 3968]].concat();
    let bomb = [&fields(GET)[..], &[0xbe; 15_000]].concat();
    let input =
        [PREFACE, &frame(SETTINGS, 0, 0, b""), &frame(HEADERS, 5, 1, &large), &frame(HEADERS, 5, 3, &bomb)]
            .concat();
    let mut block = HeaderBlock::new();
    let mut rest = &input[..];
    let mut last = String::new();
    while !rest.is_empty() {
        let received = connection.receive(rest, &mut block).unwrap();
        rest = &rest[received.consumed..];
        last = received.event.map(|event| format!("{event:?}")).unwrap_or(last);
    }
    assert!(last.contains("HeadersTooLarge"), "{last}");
    assert!(block.byte_size() <= 60 * 1024);
}

#[test]
fn ordinary_traffic_is_never_taken_for_a_flood() {
    let mut connection = opened(Role::Server, Http2Settings::default());
    let mut block = HeaderBlock::new();
    block.set(KnownName::Status, b"200");
    for count in 0..20_000 {
        connection.set_now(u64::from(count) / 10);
        let stream = id(count);
        let input = [
            request(stream, POST, false),
            frame(DATA, 0, stream, b"hello"),
            frame(PING, 0, 0, b"12345678"),
            frame(DATA, 1, stream, b""),
            frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\x05"),
            frame(WINDOW_UPDATE, 0, stream, b"\0\0\0\x05"),
        ];
        feed(&mut connection, &input.concat()).unwrap();
        connection.send_response(stream, &block, false).unwrap();
        assert_eq!(connection.send_data(stream, b"reply", true), Ok(5));
        taken(&mut connection);
    }
    assert_eq!(connection.active_streams(), 0);
}
