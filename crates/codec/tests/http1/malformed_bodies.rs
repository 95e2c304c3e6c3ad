//! Which framings and bodies of requests are refused, and why. Every message is also cut at every byte: the reason
//! stays the same.

use ferryman_codec::ErrorKind::{self, *};
use ferryman_codec::Http1Settings;

use crate::reading::{check_request, read_request, strict};

/// Each set of framing fields, in a POST.
const FRAMINGS: &[(&[u8], ErrorKind)] = &[
    (b"content-length:", InvalidContentLength),
    (b"content-length: +3", InvalidContentLength),
    (b"content-length: -3", InvalidContentLength),
    (b"content-length: 0x3", InvalidContentLength),
    (b"content-length: 3.0", InvalidContentLength),
    (b"content-length: 3e1", InvalidContentLength),
    (b"content-length: 3 3", InvalidContentLength),
    (b"content-length: 3,3", InvalidContentLength),
    (b"content-length: 3, 3", InvalidContentLength),
    (b"content-length: 3,", InvalidContentLength),
    (b"content-length: ,3", InvalidContentLength),
    (b"content-length: \"3\"", InvalidContentLength),
    (b"content-length: 3;a", InvalidContentLength),
    (b"content-length: three", InvalidContentLength),
    (b"content-length: 3_0", InvalidContentLength),
    (b"content-length: \xb3", InvalidContentLength),
    (b"content-length: 9223372036854775808", InvalidContentLength),
    (b"content-length: 18446744073709551615", InvalidContentLength),
    (b"content-length: 18446744073709551619", InvalidContentLength),
    (b"content-length: 99999999999999999999999999", InvalidContentLength),
    (b"content-length: 3\r\ncontent-length: 3", DuplicateContentLength),
    (b"content-length: 3\r\nContent-Length: 4", DuplicateContentLength),
    (b"content-length: 3\r\ncontent-length:", DuplicateContentLength),
    (b"transfer-encoding:", InvalidTransferEncoding),
    (b"transfer-encoding: identity", InvalidTransferEncoding),
    (b"transfer-encoding: gzip", InvalidTransferEncoding),
    (b"transfer-encoding: gzip, chunked", InvalidTransferEncoding),
    (b"transfer-encoding: chunked, gzip", InvalidTransferEncoding),
    (b"transfer-encoding: chunked, chunked", InvalidTransferEncoding),
    (b"transfer-encoding: chunked,", InvalidTransferEncoding),
    (b"transfer-encoding: ,chunked", InvalidTransferEncoding),
    (b"transfer-encoding: chunked;q=1", InvalidTransferEncoding),
    (b"transfer-encoding: \"chunked\"", InvalidTransferEncoding),
    (b"transfer-encoding: xchunked", InvalidTransferEncoding),
    (b"transfer-encoding: chunkedx", InvalidTransferEncoding),
    (b"transfer-encoding: chunked x", InvalidTransferEncoding),
    (b"transfer-encoding: chun\xe9ked", InvalidTransferEncoding),
    (b"transfer-encoding: \xa0chunked", InvalidTransferEncoding),
    (b"transfer-encoding: chunked\r\ntransfer-encoding: chunked", InvalidTransferEncoding),
    (b"transfer-encoding: chunked\r\ntransfer-encoding: identity", InvalidTransferEncoding),
    (b"transfer-encoding: identity\r\ntransfer-encoding: chunked", InvalidTransferEncoding),
    (b"transfer-encoding: \x0bchunked", InvalidValue),
    (b"transfer-encoding: chunked\r\ncontent-length: 3", ContentLengthWithTransferEncoding),
    (b"content-length: 3\r\ntransfer-encoding: chunked", ContentLengthWithTransferEncoding),
    (b"content-length: 0\r\ntransfer-encoding: chunked", ContentLengthWithTransferEncoding),
];

/// Each chunked body.
const CHUNKS: &[(&[u8], ErrorKind)] = &[
    (b"\r\n", InvalidChunkSize),
    (b"z\r\n", InvalidChunkSize),
    (b" 3\r\nabc\r\n", InvalidChunkSize),
    (b"+3\r\nabc\r\n", InvalidChunkSize),
    (b"-3\r\nabc\r\n", InvalidChunkSize),
    (b"0x3\r\nabc\r\n", InvalidChunkSize),
    (b"3g\r\nabc\r\n", InvalidChunkSize),
    (b"3_0\r\nabc\r\n", InvalidChunkSize),
    (b"3,\r\nabc\r\n", InvalidChunkSize),
    (b"3.\r\nabc\r\n", InvalidChunkSize),
    (b"3\x00\r\nabc\r\n", InvalidChunkSize),
    (b"\xb3\r\nabc\r\n", InvalidChunkSize),
    (b";a\r\nabc\r\n", InvalidChunkSize),
    (b"8000000000000000\r\n", InvalidChunkSize),
    (b"ffffffffffffffff\r\n", InvalidChunkSize),
    (b"10000000000000003\r\nabc\r\n", InvalidChunkSize),
    (b"00000000000000003\r\nabc\r\n", InvalidChunkSize),
    (b"3 \r\nabc\r\n", InvalidChunkExtension),
    (b"3\t\r\nabc\r\n", InvalidChunkExtension),
    (b"3 3\r\nabc\r\n", InvalidChunkExtension),
    (b"3;\r\nabc\r\n", InvalidChunkExtension),
    (b"3; \r\nabc\r\n", InvalidChunkExtension),
    (b"3;a=\r\nabc\r\n", InvalidChunkExtension),
    (b"3;a \r\nabc\r\n", InvalidChunkExtension),
    (b"3;a=b \r\nabc\r\n", InvalidChunkExtension),
    (b"3;a b\r\nabc\r\n", InvalidChunkExtension),
    (b"3;=b\r\nabc\r\n", InvalidChunkExtension),
    (b"3;;\r\nabc\r\n", InvalidChunkExtension),
    (b"3;a=b=c\r\nabc\r\n", InvalidChunkExtension),
    (b"3;a=\"b\r\nabc\r\n", InvalidChunkExtension),
    (b"3;a=\"b\"c\r\nabc\r\n", InvalidChunkExtension),
    (b"3;a=\"\x01\"\r\nabc\r\n", InvalidChunkExtension),
    (b"3;a\x00\r\nabc\r\n", InvalidChunkExtension),
    (b"3\nabc\r\n", BareLf),
    (b"3;a\nabc\r\n", BareLf),
    (b"3;a=\"\n\"\r\nabc\r\n", BareLf),
    (b"3\r\rabc\r\n", BareCr),
    (b"3\rabc\r\n", BareCr),
    (b"3;a\rb\r\nabc\r\n", BareCr),
    (b"3\r\nabcd\r\n", InvalidChunkEnd),
    (b"3\r\nabc0\r\n\r\n", InvalidChunkEnd),
    (b"3\r\nabc\n0\r\n\r\n", BareLf),
    (b"3\r\nabc\r0\r\n\r\n", BareCr),
    (b"3\r\nabc\r\n\r\n0\r\n\r\n", InvalidChunkSize),
    (b"0\n\r\n", BareLf),
    (b"0\r\n\n", BareLf),
    (b"0\r\nx: y\n\r\n", BareLf),
    (b"0\r\nx: y\r\n z\r\n\r\n", ObsoleteFolding),
    (b"0\r\nx : y\r\n\r\n", SpaceBeforeColon),
    (b"0\r\nx\r\n\r\n", MissingColon),
    (b"0\r\n:path: /\r\n\r\n", EmptyName),
    (b"0\r\nx: \x00\r\n\r\n", InvalidValue),
    (b"0\r\nx: a\rb\r\n\r\n", BareCr),
    (b"0\r\nContent-Length: 3\r\n\r\n", ForbiddenTrailer),
    (b"0\r\ntransfer-encoding: chunked\r\n\r\n", ForbiddenTrailer),
    (b"0\r\nHost: z\r\n\r\n", ForbiddenTrailer),
    (b"0\r\ntransfer_encoding: chunked\r\n\r\n", UnderscoreInName),
    (b"0\r\na: 1\r\na: 2\r\na: 3\r\na: 4\r\na: 5\r\na: 6\r\na: 7\r\na: 8\r\na: 9\r\na: 10\r\na: 11\r\n\r\n", TooManyHeaders),
];

#[test]
fn framings() {
    for (lines, kind) in FRAMINGS {
        for method in ["POST", "GET", "HEAD", "OPTIONS"] {
            let bytes =
                [method.as_bytes(), b" / HTTP/1.1\r\nHost: h\r\n", lines, b"\r\n\r\n0\r\n\r\n"].concat();
            check_request(&bytes, &strict(), *kind);
        }
    }
    let http10 = Http1Settings { accept_http_10: true, ..strict() };
    check_request(
        b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n",
        &http10,
        TransferEncodingInHttp10,
    );
    check_request(b"CONNECT h:80 HTTP/1.1\r\ncontent-length: 3\r\n\r\n", &strict(), BodyNotAllowed);
    check_request(
        b"CONNECT h:80 HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n",
        &strict(),
        InvalidTransferEncoding,
    );
}

#[test]
fn chunks() {
    for (body, kind) in CHUNKS {
        let head = b"POST / HTTP/1.1\r\nHost: h\r\ntransfer-encoding: chunked\r\n\r\n";
        check_request(&[head, *body].concat(), &strict(), *kind);
    }
}

#[test]
fn chunk_extensions_are_limited() {
    let head = &b"POST / HTTP/1.1\r\nHost: h\r\ntransfer-encoding: chunked\r\n\r\n"[..];
    let settings = Http1Settings::default();
    let long = [head, b"1;", &[b'a'; 1024], b"\r\nx\r\n"].concat();
    check_request(&long, &settings, ChunkExtensionTooLong);
    let chunk = [&b"1;"[..], &[b'a'; 1000], b"\r\nx\r\n"].concat();
    let many = [head, &chunk.repeat(70)].concat();
    for pieces in [many.chunks(many.len()), many.chunks(1), many.chunks(999)] {
        let reading = read_request(&pieces.collect::<Vec<_>>(), &settings);
        assert_eq!(reading.error, Some(ChunkExtensionTooLong));
    }
    let few = [head, &chunk.repeat(60), b"0\r\n\r\n"].concat();
    assert_eq!(read_request(&[&few], &settings).body.len(), 60);
}
