//! Which requests and responses are taken. The requests, and the kinds' details, are judged by Envoy 1.40.

use ferryman_codec::{
    BodyFraming, HeaderBlock, Http2ErrorKind, Http2Event, Http2Settings, KnownName, RequestKind, Role,
};

use crate::wire::*;

type Head<'a> = Vec<(&'a str, &'a [u8])>;

fn settings() -> Http2Settings {
    Http2Settings { allow_connect: true, stream_error_on_invalid_message: true, ..Http2Settings::default() }
}

/// What becomes of a request: the block, or the rule that it breaks.
fn judged(head: &[(&str, &[u8])], end_stream: bool) -> Result<HeaderBlock, Http2ErrorKind> {
    let mut connection = opened(Role::Server, settings());
    let mut block = HeaderBlock::new();
    let input = request(1, head, end_stream);
    let event = connection.receive(&input, &mut block).unwrap().event.unwrap();
    match event {
        Http2Event::Request { .. } => Ok(block),
        Http2Event::Reset { stream: 1, cause: Some(kind), code } => {
            assert_eq!(code, kind.code());
            assert_eq!(frames(connection.pending())[0].0, RST_STREAM);
            Err(kind)
        }
        event => panic!("{event:?}"),
    }
}

fn with<'a>(more: &[(&'a str, &'a [u8])]) -> Head<'a> {
    [GET, more].concat()
}

fn replaced<'a>(name: &str, value: Option<&'a [u8]>) -> Head<'a> {
    let head = GET.iter().filter_map(|&(found, old)| {
        if found == name { value.map(|value| (found, value)) } else { Some((found, old)) }
    });
    head.collect()
}

#[test]
fn malformed_fields() {
    use Http2ErrorKind::*;
    let cases: &[(&str, &[u8], Http2ErrorKind)] = &[
        ("X-Up", b"1", InvalidName),
        ("", b"1", InvalidName),
        ("a b", b"1", InvalidName),
        ("a:b", b"1", InvalidName),
        ("a", b"x\0y", InvalidValue),
        ("a", b"x\ny", InvalidValue),
        ("a", b"x\ry", InvalidValue),
        ("a", b"x\r\nhost: b", InvalidValue),
        ("a", b"x\x01y", InvalidValue),
        ("a", b"x\x7fy", InvalidValue),
        ("connection", b"close", ConnectionField),
        ("keep-alive", b"1", ConnectionField),
        ("proxy-connection", b"close", ConnectionField),
        ("upgrade", b"x", ConnectionField),
        ("transfer-encoding", b"chunked", ConnectionField),
        ("te", b"gzip", InvalidTe),
        ("te", b"trailers, gzip", InvalidTe),
        (":method", b"GET", InvalidPseudoHeader),
        (":path", b"/b", InvalidPseudoHeader),
        (":foo", b"1", InvalidPseudoHeader),
        (":status", b"200", InvalidPseudoHeader),
        ("content-length", b"+3", InvalidContentLength),
        ("content-length", b"3, 3", InvalidContentLength),
        ("content-length", b"99999999999999999999", InvalidContentLength),
        ("content-length", b"", InvalidContentLength),
        ("content-length", b"5", LengthMismatch),
        ("content_length", b"5", DisguisedFraming),
        (":protocol", b"websocket", MisplacedPseudoHeader),
    ];
    for &(name, value, kind) in cases {
        assert_eq!(judged(&with(&[(name, value)]), true).err(), Some(kind), "{name}: {value:?}");
    }
    let twice: &[(&str, &[u8], Http2ErrorKind)] =
        &[("host", b"a", DuplicateHost), ("content-length", b"0", InvalidContentLength)];
    for &(name, value, kind) in twice {
        assert_eq!(judged(&with(&[(name, value), (name, value)]), true).err(), Some(kind));
    }
    let late: Head<'_> = [&GET[..2], &[("x", b"1")], &GET[2..]].concat();
    assert_eq!(judged(&late, true).err(), Some(InvalidPseudoHeader));
}

#[test]
fn malformed_pseudo_headers() {
    use Http2ErrorKind::*;
    for name in [":method", ":scheme", ":authority", ":path"] {
        assert_eq!(judged(&replaced(name, None), true).err(), Some(MissingPseudoHeader), "{name}");
        let kind = judged(&replaced(name, Some(b"")), true).unwrap_err();
        assert_eq!(kind.details(), "http2.invalid.header.field", "{name}");
    }
    let cases: &[(&str, &[u8], Http2ErrorKind)] = &[
        (":method", b"GE T", InvalidMethod),
        (":method", b"G@T", InvalidMethod),
        (":scheme", b"h t", InvalidScheme),
        (":path", b"x", RelativePath),
        (":path", b"*", RelativePath),
        (":path", b"http://b.com/", RelativePath),
        (":path", b"/a b", InvalidPath),
        (":path", b"/\x01", InvalidPath),
        (":path", b"/\xff", InvalidPath),
        (":authority", b"u@a.com", InvalidAuthority),
        (":authority", b"a b", InvalidAuthority),
        (":authority", b"a/b", InvalidAuthority),
        (":authority", b"a\"b", InvalidAuthority),
        (":authority", b"a#b", InvalidAuthority),
        (":authority", b"a:x", InvalidAuthority),
    ];
    for &(name, value, kind) in cases {
        assert_eq!(judged(&replaced(name, Some(value)), true).err(), Some(kind), "{name}: {value:?}");
    }
}

#[test]
fn odd_requests_that_are_taken() {
    for (name, value) in
        [(":method", &b"get"[..]), (":method", b"FOO"), (":path", b"/\"<>\\^`{|}"), (":scheme", b"ftp")]
    {
        assert!(judged(&replaced(name, Some(value)), true).is_ok(), "{name}");
    }
    for (value, kept) in
        [(&b" x"[..], &b"x"[..]), (b"x\t", b"x"), (b"a\tb", b"a\tb"), (b"\xff", b"\xff"), (b"", b"")]
    {
        assert_eq!(judged(&with(&[("a", value)]), true).unwrap().get_bytes(b"a"), Some(kept));
    }
    assert!(judged(&with(&[("te", b"Trailers")]), true).is_ok());
    let block = judged(&with(&[("content-length", b"007")]), false).unwrap();
    assert_eq!(block.get(KnownName::ContentLength), Some(&b"7"[..]));
    let block =
        judged(&with(&[("cookie", b"a=1"), ("cookie", b"b=2"), ("x", b"1"), ("cookie", b"c=3")]), true)
            .unwrap();
    assert_eq!(block.get(KnownName::Cookie), Some(&b"a=1; b=2; c=3"[..]));
    assert_eq!(block.len(), 2);
    for (authority, host, expected) in
        [(None, &b"h.com"[..], &b"h.com"[..]), (Some(&b"a.com"[..]), b"b.com", b"a.com")]
    {
        let head: Head<'_> = [&replaced(":authority", authority)[..], &[("host", host)]].concat();
        let block = judged(&head, true).unwrap();
        assert_eq!(block.get(KnownName::Authority), Some(expected));
        assert!(!block.contains(KnownName::Host));
    }
}

#[test]
fn connect_in_its_two_forms() {
    use Http2ErrorKind::*;
    let connect: Head<'_> = vec![(":method", b"CONNECT"), (":authority", b"a.com:80")];
    assert!(judged(&connect, false).is_ok());
    let more = |more: &[(&'static str, &'static [u8])]| judged(&[&connect[..], more].concat(), false);
    assert_eq!(more(&[(":path", b"/")]).err(), Some(MisplacedPseudoHeader));
    assert_eq!(more(&[(":path", b"/"), (":scheme", b"http")]).err(), Some(MisplacedPseudoHeader));
    assert_eq!(more(&[("content-length", b"3")]).err(), Some(InvalidContentLength));
    assert_eq!(more(&[(":protocol", b"websocket")]).err(), Some(MissingPseudoHeader));
    assert_eq!(judged(&connect[..1], false).err(), Some(MissingPseudoHeader));
    let block = more(&[(":protocol", b"websocket"), (":path", b"/chat"), (":scheme", b"https")]).unwrap();
    assert_eq!(block.get(KnownName::Method), Some(&b"GET"[..]));
    assert_eq!(block.get(KnownName::Upgrade), Some(&b"websocket"[..]));
    assert_eq!(block.get(KnownName::Connection), Some(&b"upgrade"[..]));
    assert!(!block.contains(KnownName::Protocol));
}

#[test]
fn a_head_tells_how_its_body_is_framed() {
    let mut connection = opened(Role::Server, settings());
    let length = [POST, &[("content-length", b"3"), ("expect", b"100-continue")]].concat();
    let input = [request(1, &length, false), request(3, POST, false), request(5, GET, true)].concat();
    let mut rest = &input[..];
    let mut heads = Vec::new();
    for _ in 0..3 {
        let received = connection.receive(rest, &mut HeaderBlock::new()).unwrap();
        rest = &rest[received.consumed..];
        let Some(Http2Event::Request { head, end_stream, .. }) = received.event else { panic!() };
        heads.push((head.framing, head.expect_continue, head.kind, end_stream));
    }
    let other = RequestKind::Other;
    assert_eq!(
        heads,
        [
            (BodyFraming::Length(3), true, other, false),
            (BodyFraming::Chunked, false, other, false),
            (BodyFraming::None, false, other, true)
        ]
    );
}

#[test]
fn a_malformed_head_ends_the_connection_by_default() {
    let mut connection = opened(Role::Server, Http2Settings::default());
    let error = feed(&mut connection, &request(1, &with(&[("X", b"1")]), true)).unwrap_err();
    assert_eq!(error.kind, Http2ErrorKind::InvalidName);
    let out = taken(&mut connection);
    assert_eq!(frames(&out)[0].0, GOAWAY);
    assert_eq!(connection.take_counts().rx_messaging_error, 1);
    assert!(feed(&mut connection, &frame(PING, 0, 0, b"12345678")).is_err(), "it stays failed");
}

#[test]
fn limits_on_heads() {
    let many = vec![("x", &b"1"[..]); 96];
    assert!(judged(&with(&many), true).is_ok());
    assert_eq!(
        judged(&with(&[&many[..], &[("x", b"1")]].concat()), true).err(),
        Some(Http2ErrorKind::TooManyHeaders)
    );
    let crumbs = vec![("cookie", &b"a=1"[..]); 97];
    assert_eq!(judged(&with(&crumbs), true).err(), Some(Http2ErrorKind::TooManyHeaders));
    let pseudo: usize = GET.iter().map(|(name, value)| name.len() + value.len()).sum();
    let value = vec![b'v'; 15_000];
    let last = vec![b'v'; 60 * 1024 - pseudo - 4 * 15_001 + 60_003 - 45_003];
    for (excess, kind) in [(0, None), (1, Some(Http2ErrorKind::HeadersTooLarge))] {
        let exact = 60 * 1024 - pseudo - 3 * 15_001 - 1 + excess;
        let last: Vec<u8> = last.iter().copied().cycle().take(exact).collect();
        let head = with(&[("x", &value), ("x", &value), ("x", &value), ("y", &last)]);
        let block = fields(&head);
        let mut input = Vec::new();
        for (index, piece) in block.chunks(16_384).enumerate() {
            let flags = if (index + 1) * 16_384 >= block.len() { END_HEADERS } else { 0 };
            let (kind, first) = if index == 0 { (HEADERS, END_STREAM) } else { (CONTINUATION, 0) };
            input.extend(frame(kind, flags | first, 1, piece));
        }
        let mut connection = opened(Role::Server, settings());
        let events = feed(&mut connection, &input).unwrap();
        match kind {
            None => assert!(events[0].starts_with("Request"), "{events:?}"),
            Some(kind) => assert_eq!(events[0], format!("Reset 1 InternalError Some({kind:?})")),
        }
        // The table is still the peer's: the next request is read.
        assert!(feed(&mut connection, &request(3, GET, true)).unwrap()[0].starts_with("Request"));
    }
}

/// What becomes of a response to a request with this method.
fn answered(method: &[u8], response: &[(&str, &[u8])], end_stream: bool) -> Vec<String> {
    let mut connection = opened(Role::Client, settings());
    let mut block = HeaderBlock::new();
    for (name, value) in
        [(KnownName::Method, method), (KnownName::Path, b"/"), (KnownName::Authority, b"a:1")]
    {
        assert!(block.append(name, value));
    }
    let stream = connection.open(&block, true).unwrap();
    let mut input = request(stream, response, end_stream);
    if !end_stream {
        input.extend(frame(DATA, END_STREAM, stream, b"abc"));
    }
    let mut events = feed(&mut connection, &input).unwrap();
    events.iter_mut().for_each(|event| event.truncate(60));
    events
}

#[test]
fn responses() {
    let fault = |events: Vec<String>| events.last().unwrap().clone();
    for status in ["", "20", "2000", "abc", "099", "101"] {
        let events = answered(b"GET", &[(":status", status.as_bytes())], true);
        assert_eq!(fault(events), "Reset 1 ProtocolError Some(InvalidStatus)", "{status}");
    }
    assert_eq!(fault(answered(b"GET", &[], true)), "Reset 1 ProtocolError Some(MissingPseudoHeader)");
    assert_eq!(fault(answered(b"GET", GET, true)), "Reset 1 ProtocolError Some(InvalidPseudoHeader)");
    assert_eq!(fault(answered(b"GET", &[(":status", b"200")], false)), "Data 1 abc.");
    for (method, status) in [(&b"HEAD"[..], &b"200"[..]), (b"GET", b"204"), (b"GET", b"304")] {
        let events = answered(method, &[(":status", status)], false);
        assert_eq!(fault(events), "Reset 1 ProtocolError Some(BodyNotAllowed)");
    }
    assert_eq!(
        fault(answered(b"GET", &[(":status", b"100")], true)),
        "Reset 1 ProtocolError Some(EndedInformational)"
    );
    let long = [(":status", &b"200"[..]), ("content-length", b"4")];
    assert_eq!(fault(answered(b"GET", &long, false)), "Reset 1 ProtocolError Some(LengthMismatch)");
    assert_eq!(fault(answered(b"GET", &long, true)), "Reset 1 ProtocolError Some(LengthMismatch)");
    assert_eq!(answered(b"HEAD", &long, true).len(), 1);
    assert_eq!(fault(answered(b"CONNECT", &[(":status", b"200")], false)), "Data 1 abc.");
}
