//! Which responses are refused, and why. Every message is also cut at every byte: the reason
//! stays the same.

use ferryman_codec::ErrorKind::{self, *};
use ferryman_codec::RequestKind;

use crate::reading::check_response;

/// Each whole response to a GET.
const RESPONSES: &[(&[u8], ErrorKind)] = &[
    (b"\r\nHTTP/1.1 200 OK\r\n\r\n", InvalidStatusLine),
    (b" HTTP/1.1 200 OK\r\n\r\n", InvalidVersion),
    (b"HTTP/1.1\r\n\r\n", InvalidStatusLine),
    (b"HTTP\r\n\r\n", InvalidStatusLine),
    (b"ICY 200 OK\r\n\r\n", InvalidVersion),
    (b"http/1.1 200 OK\r\n\r\n", InvalidVersion),
    (b"HTTP/1.2 200 OK\r\n\r\n", InvalidVersion),
    (b"HTTP/2.0 200 OK\r\n\r\n", InvalidVersion),
    (b"HTTP/0.9 200 OK\r\n\r\n", InvalidVersion),
    (b"HTTP/1.10 200 OK\r\n\r\n", InvalidStatusLine),
    (b"HTTP/1.1\t200 OK\r\n\r\n", InvalidStatusLine),
    (b"HTTP/1.1  200 OK\r\n\r\n", InvalidStatus),
    (b"HTTP/1.1 20 OK\r\n\r\n", InvalidStatus),
    (b"HTTP/1.1 20\r\n\r\n", InvalidStatus),
    (b"HTTP/1.1 2000 OK\r\n\r\n", InvalidStatus),
    (b"HTTP/1.1 099 OK\r\n\r\n", InvalidStatus),
    (b"HTTP/1.1 000 OK\r\n\r\n", InvalidStatus),
    (b"HTTP/1.1 +20 OK\r\n\r\n", InvalidStatus),
    (b"HTTP/1.1 0x1 OK\r\n\r\n", InvalidStatus),
    (b"HTTP/1.1 abc OK\r\n\r\n", InvalidStatus),
    (b"HTTP/1.1 200OK\r\n\r\n", InvalidStatusLine),
    (b"HTTP/1.1 200\tOK\r\n\r\n", InvalidStatusLine),
    (b"HTTP/1.1 200 O\x00K\r\n\r\n", InvalidStatusLine),
    (b"HTTP/1.1 200 O\x01K\r\n\r\n", InvalidStatusLine),
    (b"HTTP/1.1 200 O\rK\r\n\r\n", BareCr),
    (b"HTTP/1.1 200 OK\r\r\n\r\n", BareCr),
    (b"HTTP/1.1 200 OK\n\r\n", BareLf),
    (b"HTTP/1.1 200 OK\r\n\n", BareLf),
    (b"HTTP/1.1 200 OK\r\nx: y\n\r\n", BareLf),
    (b"HTTP/1.1 200 OK\r\nx: y\r\n z\r\n\r\n", ObsoleteFolding),
    (b"HTTP/1.1 200 OK\r\n x: y\r\n\r\n", ObsoleteFolding),
    (b"HTTP/1.1 200 OK\r\nx : y\r\n\r\n", SpaceBeforeColon),
    (b"HTTP/1.1 200 OK\r\nx\r\n\r\n", MissingColon),
    (b"HTTP/1.1 200 OK\r\n: y\r\n\r\n", EmptyName),
    (b"HTTP/1.1 200 OK\r\n:status: 200\r\n\r\n", EmptyName),
    (b"HTTP/1.1 200 OK\r\nx y: z\r\n\r\n", InvalidName),
    (b"HTTP/1.1 200 OK\r\nx: \x00\r\n\r\n", InvalidValue),
    (b"HTTP/1.1 200 OK\r\nx: a\rb\r\n\r\n", BareCr),
    (b"HTTP/1.1 200 OK\r\ncontent_length: 3\r\n\r\n", UnderscoreInName),
    (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\n", DuplicateContentLength),
    (b"HTTP/1.1 200 OK\r\ncontent-length: 2,2\r\n\r\n", InvalidContentLength),
    (b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", InvalidContentLength),
    (
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n",
        ContentLengthWithTransferEncoding,
    ),
    (b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n", InvalidTransferEncoding),
    (b"HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\n\r\n", InvalidTransferEncoding),
    (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
        InvalidTransferEncoding,
    ),
    (b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", TransferEncodingInHttp10),
    (b"HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n", ContentLengthNotAllowed),
    (b"HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n", TransferEncodingNotAllowed),
    (b"HTTP/1.1 100 Continue\r\ncontent-length: 5\r\n\r\n", ContentLengthNotAllowed),
    (b"HTTP/1.1 103 Early Hints\r\ntransfer-encoding: chunked\r\n\r\n", TransferEncodingNotAllowed),
    (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", UnexpectedSwitch),
    (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", BareLf),
];

#[test]
fn responses() {
    for (bytes, kind) in RESPONSES {
        check_response(bytes, RequestKind::Other, *kind);
    }
    check_response(
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        RequestKind::Head,
        ContentLengthWithTransferEncoding,
    );
}
