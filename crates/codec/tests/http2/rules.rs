//! Rules of RFC 9113 about frames, streams and the connection.

use ferryman_codec::{
    ErrorCode, HeaderBlock, Http2Connection, Http2ErrorKind, Http2Settings, KnownName, Role,
};

use crate::wire::*;

fn settings() -> Http2Settings {
    Http2Settings { stream_error_on_invalid_message: true, ..Http2Settings::default() }
}

/// What the frames after the preface and SETTINGS come to, on a server.
fn outcome(input: &[Vec<u8>]) -> Result<Vec<String>, Http2ErrorKind> {
    let mut connection = opened(Role::Server, settings());
    feed(&mut connection, &input.concat()).map_err(|error| error.kind)
}

#[test]
fn the_connection_begins_with_the_preface_and_settings() {
    let mut connection = Http2Connection::new(Role::Server, settings());
    let kind = feed(&mut connection, b"GET / HTTP/1.1\r\n\r\n").unwrap_err().kind;
    assert_eq!(kind, Http2ErrorKind::InvalidPreface);
    for first in [frame(PING, 0, 0, b"12345678"), frame(SETTINGS, 1, 0, b"")] {
        let mut connection = Http2Connection::new(Role::Server, settings());
        let kind = feed(&mut connection, &[PREFACE, &first].concat()).unwrap_err().kind;
        assert_eq!(kind, Http2ErrorKind::InvalidPreface);
    }
}

#[test]
fn frames_that_end_the_connection() {
    use Http2ErrorKind::*;
    let get = request(1, GET, true);
    let open = request(1, POST, false);
    let cases: &[(&[Vec<u8>], Http2ErrorKind)] = &[
        (&[frame(DATA, 0, 0, b"a")], InvalidStreamId),
        (&[frame(DATA, 0, 1, b"a")], IdleStream),
        (&[open.clone(), frame(DATA, PADDED, 1, b"\x01")], InvalidPadding),
        (&[open.clone(), frame(DATA, PADDED, 1, b"")], FrameSize),
        (&[request(0, GET, true)], InvalidStreamId),
        (&[request(2, GET, true)], InvalidStreamId),
        (&[request(5, GET, false), request(3, GET, true)], InvalidStreamId),
        (&[frame(HEADERS, END_HEADERS | PADDED, 1, b"\x05\x82")], InvalidPadding),
        (&[frame(HEADERS, END_HEADERS | WITH_PRIORITY, 1, b"\0\0\0")], FrameSize),
        (&[frame(HEADERS, END_HEADERS, 1, b"\xff")], Compression),
        (&[frame(HEADERS, 0, 1, b"\x82"), frame(PING, 0, 0, b"12345678")], Interleaved),
        (&[frame(HEADERS, 0, 1, b"\x82"), frame(CONTINUATION, 4, 3, b"\x82")], Interleaved),
        (&[frame(CONTINUATION, 4, 1, b"\x82")], Interleaved),
        (&[frame(PRIORITY, 0, 0, b"12345")], InvalidStreamId),
        (&[frame(PRIORITY, 0, 3, b"\0\0\0\x03\0")], SelfDependency),
        (&[frame(RST_STREAM, 0, 0, b"\0\0\0\0")], InvalidStreamId),
        (&[frame(RST_STREAM, 0, 1, b"\0\0\0\0")], IdleStream),
        (&[get.clone(), frame(RST_STREAM, 0, 1, b"\0\0\0")], FrameSize),
        (&[frame(SETTINGS, 0, 1, b"")], InvalidStreamId),
        (&[frame(SETTINGS, 1, 0, b"\0")], FrameSize),
        (&[frame(SETTINGS, 0, 0, b"\0\x03\0")], FrameSize),
        (&[frame(SETTINGS, 0, 0, b"\0\x02\0\0\0\x02")], InvalidSetting),
        (&[frame(SETTINGS, 0, 0, b"\0\x04\x80\0\0\0")], InvalidWindowSetting),
        (&[frame(SETTINGS, 0, 0, b"\0\x05\0\0\0\x01")], InvalidSetting),
        (&[frame(SETTINGS, 0, 0, b"\0\x08\0\0\0\x02")], InvalidSetting),
        (&[frame(PUSH_PROMISE, 4, 1, b"\0\0\0\x02\x82")], Push),
        (&[frame(PING, 0, 1, b"12345678")], InvalidStreamId),
        (&[frame(PING, 0, 0, b"1234567")], FrameSize),
        (&[frame(GOAWAY, 0, 1, b"\0\0\0\0\0\0\0\0")], InvalidStreamId),
        (&[frame(GOAWAY, 0, 0, b"\0\0\0\0\0\0\0")], FrameSize),
        (&[frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\0")], ZeroIncrement),
        (&[frame(WINDOW_UPDATE, 0, 1, b"\0\0\0\x01")], IdleStream),
        (&[frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff")], WindowOverflow),
        (&[frame(WINDOW_UPDATE, 0, 0, b"\0\0\0")], FrameSize),
        (&[frame(SETTINGS, 0, 0, &[0; 16_386])], FrameSize),
    ];
    for (input, kind) in cases {
        assert_eq!(outcome(input), Err(*kind), "{input:?}");
    }
}

#[test]
fn frames_that_end_a_stream() {
    let last = |input: &[Vec<u8>]| outcome(input).unwrap().pop().unwrap();
    let get = request(1, GET, true);
    let open = request(1, POST, false);
    let trailers = |flags, head: &[(&str, &[u8])]| frame(HEADERS, END_HEADERS | flags, 1, &fields(head));
    for (input, expected) in [
        (vec![get.clone(), frame(DATA, 0, 1, b"a")], "Reset 1 StreamClosed Some(ClosedStream)"),
        (vec![get.clone(), get.clone()], "Reset 1 StreamClosed Some(ClosedStream)"),
        (
            vec![open.clone(), frame(WINDOW_UPDATE, 0, 1, b"\0\0\0\0")],
            "Reset 1 ProtocolError Some(ZeroIncrement)",
        ),
        (
            vec![open.clone(), frame(WINDOW_UPDATE, 0, 1, b"\x7f\xff\xff\xff")],
            "Reset 1 FlowControlError Some(WindowOverflow)",
        ),
        (vec![open.clone(), frame(PRIORITY, 0, 1, b"1234")], "Reset 1 FrameSizeError Some(FrameSize)"),
        (vec![open.clone(), trailers(0, &[("x", b"1")])], "Reset 1 ProtocolError Some(UnendedTrailers)"),
        (
            vec![open.clone(), trailers(1, &[(":path", b"/")])],
            "Reset 1 ProtocolError Some(InvalidPseudoHeader)",
        ),
        (vec![open.clone(), trailers(1, &[("te", b"x")])], "Reset 1 ProtocolError Some(InvalidTe)"),
        (
            vec![open.clone(), trailers(1, &[("content-length", b"1")])],
            "Reset 1 ProtocolError Some(InvalidContentLength)",
        ),
        (vec![open.clone(), frame(RST_STREAM, 0, 1, b"\0\0\0\x08")], "Reset 1 Cancel None"),
    ] {
        assert_eq!(last(&input), expected);
    }
    let announced = request(1, &[POST, &[("content-length", b"3")]].concat(), false);
    for data in [frame(DATA, 0, 1, b"abcd"), frame(DATA, 1, 1, b"ab"), trailers(1, &[("x", b"1")])] {
        assert_eq!(last(&[announced.clone(), data]), "Reset 1 ProtocolError Some(LengthMismatch)");
    }
}

#[test]
fn what_comes_after_a_reset() {
    let mut connection = opened(Role::Server, settings());
    feed(&mut connection, &request(1, POST, false)).unwrap();
    connection.reset(1, ErrorCode::Cancel);
    assert!(!connection.is_open(1));
    let late = [
        frame(DATA, 0, 1, b"late"),
        request(1, &[("x", b"1")], true),
        frame(WINDOW_UPDATE, 0, 1, b"\0\0\0\x01"),
    ];
    assert_eq!(
        feed(&mut connection, &late.concat()).unwrap(),
        [""; 0],
        "what the peer sent before it knew is ignored"
    );
    let mut connection = opened(Role::Server, settings());
    feed(&mut connection, &[request(1, POST, false), frame(RST_STREAM, 0, 1, b"\0\0\0\0")].concat()).unwrap();
    let events = feed(&mut connection, &frame(DATA, 0, 1, b"late")).unwrap();
    assert_eq!(events, ["Reset 1 StreamClosed Some(ClosedStream)"]);
    let mut connection = opened(Role::Server, settings());
    feed(&mut connection, &[request(1, POST, false), frame(RST_STREAM, 0, 1, b"\0\0\0\0")].concat()).unwrap();
    let kind = feed(&mut connection, &request(1, GET, true)).unwrap_err().kind;
    assert_eq!(kind, Http2ErrorKind::ClosedStream);
}

#[test]
fn more_streams_than_allowed_are_refused() {
    let mut connection = opened(Role::Server, Http2Settings { max_concurrent_streams: 1, ..settings() });
    let events = feed(&mut connection, &[request(1, GET, true), request(3, GET, true)].concat()).unwrap();
    assert_eq!(events[1], "Reset 3 RefusedStream Some(Refused)");
    let mut block = HeaderBlock::new();
    block.set(KnownName::Status, b"204");
    connection.send_response(1, &block, true).unwrap();
    assert!(feed(&mut connection, &request(5, GET, true)).unwrap()[0].starts_with("Request"));
    let counts = connection.take_counts();
    assert_eq!((counts.stream_refused_errors, counts.tx_reset), (1, 1));
}

#[test]
fn a_graceful_end_in_two_steps() {
    let mut connection = opened(Role::Server, settings());
    feed(&mut connection, &request(1, GET, true)).unwrap();
    connection.announce_goaway();
    feed(&mut connection, &request(3, GET, true)).unwrap();
    connection.goaway(ErrorCode::NoError);
    assert_eq!(feed(&mut connection, &request(5, GET, true)).unwrap(), [""; 0], "it is ignored");
    let last: Vec<_> = frames(&taken(&mut connection)).into_iter().map(|frame| frame.3).collect();
    assert_eq!(last, [b"\x7f\xff\xff\xff\0\0\0\0", b"\0\0\0\x03\0\0\0\0"]);
    assert_eq!(connection.active_streams(), 2);
}

#[test]
fn goaway_tells_the_client_what_was_not_processed() {
    let mut connection = opened(Role::Client, settings());
    let mut block = HeaderBlock::new();
    for (name, value) in
        [(KnownName::Method, &b"GET"[..]), (KnownName::Path, b"/"), (KnownName::Authority, b"a")]
    {
        block.set(name, value);
    }
    for id in [1, 3, 5] {
        assert_eq!(connection.open(&block, true), Ok(id));
    }
    let events = feed(&mut connection, &frame(GOAWAY, 0, 0, b"\0\0\0\x01\0\0\0\x0bcalm")).unwrap();
    assert_eq!(events[0], "GoAway { last_stream: 1, code: EnhanceYourCalm, debug: [99, 97, 108, 109] }");
    let mut refused = events[1..].to_vec();
    refused.sort();
    assert_eq!(refused, ["Reset 3 RefusedStream None", "Reset 5 RefusedStream None"]);
    assert!(connection.is_open(1) && connection.open(&block, true).is_err());
    assert_eq!(connection.available_streams(), 0);
}

#[test]
fn pings_are_answered_and_their_answers_told() {
    let mut connection = opened(Role::Server, settings());
    feed(&mut connection, &frame(PING, 0, 0, b"12345678")).unwrap();
    assert_eq!(taken(&mut connection), frame(PING, 1, 0, b"12345678"));
    connection.ping(*b"abcdefgh");
    assert_eq!(taken(&mut connection), frame(PING, 0, 0, b"abcdefgh"));
    let events = feed(&mut connection, &frame(PING, 1, 0, b"abcdefgh")).unwrap();
    assert_eq!(events, ["Pong { payload: [97, 98, 99, 100, 101, 102, 103, 104] }"]);
}

#[test]
fn a_connection_that_was_http1_answers_on_stream_1() {
    let kind = ferryman_codec::RequestKind::Other;
    let mut connection = Http2Connection::upgraded(settings(), b"AAQAAAAC", kind).unwrap();
    taken(&mut connection);
    feed(&mut connection, &[PREFACE, &frame(SETTINGS, 0, 0, b"\0\x04\0\0\0\x02")].concat()).unwrap();
    let mut block = HeaderBlock::new();
    block.set(KnownName::Status, b"200");
    connection.send_response(1, &block, false).unwrap();
    assert_eq!(connection.send_data(1, b"hello", true), Ok(2), "the window that http2-settings named");
    assert!(Http2Connection::upgraded(settings(), b"AAQ", kind).is_err());
}

#[test]
fn unknown_frames_and_settings_are_ignored() {
    let unknown = frame(SETTINGS, 0, 0, b"\x12\x34\0\0\0\x01");
    assert_eq!(outcome(&[frame(77, 255, 1, b"x"), unknown]).unwrap(), ["SettingsChanged"]);
}
