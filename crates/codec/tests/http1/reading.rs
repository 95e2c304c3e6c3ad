//! Reads one message that arrives in pieces, as a connection would, and writes down what came of it.

use ferryman_codec::{
    BodyDecoder, BodyFraming, ErrorKind, HeaderBlock, Http1Settings, RequestDecoder, RequestKind,
    ResponseDecoder,
};

/// One message as understood.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reading {
    pub error: Option<ErrorKind>,
    pub framing: Option<BodyFraming>,
    pub head_length: usize,
    pub keep_alive: bool,
    /// `name=value`, pseudo-headers first, with a space between.
    pub fields: String,
    pub body: String,
    pub trailers: String,
    pub ended: bool,
    /// How many bytes were not taken.
    pub left: usize,
}

pub fn fields_of(block: &HeaderBlock) -> String {
    let field = |(name, value): (&[u8], &[u8])| {
        format!("{}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(value))
    };
    block.iter_all().map(field).collect::<Vec<_>>().join(" ")
}

pub fn read_request(pieces: &[&[u8]], settings: &Http1Settings) -> Reading {
    let mut decoder = RequestDecoder::new();
    read(pieces, settings, |input, block, reading| {
        let head = decoder.decode(input, settings, block).map_err(|error| error.kind)?;
        Ok(head.map(|head| {
            reading.keep_alive = head.keep_alive;
            (head.consumed, head.framing)
        }))
    })
}

pub fn read_response(pieces: &[&[u8]], settings: &Http1Settings, kind: RequestKind) -> Reading {
    let mut decoder = ResponseDecoder::new();
    read(pieces, settings, |input, block, reading| {
        let head = decoder.decode(input, settings, kind, block).map_err(|error| error.kind)?;
        Ok(head.map(|head| {
            reading.keep_alive = head.keep_alive;
            (head.consumed, head.framing)
        }))
    })
}

type Head = Result<Option<(usize, BodyFraming)>, ErrorKind>;

fn read(
    pieces: &[&[u8]],
    settings: &Http1Settings,
    mut decode_head: impl FnMut(&[u8], &mut HeaderBlock, &mut Reading) -> Head,
) -> Reading {
    let mut reading = Reading::default();
    let mut block = HeaderBlock::new();
    let mut body: Option<BodyDecoder> = None;
    let mut buffer = Vec::new();
    let mut data = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        if body.is_none() {
            match decode_head(&buffer, &mut block, &mut reading) {
                Ok(None) => continue,
                Ok(Some((consumed, framing))) => {
                    reading.head_length = consumed;
                    reading.framing = Some(framing);
                    reading.fields = fields_of(&block);
                    buffer.drain(..consumed);
                    body = Some(BodyDecoder::new(framing, settings));
                }
                Err(kind) => return Reading { error: Some(kind), ..reading },
            }
        }
        while let Some(decoder) = body.as_mut().filter(|_| !reading.ended) {
            let step = match decoder.decode(&buffer) {
                Ok(step) => step,
                Err(error) => {
                    // How much of the data was handed out before the error depends on the pieces.
                    return Reading { error: Some(error.kind), body: String::new(), ..reading };
                }
            };
            data.extend_from_slice(buffer.get(step.data.clone()).unwrap_or_default());
            assert!(step.data.end <= step.consumed && step.consumed <= buffer.len());
            buffer.drain(..step.consumed);
            reading.ended = step.end;
            reading.body = String::from_utf8_lossy(&data).into_owned();
            if step.consumed == 0 || step.end {
                break;
            }
        }
    }
    reading.trailers = body.as_ref().map(|body| fields_of(body.trailers())).unwrap_or_default();
    reading.left = buffer.len();
    reading
}
