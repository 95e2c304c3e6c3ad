//! What is written, byte for byte.

use ferryman_codec::{
    BodyDecoder, BodyFraming, ErrorKind, HeaderBlock, HeaderName, Http1Settings, KnownName, Version,
    encode_chunk_start, encode_last_chunk, encode_request_head, encode_response_head,
};

fn block(fields: &[(&str, &str)]) -> HeaderBlock {
    let mut block = HeaderBlock::new();
    for (name, value) in fields {
        assert!(
            block.append_name(&HeaderName::new(name.as_bytes()).unwrap(), value.as_bytes()),
            "{name}: {value}"
        );
    }
    block
}

fn request(fields: &[(&str, &str)], framing: BodyFraming) -> String {
    let mut out = Vec::new();
    encode_request_head(&block(fields), framing, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn response(fields: &[(&str, &str)], framing: BodyFraming, version: Version) -> String {
    let mut out = Vec::new();
    encode_response_head(&block(fields), framing, version, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn request_heads() {
    let get =
        [(":path", "/a"), ("accept", "*/*"), (":method", "GET"), (":scheme", "http"), (":authority", "h:80")];
    assert_eq!(request(&get, BodyFraming::None), "GET /a HTTP/1.1\r\nhost: h:80\r\naccept: */*\r\n\r\n");
    assert_eq!(
        request(&get, BodyFraming::Length(12)),
        "GET /a HTTP/1.1\r\nhost: h:80\r\naccept: */*\r\ncontent-length: 12\r\n\r\n"
    );
    assert_eq!(
        request(&get, BodyFraming::Chunked),
        "GET /a HTTP/1.1\r\nhost: h:80\r\naccept: */*\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let connect = [(":method", "CONNECT"), (":authority", "h:80"), (":path", "/ignored")];
    assert_eq!(request(&connect, BodyFraming::None), "CONNECT h:80 HTTP/1.1\r\nhost: h:80\r\n\r\n");
    let host_field = [(":method", "GET"), (":path", "/"), ("host", "h")];
    assert_eq!(request(&host_field, BodyFraming::None), "GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    let asterisk = [(":method", "OPTIONS"), (":path", "*"), (":authority", "h")];
    assert_eq!(request(&asterisk, BodyFraming::None), "OPTIONS * HTTP/1.1\r\nhost: h\r\n\r\n");
}

#[test]
fn framing_fields_never_contradict() {
    let with = |length: &str, framing| {
        let fields = [
            (":method", "POST"),
            (":path", "/"),
            (":authority", "h"),
            ("content-length", length),
            ("a", "b"),
        ];
        request(&fields, framing).strip_prefix("POST / HTTP/1.1\r\nhost: h\r\n").unwrap().to_owned()
    };
    assert_eq!(with("5", BodyFraming::Length(5)), "content-length: 5\r\na: b\r\n\r\n");
    for other in ["4", "05", "x", "", "5,5"] {
        assert_eq!(with(other, BodyFraming::Length(5)), "a: b\r\ncontent-length: 5\r\n\r\n", "{other}");
        assert_eq!(
            with(other, BodyFraming::Chunked),
            "a: b\r\ntransfer-encoding: chunked\r\n\r\n",
            "{other}"
        );
        assert_eq!(with(other, BodyFraming::None), "a: b\r\n\r\n", "{other}");
    }
    assert_eq!(with("0", BodyFraming::None), "content-length: 0\r\na: b\r\n\r\n");
    let twice = [
        (":method", "PUT"),
        (":path", "/"),
        (":authority", "h"),
        ("content-length", "5"),
        ("content-length", "5"),
    ];
    assert_eq!(
        request(&twice, BodyFraming::Length(5)),
        "PUT / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\n"
    );
    let coded = [
        (":method", "PUT"),
        (":path", "/"),
        (":authority", "h"),
        ("transfer-encoding", "gzip"),
        ("transfer-encoding", "chunked"),
    ];
    assert_eq!(
        request(&coded, BodyFraming::Length(5)),
        "PUT / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\n"
    );
    let hosts = [(":method", "GET"), ("host", "b"), (":path", "/"), (":authority", "a"), ("x", "y")];
    assert_eq!(request(&hosts, BodyFraming::None), "GET / HTTP/1.1\r\nhost: a\r\nx: y\r\n\r\n");
}

#[test]
fn response_heads() {
    use Version::{Http10, Http11};
    let ok = [(":status", "200"), ("server", "envoy")];
    assert_eq!(
        response(&ok, BodyFraming::Length(2), Http11),
        "HTTP/1.1 200 OK\r\nserver: envoy\r\ncontent-length: 2\r\n\r\n"
    );
    assert_eq!(response(&ok, BodyFraming::UntilClose, Http10), "HTTP/1.0 200 OK\r\nserver: envoy\r\n\r\n");
    let length = |status| [(":status", status), ("content-length", "5")];
    assert_eq!(
        response(&length("200"), BodyFraming::None, Http11),
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"
    );
    let not_modified = "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n";
    assert_eq!(response(&length("304"), BodyFraming::None, Http11), not_modified);
    for framing in [BodyFraming::None, BodyFraming::Length(0), BodyFraming::Chunked, BodyFraming::UntilClose]
    {
        assert_eq!(response(&length("204"), framing, Http11), "HTTP/1.1 204 No Content\r\n\r\n");
        assert_eq!(response(&length("101"), framing, Http11), "HTTP/1.1 101 Switching Protocols\r\n\r\n");
    }
    assert_eq!(
        response(&[(":status", "599")], BodyFraming::None, Http11),
        "HTTP/1.1 599 Last Unassigned Server Error Code\r\n\r\n"
    );
    assert_eq!(response(&length("200"), BodyFraming::UntilClose, Http11), "HTTP/1.1 200 OK\r\n\r\n");
}

#[test]
fn what_cannot_be_written_is_not() {
    let mut out = b"before".to_vec();
    for fields in [
        &[(":path", "/")][..],
        &[(":method", "GET")],
        &[(":method", "GET"), (":path", "/")],
        &[(":method", "GET"), (":path", "*"), (":authority", "h")],
        &[(":method", "GET"), (":path", "http://h/"), (":authority", "h")],
        &[(":method", "OPTIONS"), (":path", "?q"), (":authority", "h")],
        &[(":method", "CONNECT"), (":path", "/")],
        &[(":method", "CONNECT"), (":authority", "")],
    ] {
        let error = encode_request_head(&block(fields), BodyFraming::None, &mut out).unwrap_err();
        assert_eq!(error.kind, ErrorKind::UnwritableHead, "{fields:?}");
    }
    assert!(
        encode_response_head(&block(&[("a", "b")]), BodyFraming::None, Version::Http11, &mut out).is_err()
    );
    assert_eq!(out, b"before");
}

#[test]
fn chunks_and_trailers() {
    let mut out = Vec::new();
    encode_chunk_start(255, &mut out);
    encode_chunk_start(65_536, &mut out);
    encode_last_chunk(None, &mut out);
    assert_eq!(out, b"ff\r\n10000\r\n0\r\n\r\n");
    out.clear();
    let trailers =
        block(&[("grpc-status", "0"), ("content-length", "5"), ("host", "h"), ("transfer-encoding", "x")]);
    encode_last_chunk(Some(&trailers), &mut out);
    assert_eq!(out, b"0\r\ngrpc-status: 0\r\n\r\n");
}

#[test]
fn only_a_body_until_close_may_end_with_the_connection() {
    let settings = Http1Settings::default();
    let ended = |framing, input: &[u8]| {
        let mut body = BodyDecoder::new(framing, &settings);
        body.decode(input).unwrap();
        let result = body.on_eof().map_err(|error| error.kind);
        assert_eq!(result.is_ok(), body.is_end());
        result
    };
    assert_eq!(ended(BodyFraming::UntilClose, b"abc"), Ok(()));
    assert_eq!(ended(BodyFraming::None, b""), Ok(()));
    assert_eq!(ended(BodyFraming::Length(3), b"abc"), Ok(()));
    assert_eq!(ended(BodyFraming::Length(3), b"ab"), Err(ErrorKind::PrematureClose));
    assert_eq!(ended(BodyFraming::Chunked, b"3\r\nabc\r\n0\r\n\r\n"), Ok(()));
    for cut in
        [&b""[..], b"3", b"3\r\n", b"3\r\nabc", b"3\r\nabc\r\n", b"3\r\nabc\r\n0\r\n", b"0\r\na: b\r\n"]
    {
        assert_eq!(ended(BodyFraming::Chunked, cut), Err(ErrorKind::PrematureClose));
    }
}

#[test]
fn every_kind_of_error_has_an_answer() {
    for &kind in ErrorKind::ALL {
        assert!(matches!(kind.status(), 400 | 426 | 431 | 500 | 501), "{kind:?}");
        assert!(!kind.details().contains(' ') && !kind.text().is_empty(), "{kind:?}");
    }
    let mut missing = HeaderBlock::new();
    assert!(!missing.set(KnownName::Other, b"x") && missing.is_empty());
}
