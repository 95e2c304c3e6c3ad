//! A response as a client of gRPC-Web reads it.
//!
//! Owns: the frame that stands for trailers, and the text form of all frames. Does not own: the head. Follows
//! grpc/doc/PROTOCOL-WEB.md.
//!
//! As in Envoy, each message is a text of its own, with its own padding. No message is held back for that: its text comes out
//! as it comes in, in groups of three bytes.

use ferryman_codec::HeaderBlock;

use crate::base64;
use crate::filters::http::body::{BodyAnswer, BodyInput, BodyOutput, BodyRefusal};
use crate::grpc::MessageBorders;

/// The flag of a frame of trailers.
const TRAILERS: u8 = 0x80;

/// A message that breaks off cannot be told from what would follow it.
const CUT_OFF: BodyRefusal = BodyRefusal { status: 502, body: "", details: "grpc_web_message_cut_off" };

/// How much is made text at once.
const PIECE_BYTES: usize = 3 * 1024;

/// Writes one response.
#[derive(Debug)]
pub(super) struct WebFrames {
    is_text: bool,
    borders: MessageBorders,
    /// Bytes of a message that make no group of three yet.
    group: Vec<u8>,
    /// What is left to be written of the trailers' frame; none: they have not come.
    trailers: Option<Vec<u8>>,
    /// Memory for text.
    text: Vec<u8>,
}

impl WebFrames {
    pub(super) fn new(is_text: bool) -> Self {
        let (borders, group, text) = (MessageBorders::default(), Vec::new(), Vec::new());
        WebFrames { is_text, borders, group, trailers: None, text }
    }

    pub(super) fn transform(&mut self, input: BodyInput<'_>, output: &mut BodyOutput) -> BodyAnswer {
        match input {
            BodyInput::Data(data) if self.is_text => self.encode(data, output),
            BodyInput::Data(data) => {
                let count = output.push(data);
                self.borders.pass(data.get(..count).unwrap_or_default());
                BodyAnswer::Took(count)
            }
            BodyInput::Pause => BodyAnswer::Done,
            BodyInput::End(_) if self.is_text && !self.borders.is_between() => BodyAnswer::Refuse(CUT_OFF),
            BodyInput::End(trailers) => self.end(trailers, output),
        }
    }

    /// Writes text of the first bytes that belong to one message.
    fn encode(&mut self, data: &[u8], output: &mut BodyOutput) -> BodyAnswer {
        let room = output.room().len() / 4 * 3;
        // A group that is not full yet, and the one that the message may end with.
        let Some(most) = room.checked_sub(6).filter(|&most| most > 0) else { return BodyAnswer::Took(0) };
        let data = data.get(..data.len().min(most).min(PIECE_BYTES)).unwrap_or_default();
        let step = self.borders.step(data);
        self.group.extend_from_slice(data.get(..step.bytes).unwrap_or_default());
        let whole = if step.ends { self.group.len() } else { self.group.len() / 3 * 3 };
        self.text.clear();
        base64::encode(self.group.get(..whole).unwrap_or_default(), &mut self.text);
        self.group.drain(..whole);
        output.push(&self.text);
        BodyAnswer::Took(step.bytes)
    }

    fn end(&mut self, trailers: &mut HeaderBlock, output: &mut BodyOutput) -> BodyAnswer {
        if self.trailers.is_none() && !trailers.is_empty() {
            self.trailers = Some(self.frame(trailers));
            trailers.clear();
        }
        let Some(rest) = &mut self.trailers else { return BodyAnswer::Done };
        let count = output.push(rest);
        rest.drain(..count);
        if rest.is_empty() { BodyAnswer::Done } else { BodyAnswer::Full }
    }

    /// The trailers as a frame: its length is that of what the codec let in.
    fn frame(&self, trailers: &HeaderBlock) -> Vec<u8> {
        let mut lines = Vec::new();
        for (name, value) in trailers.iter() {
            lines.extend_from_slice(name);
            lines.push(b':');
            lines.extend_from_slice(value);
            lines.extend_from_slice(b"\r\n");
        }
        let mut frame = vec![TRAILERS];
        frame.extend_from_slice(&u32::try_from(lines.len()).unwrap_or(u32::MAX).to_be_bytes());
        frame.append(&mut lines);
        if !self.is_text {
            return frame;
        }
        let mut text = Vec::with_capacity(frame.len() / 3 * 4 + 4);
        base64::encode(&frame, &mut text);
        text
    }
}

#[cfg(test)]
mod tests {
    use ferryman_codec::HeaderName;

    use super::*;

    fn transformed(body: &[u8], size: usize, is_text: bool) -> Vec<u8> {
        let mut frames = WebFrames::new(is_text);
        let mut written = Vec::new();
        for mut piece in body.chunks(size) {
            while !piece.is_empty() {
                let mut output = BodyOutput::new();
                let BodyAnswer::Took(count) = frames.transform(BodyInput::Data(piece), &mut output) else {
                    unreachable!()
                };
                piece = &piece[count..];
                written.extend_from_slice(output.data());
            }
        }
        let mut trailers = HeaderBlock::new();
        trailers.append_name(&HeaderName::new(b"grpc-status").unwrap(), b"0");
        let mut output = BodyOutput::new();
        assert!(matches!(frames.transform(BodyInput::End(&mut trailers), &mut output), BodyAnswer::Done));
        written.extend_from_slice(output.data());
        assert!(trailers.is_empty());
        written
    }

    #[test]
    fn each_message_is_a_text_of_its_own() {
        let body = b"\0\0\0\0\x05hello\0\0\0\0\0\0\0\0\0\x01a";
        let text = b"AAAAAAVoZWxsbw==AAAAAAA=AAAAAAFhgAAAAA9ncnBjLXN0YXR1czowDQo=";
        for size in 1..=body.len() {
            assert_eq!(transformed(body, size, true), text, "{size}");
            let mut binary = body.to_vec();
            binary.extend_from_slice(b"\x80\0\0\0\x0fgrpc-status:0\r\n");
            assert_eq!(transformed(body, size, false), binary);
        }
    }

    #[test]
    fn a_message_that_breaks_off_is_refused() {
        let mut frames = WebFrames::new(true);
        frames.transform(BodyInput::Data(b"\0\0\0\0\x05he"), &mut BodyOutput::new());
        let answer = frames.transform(BodyInput::End(&mut HeaderBlock::new()), &mut BodyOutput::new());
        assert!(matches!(answer, BodyAnswer::Refuse(CUT_OFF)));
    }
}
