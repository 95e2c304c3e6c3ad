//! Limits and choices of the settings, each met exactly and passed by one.

use ferryman_codec::ErrorKind::*;
use ferryman_codec::{Http1Settings, UnderscoresAction};

use crate::reading::{at_every_split, check_request, read_request};

#[test]
fn underscores_by_choice() {
    let request = b"GET / HTTP/1.1\r\nHost: h\r\nx_y: z\r\n\r\n";
    let with = |underscores| Http1Settings { underscores, ..Http1Settings::default() };
    check_request(request, &with(UnderscoresAction::Reject), UnderscoreInName);
    let fields = |action| at_every_split(request, |pieces| read_request(pieces, &with(action))).fields;
    assert_eq!(fields(UnderscoresAction::Drop), ":method=GET :path=/ :authority=h");
    assert_eq!(fields(UnderscoresAction::Allow), ":method=GET :path=/ :authority=h x_y=z");
}

#[test]
fn limits() {
    let settings = Http1Settings { max_head_bytes: 100, max_headers_count: 3, ..Http1Settings::default() };
    let head = |filler: usize| {
        [b"GET / HTTP/1.1\r\nHost: h\r\nA: ".to_vec(), vec![b'a'; filler], b"\r\n\r\n".to_vec()].concat()
    };
    assert_eq!(head(68).len(), 100);
    assert_eq!(at_every_split(&head(68), |pieces| read_request(pieces, &settings)).error, None);
    check_request(&head(69), &settings, HeadersTooLarge);
    check_request(&[b'A'; 101], &settings, HeadersTooLarge);
    check_request(b"GET / HTTP/1.1\r\nHost: h\r\na: 1\r\nb: 2\r\nc: 3\r\n\r\n", &settings, TooManyHeaders);
    check_request(&b"\r\n".repeat(17), &settings, TooManyEmptyLines);

    let chunked = b"POST / HTTP/1.1\r\nHost: h\r\ntransfer-encoding: chunked\r\n\r\n0\r\n";
    let trailers = |filler: usize| [&chunked[..], b"a: ", &vec![b'b'; filler], b"\r\n\r\n"].concat();
    assert_eq!(at_every_split(&trailers(93), |pieces| read_request(pieces, &settings)).error, None);
    check_request(&trailers(94), &settings, HeadersTooLarge);
}
