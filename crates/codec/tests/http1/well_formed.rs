//! What is accepted, and as what. Every message is also cut at every byte: it reads the same.

use ferryman_codec::{BodyFraming, Http1Settings, RequestDecoder, RequestKind, ResponseDecoder, Version};

use crate::reading::{Reading, at_every_split, read_request, read_response, strict};

const LAX: Http1Settings = Http1Settings {
    max_head_bytes: 1000,
    max_headers_count: 100,
    allow_absolute_url: true,
    accept_http_10: true,
    enable_trailers: true,
    underscores: ferryman_codec::UnderscoresAction::Allow,
    allow_custom_methods: false,
    name_case: ferryman_codec::NameCase::Lower,
    preserve_case: None,
    keep_reason_phrase: false,
    send_fully_qualified_url: false,
};

fn request(bytes: &[u8]) -> Reading {
    let reading = at_every_split(bytes, |pieces| read_request(pieces, &LAX));
    assert_eq!(reading.error, None, "{:?}", String::from_utf8_lossy(bytes));
    reading
}

fn response(bytes: &[u8], kind: RequestKind) -> Reading {
    let reading = at_every_split(bytes, |pieces| read_response(pieces, &strict(), kind));
    assert_eq!(reading.error, None, "{:?}", String::from_utf8_lossy(bytes));
    reading
}

/// Request heads and their fields, pseudo-headers first.
const REQUESTS: &[(&[u8], &str)] = &[
    (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", ":method=GET :path=/ :authority=h"),
    (b"GET / HTTP/1.1\r\nhost:h\r\n\r\n", ":method=GET :path=/ :authority=h"),
    (b"GET / HTTP/1.1\r\nHOST: \t h:80 \t\r\n\r\n", ":method=GET :path=/ :authority=h:80"),
    (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", ":method=GET :path=/ :authority="),
    (b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", ":method=GET :path=/ :authority=[::1]:80"),
    (b"\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", ":method=GET :path=/ :authority=h"),
    (b"GET //a/../b;c=d?e=%20&f HTTP/1.1\r\nHost: h\r\n\r\n", ":method=GET :path=//a/../b;c=d?e=%20&f :authority=h"),
    (b"GET /\"<>\\^`{|} HTTP/1.1\r\nHost: h\r\n\r\n", ":method=GET :path=/\"<>\\^`{|} :authority=h"),
    (b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", ":method=OPTIONS :path=* :authority=h"),
    (b"MSEARCH / HTTP/1.1\r\nHost: h\r\n\r\n", ":method=MSEARCH :path=/ :authority=h"),
    (b"GET http://u/p HTTP/1.1\r\nHost: h\r\n\r\n", ":method=GET :scheme=http :authority=u :path=/p"),
    (b"GET http://u/p HTTP/1.1\r\n\r\n", ":method=GET :scheme=http :authority=u :path=/p"),
    (b"GET HTTPS://u:8/ HTTP/1.1\r\nHost: h\r\n\r\n", ":method=GET :scheme=https :authority=u:8 :path=/"),
    (b"GET http://me@u HTTP/1.1\r\nHost: h\r\n\r\n", ":method=GET :scheme=http :authority=u :path=/"),
    (b"GET http://u?x HTTP/1.1\r\nHost: h\r\n\r\n", ":method=GET :scheme=http :authority=u :path=?x"),
    (b"OPTIONS http://u HTTP/1.1\r\nHost: h\r\n\r\n", ":method=OPTIONS :scheme=http :authority=u :path=/"),
    (b"CONNECT h:80 HTTP/1.1\r\nHost: z\r\n\r\n", ":method=CONNECT :authority=h:80"),
    (b"CONNECT [::1]:80 HTTP/1.1\r\ncontent-length: 00\r\n\r\n", ":method=CONNECT :authority=[::1]:80"),
    (b"GET / HTTP/1.1\r\nHost: h\r\nA:\r\nB: \r\n\r\n", ":method=GET :path=/ :authority=h a= b="),
    (b"GET / HTTP/1.1\r\nHost: h\r\nA: b \t c\r\n\r\n", ":method=GET :path=/ :authority=h a=b \t c"),
    (b"GET / HTTP/1.1\r\nHost: h\r\n!#$%&'*+-.^_`|~9Z: 1\r\n\r\n", ":method=GET :path=/ :authority=h !#$%&'*+-.^_`|~9z=1"),
    (b"GET / HTTP/1.1\r\nHost: h\r\na: 1\r\nA: 2\r\n\r\n", ":method=GET :path=/ :authority=h a=1 a=2"),
    (b"PUT / HTTP/1.1\r\nHost: h\r\ncontent-length: 000\r\n\r\n", ":method=PUT :path=/ :authority=h content-length=0"),
    (b"GET / HTTP/1.1\r\nHost: h\r\nConnection: x, Close\r\nX: 1\r\ny: 2\r\n\r\n", ":method=GET :path=/ :authority=h connection=x, Close y=2"),
    (b"GET / HTTP/1.1\r\nHost: h\r\nX: 1\r\nCookie: c\r\nconnection: ,cookie,,te\r\nTE: trailers\r\n\r\n", ":method=GET :path=/ :authority=h x=1 connection=,cookie,,te te=trailers"),
    (b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: A\r\n\r\n", ":method=GET :path=/ :authority=h connection=Upgrade, HTTP2-Settings"),
    (b"GET / HTTP/1.1\r\nHost: h\r\nConnection: x, Upgrade\r\nUpgrade: websocket\r\nX: 1\r\n\r\n", ":method=GET :path=/ :authority=h connection=x, Upgrade upgrade=websocket x=1"),
    (b"GET / HTTP/1.0\r\n\r\n", ":method=GET :path=/"),
];

#[test]
fn request_heads() {
    for (bytes, fields) in REQUESTS {
        let reading = request(bytes);
        assert_eq!(reading.fields, *fields);
        assert_eq!((reading.ended, reading.left), (true, 0), "{fields}");
    }
}

#[test]
fn request_bodies() {
    let length = request(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 005\r\n\r\nhelloGET");
    assert_eq!(
        (length.framing, length.body.as_str(), length.left),
        (Some(BodyFraming::Length(5)), "hello", 3)
    );
    assert_eq!(length.fields, ":method=POST :path=/ :authority=h content-length=5");
    let chunked = request(
        b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: CHUNKED\r\n\r\n\
          5;a=\"b\\\"\" ; c\t= d\r\nhello\r\n0006\r\n world\r\n000\r\nX-T: u\r\n\r\nnext",
    );
    assert_eq!((chunked.body.as_str(), chunked.trailers.as_str()), ("hello world", "x-t=u"));
    assert_eq!((chunked.ended, chunked.left), (true, 4));
    let unfinished = request(b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\nA\r\nhello");
    assert_eq!((unfinished.body.as_str(), unfinished.ended), ("hello", false));
    let pipelined = request(b"GET / HTTP/1.1\r\nhost: h\r\n\r\nGET /2 HTTP/1.1\r\n");
    assert_eq!((pipelined.framing, pipelined.left), (Some(BodyFraming::None), 17));
}

/// Responses, what was asked, fields, body, and how many bytes are left over.
const RESPONSES: &[(&[u8], RequestKind, &str, &str, usize)] = &[
    (
        b"HTTP/1.1 200 OK\r\nServer: s\r\ncontent-length: 2\r\n\r\nokHTTP",
        RequestKind::Other,
        ":status=200 server=s content-length=2",
        "ok",
        4,
    ),
    (
        b"HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok",
        RequestKind::Other,
        ":status=200 content-length=2",
        "ok",
        0,
    ),
    (
        b"HTTP/1.1 200 \r\ncontent-length: 2\r\n\r\nok",
        RequestKind::Other,
        ":status=200 content-length=2",
        "ok",
        0,
    ),
    (
        b"HTTP/1.1 299 N\xc3\xafce \t one\r\ncontent-length: 0\r\n\r\n",
        RequestKind::Other,
        ":status=299 content-length=0",
        "",
        0,
    ),
    (
        b"HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n",
        RequestKind::Other,
        ":status=999 content-length=0",
        "",
        0,
    ),
    (
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        RequestKind::Other,
        ":status=200 content-length=2",
        "ok",
        0,
    ),
    (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nX",
        RequestKind::Other,
        ":status=200 transfer-encoding=chunked",
        "ok",
        1,
    ),
    (
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
        RequestKind::Head,
        ":status=200 content-length=5",
        "",
        0,
    ),
    (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        RequestKind::Head,
        ":status=200 transfer-encoding=chunked",
        "",
        0,
    ),
    (b"HTTP/1.1 200 OK\r\n\r\n", RequestKind::Head, ":status=200", "", 0),
    (
        b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n",
        RequestKind::Other,
        ":status=304 content-length=5",
        "",
        0,
    ),
    (b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n", RequestKind::Other, ":status=204", "", 0),
    (b"HTTP/1.1 204 No Content\r\n\r\n", RequestKind::Other, ":status=204", "", 0),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n", RequestKind::Other, ":status=100", "", 17),
    (
        b"HTTP/1.1 101 Switch\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nraw",
        RequestKind::Upgrade,
        ":status=101 upgrade=x connection=upgrade",
        "",
        3,
    ),
    (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nraw", RequestKind::Connect, ":status=200", "", 3),
    (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nraw", RequestKind::Connect, ":status=200", "", 3),
    (
        b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno",
        RequestKind::Connect,
        ":status=403 content-length=2",
        "no",
        0,
    ),
    (
        b"HTTP/1.1 200 OK\r\nHost: h\r\ncontent-length: 0\r\n\r\n",
        RequestKind::Other,
        ":status=200 host=h content-length=0",
        "",
        0,
    ),
];

#[test]
fn responses() {
    for &(bytes, kind, fields, body, left) in RESPONSES {
        let reading = response(bytes, kind);
        assert_eq!((reading.fields.as_str(), reading.body.as_str()), (fields, body));
        assert_eq!((reading.ended, reading.left), (true, left), "{fields}");
    }
    let until_close = response(b"HTTP/1.1 200\r\n\r\nall of it", RequestKind::Other);
    assert_eq!((until_close.body.as_str(), until_close.ended), ("all of it", false));
    assert_eq!((until_close.framing, until_close.keep_alive), (Some(BodyFraming::UntilClose), false));
}

#[test]
fn whether_the_connection_goes_on() {
    let cases: &[(&str, &str, bool)] = &[
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: keep-alive, CLOSE\r\n", false),
        ("1.1", "Connection: closed\r\n", true),
        ("1.1", "Connection: x\r\nConnection: ,,close,\r\n", false),
        ("1.1", "Proxy-Connection: close\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
        ("1.0", "Proxy-Connection: keep-alive\r\n", false),
    ];
    for (version, fields, keep_alive) in cases {
        let bytes = format!("GET / HTTP/{version}\r\nHost: h\r\n{fields}\r\n");
        assert_eq!(request(bytes.as_bytes()).keep_alive, *keep_alive, "{bytes}");
        let bytes = format!("HTTP/{version} 200 OK\r\n{fields}content-length: 0\r\n\r\n");
        assert_eq!(response(bytes.as_bytes(), RequestKind::Other).keep_alive, *keep_alive, "{bytes}");
    }
}

#[test]
fn what_a_request_head_says() {
    let head =
        |bytes: &[u8]| RequestDecoder::new().decode(bytes, &LAX, &mut Default::default()).unwrap().unwrap();
    let plain = head(b"HEAD / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\n\r\n");
    assert_eq!((plain.version, plain.kind, plain.absolute_form), (Version::Http11, RequestKind::Head, false));
    assert!(plain.expect_continue && !plain.upgrade);
    let old = head(b"GET / HTTP/1.0\r\nExpect: 100-continue\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    assert!(!old.expect_continue && !old.upgrade && old.version == Version::Http10);
    let upgrade = head(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    assert!(upgrade.upgrade && upgrade.kind == RequestKind::Upgrade);
    assert!(!head(b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: x\r\n\r\n").upgrade);
    assert!(!head(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: H2C\r\n\r\n").upgrade);
    assert!(head(b"GET http://u/ HTTP/1.1\r\n\r\n").absolute_form);
    assert_eq!(head(b"CONNECT h:80 HTTP/1.1\r\n\r\n").kind, RequestKind::Connect);
    let whole_path = Http1Settings { allow_absolute_url: false, ..LAX };
    let reading = read_request(&[b"GET http://u/ HTTP/1.1\r\nHost: h\r\n\r\n"], &whole_path);
    assert_eq!(reading.fields, ":method=GET :path=http://u/ :authority=h");
}

#[test]
fn informational_heads_are_followed_by_another() {
    let bytes = b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    let (mut decoder, mut block) = (ResponseDecoder::new(), Default::default());
    let first = decoder.decode(bytes, &LAX, RequestKind::Other, &mut block).unwrap().unwrap();
    assert!(first.informational && first.status == 103 && first.framing == BodyFraming::None);
    let second =
        decoder.decode(&bytes[first.consumed..], &LAX, RequestKind::Other, &mut block).unwrap().unwrap();
    assert!(!second.informational && second.status == 200);
    assert_eq!(first.consumed + second.consumed, bytes.len());
}
