//! The text form of a request of gRPC-Web.
//!
//! Owns: base64 that comes cut anywhere. Does not own: the messages in it. Follows grpc/doc/PROTOCOL-WEB.md and RFC 4648
//! section 4: groups of four, padding at the very end alone.

use crate::base64;
use crate::filters::http::body::{BodyAnswer, BodyInput, BodyOutput, BodyRefusal};

const BODY: &str = "Bad gRPC-web request, invalid base64 data.";

const BAD_DATA: BodyRefusal = BodyRefusal { status: 400, body: BODY, details: "grpc_base_64_decode_failed" };

const BAD_SIZE: BodyRefusal =
    BodyRefusal { status: 400, body: BODY, details: "grpc_base_64_decode_failed_bad_size" };

/// How much text is decoded at once.
const PIECE_BYTES: usize = 4096;

/// Reads the text of one request.
#[derive(Debug, Default)]
pub(super) struct TextDecoder {
    /// The begin of a group of four.
    group: Vec<u8>,
    /// Whether padding has come: nothing may come behind it.
    has_ended: bool,
}

impl TextDecoder {
    pub(super) fn transform(&mut self, input: BodyInput<'_>, output: &mut BodyOutput) -> BodyAnswer {
        match input {
            BodyInput::Data(data) => self.decode(data, output),
            BodyInput::Pause => BodyAnswer::Done,
            BodyInput::End(_) if self.group.is_empty() => BodyAnswer::Done,
            BodyInput::End(_) => BodyAnswer::Refuse(BAD_SIZE),
        }
    }

    fn decode(&mut self, data: &[u8], output: &mut BodyOutput) -> BodyAnswer {
        let room = output.room().len() / 3 * 4;
        if room == 0 {
            return BodyAnswer::Took(0);
        }
        if !self.group.is_empty() || data.len() < 4 {
            let piece = data.get(..data.len().min(4 - self.group.len())).unwrap_or_default();
            self.group.extend_from_slice(piece);
            if self.group.len() < 4 {
                return BodyAnswer::Took(piece.len());
            }
            let group = std::mem::take(&mut self.group);
            return self
                .write(&group, output)
                .map_or_else(BodyAnswer::Refuse, |()| BodyAnswer::Took(piece.len()));
        }
        let count = (data.len() / 4 * 4).min(room).min(PIECE_BYTES);
        let piece = data.get(..count).unwrap_or_default();
        self.write(piece, output).map_or_else(BodyAnswer::Refuse, |()| BodyAnswer::Took(count))
    }

    /// Writes what whole groups stand for.
    fn write(&mut self, groups: &[u8], output: &mut BodyOutput) -> Result<(), BodyRefusal> {
        if self.has_ended {
            return Err(BAD_DATA);
        }
        self.has_ended = groups.ends_with(b"=");
        let decoded = base64::decode(groups).ok_or(BAD_DATA)?;
        output.push(&decoded);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes, or why it is refused.
    fn decoded(text: &[u8], size: usize) -> Result<Vec<u8>, &'static str> {
        let mut decoder = TextDecoder::default();
        let mut bytes = Vec::new();
        for mut piece in text.chunks(size) {
            while !piece.is_empty() {
                let mut output = BodyOutput::new();
                match decoder.transform(BodyInput::Data(piece), &mut output) {
                    BodyAnswer::Took(count) => piece = &piece[count..],
                    BodyAnswer::Refuse(refusal) => return Err(refusal.details),
                    _ => unreachable!(),
                }
                bytes.extend_from_slice(output.data());
            }
        }
        match decoder
            .transform(BodyInput::End(&mut ferryman_codec::HeaderBlock::new()), &mut BodyOutput::new())
        {
            BodyAnswer::Refuse(refusal) => Err(refusal.details),
            _ => Ok(bytes),
        }
    }

    #[test]
    fn texts_cut_anywhere() {
        let bytes: Vec<u8> = (0..=255).collect();
        let mut text = Vec::new();
        base64::encode(&bytes, &mut text);
        for size in 1..=text.len() {
            assert_eq!(decoded(&text, size).as_deref(), Ok(&bytes[..]), "{size}");
            assert_eq!(decoded(&text[..text.len() - 1], size), Err("grpc_base_64_decode_failed_bad_size"));
        }
    }

    #[test]
    fn what_is_no_base64_is_refused_however_it_is_cut() {
        for text in [&b"AA*A"[..], b"AAA=AAA=", b"AAB=", b"A===", b"====", b"AAAA=AAA"] {
            for size in 1..=text.len() {
                assert_eq!(decoded(text, size), Err("grpc_base_64_decode_failed"), "{text:?} {size}");
            }
        }
    }
}
