//! Properties of a chunk's first line, with httparse as an independent judge.

use ferryman_codec::{BodyDecoder, BodyFraming, Http1Settings};
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Bytes that make a difference somewhere in the grammar.
const TELLING: &[u8] = b"\r\n \t;=\"\\09afAFgG+-_x\0\x7f\x80";

fn line() -> impl Strategy<Value = Vec<u8>> {
    let size = prop_oneof![
        "[0-9a-fA-F]{1,4}",
        "0{0,12}[0-9a-f]{1,5}",
        "[0-9a-fA-F]{14,18}",
        "[0-7]f{15}",
        "0{0,3}[0-7][0-9a-f]{14}"
    ];
    let extension = select(vec!["", "", ";a", ";a=b", " ; a=\"b;\\\"\"", ";a;b", ";a=", " ", ";;"]);
    let edit = (any::<Index>(), 0..3u8, select(TELLING.to_vec()));
    (size, extension, proptest::collection::vec(edit, 0..2)).prop_map(|(size, extension, edits)| {
        let mut line = format!("{size}{extension}\r\n").into_bytes();
        for (place, action, byte) in edits {
            let place = place.index(line.len());
            match action {
                0 => line.insert(place, byte),
                1 => drop(line.remove(place)),
                _ => line[place] = byte,
            }
        }
        line
    })
}

/// Whether we take the line, all of it, for that of a chunk of this size.
fn we_read(line: &[u8], size: u64) -> bool {
    let start = usize::try_from(size.min(1 << 20)).unwrap();
    let is_whole = u64::try_from(start) == Ok(size);
    let end: &[u8] = if size == 0 { b"\r\n" } else { b"\r\n0\r\n\r\n" };
    let bytes = [line, &vec![b'x'; start], end].concat();
    let mut decoder = BodyDecoder::new(BodyFraming::Chunked, &Http1Settings::default());
    let Ok(step) = decoder.decode(&bytes) else { return false };
    let data = if is_whole { line.len()..line.len() + start } else { line.len()..bytes.len() };
    (step.data == data || (size == 0 && step.data.is_empty()))
        && step.end == is_whole
        && step.consumed == bytes.len()
}

/// Whether the line is refused or not whole.
fn we_do_not_read(line: &[u8]) -> bool {
    let mut decoder = BodyDecoder::new(BodyFraming::Chunked, &Http1Settings::default());
    // More of a chunk's data, or of the trailers, would be taken if the line were.
    match decoder.decode(&[line, b"\r"].concat()) {
        Err(_) => true,
        Ok(step) => step.data.is_empty() && !step.end && !line.ends_with(b"\r\n"),
    }
}

proptest! {
    #[test]
    fn what_httparse_refuses_we_refuse_and_what_we_read_it_reads_the_same(line in line()) {
        match httparse::parse_chunk_size(&line) {
            Ok(httparse::Status::Complete((consumed, size))) if consumed == line.len() => {
                let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
                let plain = digits > 0 && digits + 2 == line.len() && i64::try_from(size).is_ok();
                // Our rules for extensions are stricter.
                prop_assert!(we_read(&line, size) || (!plain && we_do_not_read(&line)));
            }
            Ok(httparse::Status::Complete(_)) => {}
            Ok(httparse::Status::Partial) | Err(_) => prop_assert!(we_do_not_read(&line)),
        }
    }
}
