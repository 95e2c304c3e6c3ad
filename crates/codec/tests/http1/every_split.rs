//! Each message, cut in two at every byte and fed byte by byte, reads the same as in one piece.

use crate::reading::{Reading, read_request, read_response};
use ferryman_codec::{ErrorKind, Http1Settings, RequestKind};

/// The reading of a message that arrives in these pieces, one appended to the other.
fn at_every_split(bytes: &[u8], read: impl Fn(&[&[u8]]) -> Reading) -> Reading {
    let whole = read(&[bytes]);
    for at in 0..=bytes.len() {
        let (head, tail) = bytes.split_at(at);
        assert_eq!(read(&[head, tail]), whole, "split at {at} of {:?}", String::from_utf8_lossy(bytes));
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(read(&single), whole, "byte by byte {:?}", String::from_utf8_lossy(bytes));
    whole
}

fn request(bytes: &[u8]) -> Reading {
    let settings = Http1Settings { enable_trailers: true, ..Http1Settings::default() };
    at_every_split(bytes, |pieces| read_request(pieces, &settings))
}

fn response(bytes: &[u8], kind: RequestKind) -> Reading {
    let settings = Http1Settings { enable_trailers: true, ..Http1Settings::default() };
    at_every_split(bytes, |pieces| read_response(pieces, &settings, kind))
}

#[test]
fn requests() {
    let plain = request(b"\r\nGET /a?b HTTP/1.1\r\nHost: h:80\r\nX-A:b\r\nACCEPT: \t c d \r\n\r\n");
    assert_eq!(plain.fields, ":method=GET :path=/a?b :authority=h:80 x-a=b accept=c d");
    assert_eq!((plain.ended, plain.left), (true, 0));

    let length = request(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 005\r\n\r\nhelloGET");
    assert_eq!((length.body.as_str(), length.ended, length.left), ("hello", true, 3));
    assert_eq!(length.fields, ":method=POST :path=/ :authority=h content-length=5");

    let chunked = request(
        b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: CHUNKED\r\n\r\n\
          5;a=\"b\\\"\" ; c\r\nhello\r\n0006\r\n world\r\n0\r\nX-T: u\r\n\r\nnext",
    );
    assert_eq!((chunked.body.as_str(), chunked.trailers.as_str()), ("hello world", "x-t=u"));
    assert_eq!((chunked.ended, chunked.left), (true, 4));

    let absolute = request(b"GET HTTP://u@v:81?x HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(absolute.fields, ":method=GET :scheme=http :authority=v:81 :path=?x");

    let connect = request(b"CONNECT h:80 HTTP/1.1\r\nHost: z\r\n\r\n");
    assert_eq!(connect.fields, ":method=CONNECT :authority=h:80");
}

#[test]
fn refused_requests() {
    for (bytes, kind) in [
        (&b"GET / HTTP/1.1\nHost: h\r\n\r\n"[..], ErrorKind::BareLf),
        (b"GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n", ErrorKind::ObsoleteFolding),
        (b"GET / HTTP/1.1\r\nHost: h\r\nA : b\r\n\r\n", ErrorKind::SpaceBeforeColon),
        (
            b"POST / HTTP/1.1\r\nHost: h\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
            ErrorKind::ContentLengthWithTransferEncoding,
        ),
        (b"POST / HTTP/1.1\r\nHost: h\r\ntransfer-encoding: chunked\r\n\r\n5\nhello", ErrorKind::BareLf),
        (
            b"POST / HTTP/1.1\r\nHost: h\r\ntransfer-encoding: chunked\r\n\r\n1\r\nhello",
            ErrorKind::InvalidChunkEnd,
        ),
    ] {
        assert_eq!(request(bytes).error, Some(kind), "{:?}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn responses() {
    let plain =
        response(b"HTTP/1.1 200 OK\r\nServer: s\r\ncontent-length: 2\r\n\r\nokHTTP", RequestKind::Other);
    assert_eq!(plain.fields, ":status=200 server=s content-length=2");
    assert_eq!((plain.body.as_str(), plain.ended, plain.left), ("ok", true, 4));

    let until_close = response(b"HTTP/1.1 200\r\n\r\nall of it", RequestKind::Other);
    assert_eq!((until_close.body.as_str(), until_close.ended), ("all of it", false));

    let head = response(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", RequestKind::Head);
    assert_eq!((head.body.as_str(), head.ended, head.left), ("", true, 0));

    let no_content = response(b"HTTP/1.1 204 No\r\ncontent-length: 1\r\n\r\n", RequestKind::Other);
    assert_eq!(no_content.error, Some(ErrorKind::ContentLengthNotAllowed));
}
