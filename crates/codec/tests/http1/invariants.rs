//! What holds for any input at all. The fuzz targets run these, and the corpus tests replay them.

use ferryman_codec::{
    BodyDecoder, BodyFraming, CHUNK_END, HeaderBlock, Http1Settings, KnownName, RequestDecoder, RequestKind,
    ResponseDecoder, Version, encode_chunk_start, encode_last_chunk, encode_request_head,
    encode_response_head,
};

use crate::reading::{fields_of, read_request, read_response};

fn settings() -> Http1Settings {
    Http1Settings {
        enable_trailers: true,
        accept_http_10: true,
        max_head_bytes: 4096,
        max_headers_count: 40,
        ..Http1Settings::default()
    }
}

/// The input in pieces: in halves, in thirds, and byte by byte when it is short.
fn cuts(data: &[u8]) -> Vec<Vec<&[u8]>> {
    let at = |divisor: usize| data.chunks(data.len().div_ceil(divisor).max(1)).collect();
    let mut cuts = vec![at(2), at(3), at(7)];
    if data.len() <= 512 {
        cuts.push(data.chunks(1).collect());
    }
    cuts
}

/// The lines that a lenient reader could take for transfer-encoding or content-length: any of CR and
/// LF ends a line, what cannot stand in a name is passed over, and underscores are hyphens.
fn framing_lines(head: &[u8]) -> Vec<String> {
    let in_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    head.split(|&byte| byte == b'\r' || byte == b'\n')
        .filter(|line| {
            let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
            let name: Vec<u8> = name.iter().copied().filter(in_name).collect();
            let name = name.to_ascii_lowercase().escape_ascii().to_string().replace('_', "-");
            name == "transfer-encoding" || name == "content-length"
        })
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect()
}

/// The framing lines that a head of this framing may have.
pub fn expected_framing_lines(framing: BodyFraming) -> Vec<String> {
    match framing {
        BodyFraming::Chunked => vec!["transfer-encoding: chunked".to_owned()],
        BodyFraming::Length(length) => vec![format!("content-length: {length}")],
        BodyFraming::None | BodyFraming::UntilClose => vec![],
    }
}

/// A request reads the same in pieces; a head that is accepted can be written, has one reading, and
/// reads the same again.
pub fn requests(data: &[u8]) {
    let settings = settings();
    let whole = read_request(&[data], &settings);
    for pieces in cuts(data) {
        assert_eq!(read_request(&pieces, &settings), whole);
    }
    let mut block = HeaderBlock::new();
    let Ok(Some(head)) = RequestDecoder::new().decode(data, &settings, &mut block) else { return };
    assert!(head.consumed <= data.len() && head.framing != BodyFraming::UntilClose);
    let mut out = Vec::new();
    if encode_request_head(&block, head.framing, &mut out).is_err() {
        let path = block.get(KnownName::Path).unwrap_or_default();
        let has_bare_query = path.starts_with(b"?") && head.absolute_form;
        let has_no_host = !block.contains(KnownName::Authority) && head.version == Version::Http10;
        assert!(has_bare_query || has_no_host, "only such heads cannot be written");
        return;
    }
    let lines = framing_lines(&out);
    assert!(lines == expected_framing_lines(head.framing), "{lines:?} for {:?}", head.framing);
    let large = Http1Settings { max_head_bytes: 1 << 20, ..settings };
    let mut again = HeaderBlock::new();
    let head_again = RequestDecoder::new().decode(&out, &large, &mut again).unwrap();
    // The written head has a host line of its own even when the URL named the host.
    let head_again = head_again.unwrap();
    assert_eq!((head_again.consumed, head_again.framing), (out.len(), head.framing));
    assert_eq!(without_framing(again), without_framing(block));
}

/// A response reads the same in pieces, whatever was asked; one that is accepted can be written and
/// reads the same again.
pub fn responses(data: &[u8]) {
    let settings = settings();
    for kind in [RequestKind::Other, RequestKind::Head, RequestKind::Connect, RequestKind::Upgrade] {
        let whole = read_response(&[data], &settings, kind);
        for pieces in cuts(data) {
            assert_eq!(read_response(&pieces, &settings, kind), whole);
        }
        let mut block = HeaderBlock::new();
        let Ok(Some(head)) = ResponseDecoder::new().decode(data, &settings, kind, &mut block) else {
            continue;
        };
        let mut out = Vec::new();
        encode_response_head(&block, head.framing, Version::Http11, &mut out).unwrap();
        assert!(framing_lines(&out).len() <= 1, "{:?}", String::from_utf8_lossy(&out));
        let large = Http1Settings { max_head_bytes: 1 << 20, ..settings };
        let mut again = HeaderBlock::new();
        let head_again = ResponseDecoder::new().decode(&out, &large, kind, &mut again).unwrap().unwrap();
        assert_eq!((head_again.consumed, head_again.framing), (out.len(), head.framing));
        assert_eq!(without_framing(again), without_framing(block));
    }
}

/// A chunked body that is accepted, written again chunk by chunk, has the same data and trailers.
pub fn chunks(data: &[u8]) {
    let settings = settings();
    let head = b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n";
    let whole = read_request(&[head, data], &settings);
    for pieces in cuts(data) {
        let pieces: Vec<&[u8]> = std::iter::once(&head[..]).chain(pieces).collect();
        assert_eq!(read_request(&pieces, &settings), whole);
    }
    let mut body = BodyDecoder::new(BodyFraming::Chunked, &settings);
    let (mut rest, mut out) = (data, head.to_vec());
    loop {
        let Ok(step) = body.decode(rest) else { return };
        assert!(step.data.end <= step.consumed && step.consumed <= rest.len());
        if !step.data.is_empty() {
            encode_chunk_start(u64::try_from(step.data.len()).unwrap(), &mut out);
            out.extend_from_slice(&rest[step.data]);
            out.extend_from_slice(CHUNK_END);
        }
        rest = &rest[step.consumed..];
        if step.end {
            break;
        }
        if step.consumed == 0 {
            assert!(body.on_eof().is_err());
            return;
        }
    }
    assert_eq!(rest.len(), whole.left);
    encode_last_chunk(Some(body.trailers()), &mut out);
    let again = read_request(&[&out], &settings);
    assert_eq!((again.error, again.ended, again.left), (None, true, 0));
    assert_eq!((again.body, again.trailers), (whole.body, fields_of(body.trailers())));
}

/// All fields but those that the encoder puts in a place of its own.
fn without_framing(mut block: HeaderBlock) -> HeaderBlock {
    let own = [KnownName::ContentLength, KnownName::TransferEncoding, KnownName::Scheme];
    for name in own {
        block.remove(name);
    }
    let method = block.get(KnownName::Method).map(<[u8]>::to_vec);
    let path = block.get(KnownName::Path).map(<[u8]>::to_vec);
    // A URL names the host before the path, a host field after it.
    let mut sorted = HeaderBlock::new();
    for (name, value) in [(KnownName::Method, method), (KnownName::Path, path)] {
        if let Some(value) = value {
            block.remove(name);
            assert!(sorted.set(name, &value));
        }
    }
    for (name, value) in block.iter_all() {
        assert!(sorted.append_name(&ferryman_codec::HeaderName::new(name).unwrap(), value));
    }
    sorted
}
