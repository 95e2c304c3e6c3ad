//! Properties of whole messages, with httparse as an independent judge.

use ferryman_codec::{
    BodyFraming, CHUNK_END, HeaderBlock, Http1Settings, KnownName, RequestDecoder, RequestKind,
    ResponseDecoder, Version, encode_chunk_start, encode_last_chunk, encode_request_head,
    encode_response_head,
};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::reading::{read_request, read_response};

const METHODS: &[&str] = &["GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH", "TRACE", "QUERY"];

/// Bytes that make a difference somewhere in the grammar.
const TELLING: &[u8] = b"\r\n\r\n\t \0\x01\x0b\x1f\x7f\x80\xa0\xff:;,=\"#@_-aZ09{}()/\\";

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z][A-Za-z0-9-]{0,20}",
        "[!#$%&'*+.^`|~_0-9A-Za-z-]{1,12}",
        select(vec!["Accept", "user-agent", "X-Request-Id", "Cookie", "x-envoy-retry-on", "Via", "TE"])
            .prop_map(str::to_owned),
    ]
    .prop_filter("framing and host have their own place", |name| {
        let name = name.to_ascii_lowercase().replace('_', "-");
        !["content-length", "transfer-encoding", "host", "connection", "upgrade", "expect"]
            .contains(&name.as_str())
    })
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[ -~]{0,40}".prop_map(String::into_bytes),
        proptest::collection::vec(prop_oneof![Just(b'\t'), 0x20..=0x7eu8, 0x80..=0xffu8], 0..40),
    ]
}

fn fields() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    proptest::collection::vec((name(), value()), 0..12)
}

fn lines(fields: &[(String, Vec<u8>)], separator: &str) -> Vec<u8> {
    fields
        .iter()
        .flat_map(|(name, value)| [name.as_bytes(), separator.as_bytes(), value, b"\r\n"].concat())
        .collect()
}

fn request() -> impl Strategy<Value = Vec<u8>> {
    let framing = select(vec![
        "",
        "Content-Length: 5\r\n",
        "content-length: 007\r\n",
        "Transfer-Encoding: chunked\r\n",
    ]);
    let target =
        prop_oneof!["/[!$-~]{0,30}", Just("*".to_owned()), "http://[a-z]{1,9}(:[0-9]{1,4})?/[a-z?=]{0,9}"];
    let host = "[a-z0-9.-]{1,20}(:[0-9]{1,4})?";
    (select(METHODS.to_vec()), target, host, fields(), framing, select(vec![": ", ":", ": \t "])).prop_map(
        |(method, target, host, fields, framing, separator)| {
            let head = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{framing}");
            [head.as_bytes(), &lines(&fields, separator), b"\r\n"].concat()
        },
    )
}

fn response() -> impl Strategy<Value = Vec<u8>> {
    let framing = select(vec!["", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"]);
    let version = select(vec!["HTTP/1.1", "HTTP/1.0"]);
    (version, 100..=999u16, "[ -~]{0,10}", fields(), framing).prop_map(
        |(version, status, reason, fields, framing)| {
            let head = format!("{version} {status} {reason}\r\n{framing}");
            [head.as_bytes(), &lines(&fields, ": "), b"\r\n"].concat()
        },
    )
}

/// A message with up to three bytes put in, taken out or replaced.
fn damaged(message: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let edit = (any::<Index>(), 0..3u8, select(TELLING.to_vec()));
    (message, proptest::collection::vec(edit, 0..4)).prop_map(|(mut message, edits)| {
        for (place, action, byte) in edits {
            let place = place.index(message.len());
            match action {
                0 => message.insert(place, byte),
                1 => drop(message.remove(place)),
                _ => message[place] = byte,
            }
        }
        message
    })
}

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// Fields as httparse has them, as our block would hold them: lower case, no white space around values.
fn lowered(headers: &[httparse::Header<'_>]) -> Fields {
    let lower =
        |header: &httparse::Header<'_>| (header.name.to_ascii_lowercase().into_bytes(), trim(header.value));
    headers.iter().map(lower).collect()
}

fn trim(value: &[u8]) -> Vec<u8> {
    let start = value.iter().position(|byte| !matches!(byte, b' ' | b'\t')).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !matches!(byte, b' ' | b'\t')).map_or(start, |last| last + 1);
    value[start..end].to_vec()
}

fn owned(block: &HeaderBlock) -> Fields {
    block.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
}

/// What both keep as it is: host becomes a pseudo-header, content-length is respelt, and options of
/// connection and upgrade are taken out.
fn comparable(mut fields: Fields) -> Fields {
    fields.retain(|(name, _)| name != b"host" && name != b"content-length");
    fields
}

/// Whether the bytes break one of the rules that are ours and not httparse's, as far as these messages
/// can break them. Written without a look at the decoder.
fn breaks_our_rules(head: &[u8], fields: &Fields, version: u8) -> bool {
    let bare_lf = (0..head.len()).any(|at| head[at] == b'\n' && (at == 0 || head[at - 1] != b'\r'));
    let bare_cr = (0..head.len()).any(|at| head[at] == b'\r' && head.get(at + 1) != Some(&b'\n'));
    let count = |wanted: &str| fields.iter().filter(|(name, _)| name == wanted.as_bytes()).count();
    let valid = |(name, value): &(Vec<u8>, Vec<u8>)| match name.as_slice() {
        b"content-length" => !value.is_empty() && value.len() < 19 && value.iter().all(u8::is_ascii_digit),
        b"transfer-encoding" => version == 1 && value.eq_ignore_ascii_case(b"chunked"),
        b"content_length" | b"transfer_encoding" | b"connection" | b"upgrade" | b"proxy-connection" => false,
        _ => !value.iter().any(|&byte| (byte < 0x20 && byte != b'\t') || byte == 0x7f),
    };
    bare_lf
        || bare_cr
        || head.starts_with(b"\r\n")
        || fields.iter().any(|(name, _)| name.is_empty())
        || count("content-length") + count("transfer-encoding") > 1
        || !fields.iter().all(valid)
}

fn our_request(bytes: &[u8]) -> Option<(usize, BodyFraming, HeaderBlock)> {
    let mut block = HeaderBlock::new();
    let head = RequestDecoder::new().decode(bytes, &Http1Settings::default(), &mut block).ok()??;
    Some((head.consumed, head.framing, block))
}

fn our_response(bytes: &[u8]) -> Option<(usize, BodyFraming, HeaderBlock)> {
    let mut block = HeaderBlock::new();
    let head = ResponseDecoder::new()
        .decode(bytes, &Http1Settings::default(), RequestKind::Upgrade, &mut block)
        .ok()??;
    Some((head.consumed, head.framing, block))
}

/// `scheme://host/path` as its path, for comparison.
fn path_of(target: &str) -> &str {
    let Some((_, rest)) = target.split_once("://").filter(|_| !target.starts_with('/')) else {
        return target;
    };
    rest.find(['/', '?']).map_or("/", |at| &rest[at..])
}

proptest! {
    #[test]
    fn what_we_accept_of_requests_httparse_reads_the_same(bytes in damaged(request())) {
        let Some((consumed, _, block)) = our_request(&bytes) else { return Ok(()) };
        let mut headers = [httparse::EMPTY_HEADER; 128];
        let mut theirs = httparse::Request::new(&mut headers);
        prop_assert_eq!(theirs.parse(&bytes), Ok(httparse::Status::Complete(consumed)));
        prop_assert_eq!(block.get(KnownName::Method), theirs.method.map(str::as_bytes));
        let path = block.get(KnownName::Path);
        if path.is_some() {
            prop_assert_eq!(path, theirs.path.map(path_of).map(str::as_bytes));
        }
        let theirs = lowered(theirs.headers);
        // What connection names is taken out of ours.
        if !theirs.iter().any(|(name, _)| name == b"connection") {
            prop_assert_eq!(comparable(owned(&block)), comparable(theirs));
        }
    }

    #[test]
    fn what_httparse_accepts_of_requests_and_our_rules_allow_we_accept(bytes in damaged(request())) {
        let mut headers = [httparse::EMPTY_HEADER; 100];
        let mut theirs = httparse::Request::new(&mut headers);
        let Ok(httparse::Status::Complete(consumed)) = theirs.parse(&bytes) else { return Ok(()) };
        let fields = lowered(theirs.headers);
        let (method, path) = (theirs.method.unwrap_or(""), theirs.path.unwrap_or(""));
        let hosts: Vec<_> = fields.iter().filter(|(name, _)| name == b"host").collect();
        let plain_host = |host: &[u8]| {
            let name = host.split(|&byte| byte == b':').next().unwrap_or_default();
            let port = host.get(name.len() + 1..).unwrap_or_default();
            name.iter().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(byte))
                && port.len() < 5 && port.iter().all(u8::is_ascii_digit)
        };
        let expected = METHODS.contains(&method)
            && theirs.version == Some(1)
            && (path.starts_with('/') || (path == "*" && method == "OPTIONS"))
            && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
            && matches!(hosts[..], [(_, host)] if plain_host(host))
            && !breaks_our_rules(&bytes[..consumed], &fields, 1);
        if expected {
            prop_assert_eq!(our_request(&bytes).map(|(consumed, ..)| consumed), Some(consumed));
        }
    }

    #[test]
    fn what_we_accept_of_responses_httparse_reads_the_same(bytes in damaged(response())) {
        let Some((consumed, _, block)) = our_response(&bytes) else { return Ok(()) };
        let mut headers = [httparse::EMPTY_HEADER; 128];
        let mut theirs = httparse::Response::new(&mut headers);
        prop_assert_eq!(theirs.parse(&bytes), Ok(httparse::Status::Complete(consumed)));
        let code = theirs.code.map(|code| code.to_string().into_bytes());
        prop_assert_eq!(block.get(KnownName::Status).map(<[u8]>::to_vec), code);
        prop_assert_eq!(comparable(owned(&block)), comparable(lowered(theirs.headers)));
    }

    #[test]
    fn what_httparse_accepts_of_responses_and_our_rules_allow_we_accept(bytes in damaged(response())) {
        let mut headers = [httparse::EMPTY_HEADER; 100];
        let mut theirs = httparse::Response::new(&mut headers);
        let Ok(httparse::Status::Complete(consumed)) = theirs.parse(&bytes) else { return Ok(()) };
        let fields = lowered(theirs.headers);
        let (version, code) = (theirs.version.unwrap_or(9), theirs.code.unwrap_or(0));
        let framed = fields.iter().any(|(name, _)| name == b"content-length" || name == b"transfer-encoding");
        let reason = bytes.get(12..).unwrap_or_default().split(|&byte| byte == b'\r').next().unwrap_or_default();
        let expected = version <= 1
            && code >= 100
            && !((code < 200 || code == 204) && framed)
            && (reason.is_empty() || reason[0] == b' ')
            && !reason.iter().any(|&byte| byte.is_ascii_control() && byte != b'\t')
            && !breaks_our_rules(&bytes[..consumed], &fields, version);
        if expected {
            prop_assert_eq!(our_response(&bytes).map(|(consumed, ..)| consumed), Some(consumed));
        }
    }

    #[test]
    fn a_request_head_survives_a_round_trip(bytes in damaged(request())) {
        let Some((_, framing, block)) = our_request(&bytes) else { return Ok(()) };
        let mut out = Vec::new();
        let written = encode_request_head(&block, framing, &mut out);
        let path = block.get(KnownName::Path);
        prop_assert_eq!(written.is_err(), path.is_some_and(|path| path[0] == b'?'));
        if written.is_err() {
            prop_assert!(out.is_empty());
            return Ok(());
        }
        let (consumed, framing_again, again) = our_request(&out).expect("what is written can be read");
        prop_assert_eq!((consumed, framing_again), (out.len(), framing));
        prop_assert_eq!(sorted(&again), sorted(&block));
    }

    #[test]
    fn a_response_head_survives_a_round_trip(bytes in damaged(response())) {
        let Some((_, framing, block)) = our_response(&bytes) else { return Ok(()) };
        let mut out = Vec::new();
        encode_response_head(&block, framing, Version::Http11, &mut out).unwrap();
        let (consumed, framing_again, again) = our_response(&out).expect("what is written can be read");
        prop_assert_eq!(consumed, out.len());
        // An answer to HEAD and a 304 may say chunked; it is not written for a body that is not there.
        if block.contains(KnownName::TransferEncoding) == (framing == BodyFraming::Chunked) {
            prop_assert_eq!(framing_again, framing);
            prop_assert_eq!(sorted(&again), sorted(&block));
        }
    }

    #[test]
    fn a_chunked_body_survives_cutting_and_writing_again(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 0..6),
        trailers in fields(),
        cuts in proptest::collection::vec(any::<Index>(), 0..6),
    ) {
        let settings = Http1Settings { enable_trailers: true, ..Http1Settings::default() };
        let mut bytes = b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        let mut block = HeaderBlock::new();
        for (name, value) in &trailers {
            let name = ferryman_codec::HeaderName::new(name.to_ascii_lowercase().as_bytes()).unwrap();
            prop_assert!(block.append_name(&name, value.trim_ascii()));
        }
        for chunk in &chunks {
            encode_chunk_start(u64::try_from(chunk.len()).unwrap(), &mut bytes);
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(CHUNK_END);
        }
        encode_last_chunk(Some(&block), &mut bytes);
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        places.extend([0, bytes.len()]);
        places.sort_unstable();
        let pieces: Vec<&[u8]> = places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        let reading = read_request(&pieces, &settings);
        prop_assert_eq!((reading.error, reading.ended, reading.left), (None, true, 0));
        prop_assert_eq!(reading.body, String::from_utf8_lossy(&chunks.concat()).into_owned());
        prop_assert_eq!(reading.trailers, crate::reading::fields_of(&block));
    }

    #[test]
    fn pieces_make_no_difference(
        bytes in damaged(prop_oneof![request(), response()]),
        body in damaged(Just(b"5\r\nhello\r\n0;a=\"b\"\r\nX: y\r\n\r\nGET".to_vec())),
        cuts in proptest::collection::vec(any::<Index>(), 0..6),
    ) {
        let settings = Http1Settings { enable_trailers: true, ..Http1Settings::default() };
        let bytes = [bytes, body].concat();
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        places.extend([0, bytes.len()]);
        places.sort_unstable();
        let pieces: Vec<&[u8]> = places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(read_request(&pieces, &settings), read_request(&[&bytes], &settings));
        for kind in [RequestKind::Other, RequestKind::Head, RequestKind::Connect, RequestKind::Upgrade] {
            prop_assert_eq!(read_response(&pieces, &settings, kind), read_response(&[&bytes], &settings, kind));
        }
    }
}

/// All fields in an order that does not depend on where the framing field stands.
fn sorted(block: &HeaderBlock) -> Fields {
    let mut fields: Fields = block.iter_all().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
    fields.retain(|(name, _)| name != b":scheme");
    for (name, value) in &mut fields {
        if name == b"transfer-encoding" {
            value.make_ascii_lowercase();
        }
    }
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    fields
}
