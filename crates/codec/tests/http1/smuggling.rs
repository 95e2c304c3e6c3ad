//! The 1,768 disguises of transfer-encoding (`tests/smuggling/`): each is refused, or what is passed on
//! can be read in one way only.

use ferryman_codec::{
    HeaderBlock, Http1Settings, RequestDecoder, RequestHead, UnderscoresAction, encode_request_head,
};

use crate::invariants::expected_framing_lines;
use crate::reading::{at_every_split, read_request};

const LIST: &str = include_str!("../smuggling/te_mutations.txt");

fn mutations() -> Vec<(&'static str, Vec<u8>)> {
    LIST.lines()
        .map(|line| line.split_once('\t').unwrap())
        .map(|(name, text)| (name, unescape(text)))
        .collect()
}

fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let (&letter, tail) = rest.split_first().unwrap();
        rest = tail;
        match letter {
            b't' => out.push(b'\t'),
            b'r' => out.push(b'\r'),
            b'n' => out.push(b'\n'),
            b'x' => {
                let (digits, tail) = rest.split_at(2);
                out.push(u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap());
                rest = tail;
            }
            other => out.push(other),
        }
    }
    out
}

/// The same field lines with each byte above 0x7F as two, as UTF-8 would have it.
fn as_utf8(field: &[u8]) -> Vec<u8> {
    field.iter().map(|&byte| char::from(byte)).collect::<String>().into_bytes()
}

fn decode(bytes: &[u8]) -> Option<(RequestHead, HeaderBlock)> {
    let settings = Http1Settings { underscores: UnderscoresAction::Allow, ..Http1Settings::default() };
    let mut block = HeaderBlock::new();
    let head = RequestDecoder::new().decode(bytes, &settings, &mut block).ok()?.expect("the head is whole");
    Some((head, block))
}

/// The lines that the most lenient of readers could take for transfer-encoding or content-length:
/// any of CR and LF ends a line, and in a name only letters and digits count.
fn framing_lines(head: &[u8]) -> Vec<String> {
    head.split(|&byte| byte == b'\r' || byte == b'\n')
        .filter(|line| {
            let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
            let letters: Vec<u8> =
                name.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).collect();
            letters == b"transferencoding" || letters == b"contentlength"
        })
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect()
}

/// Whether the request was let through, wherever it is cut; panics if what is passed on is ambiguous.
fn passes(name: &str, request: &[u8]) -> bool {
    at_every_split(request, |pieces| read_request(pieces, &Http1Settings::default()));
    let Some((head, block)) = decode(request) else { return false };
    let mut out = Vec::new();
    encode_request_head(&block, head.framing, &mut out).unwrap();
    let lines = framing_lines(&out);
    assert_eq!(lines, expected_framing_lines(head.framing), "{name}: {:?}", String::from_utf8_lossy(&out));
    true
}

#[test]
fn no_disguise_is_passed_on() {
    let list = mutations();
    assert_eq!(list.len(), 1768);
    let (mut with_length, mut without_length) = (Vec::new(), Vec::new());
    for (name, field) in &list {
        for field in [field.clone(), as_utf8(field)] {
            let start: &[u8] = b"POST / HTTP/1.1\r\n";
            let length: &[u8] = b"\r\nHost: h\r\nContent-Length: 5\r\n\r\n0\r\n\r\n";
            let length_first: &[u8] = b"POST / HTTP/1.1\r\nContent-Length: 5\r\nHost: h\r\n";
            let after = passes(name, &[start, &field, length].concat());
            let before = passes(name, &[length_first, &field, b"\r\n\r\n0\r\n\r\n"].concat());
            assert_eq!(after, before, "{name}: the place of content-length makes a difference");
            with_length.extend(after.then_some(*name));
            let alone = passes(name, &[start, &field, b"\r\nHost: h\r\n\r\n0\r\n\r\n"].concat());
            without_length.extend(alone.then_some(*name));
        }
    }
    with_length.dedup();
    without_length.dedup();
    // Beside content-length: only what is another field, or inside another field's value.
    let others = [
        "default/after-field-09",
        "default/after-field-20",
        "default/after-field-a0",
        "default/after-field-ff",
    ];
    assert_eq!(with_length, [&others[..], &["exhaustive/content-encoding"]].concat());
    // Alone: also what is exactly `chunked` but for case and white space around it, some of it in two
    // lines that end in CR LF as they should.
    without_length.retain(|name| !with_length.contains(name));
    let spellings = [
        "default/tab-before-value",
        "default/value-start-09",
        "default/value-end-09",
        "default/after-field-cr-0a",
        "default/before-field-cr-0a",
        "default/after-field-lf-0d",
        "default/before-field-lf-0d",
        "default/value-start-20",
        "default/value-end-20",
        "exhaustive/tab-before-value",
        "exhaustive/two-spaces",
        "exhaustive/mixed-case",
        "exhaustive/upper-case",
        "exhaustive/tab-at-end",
        "exhaustive/value-start-09",
        "exhaustive/value-end-09",
        "doubles/value-start-value-end-09",
        "doubles/value-start-value-end-20",
    ];
    assert_eq!(without_length, spellings);
}
