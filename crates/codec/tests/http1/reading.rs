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

/// The reading of a message that arrives in these pieces, one appended to the other.
pub fn at_every_split(bytes: &[u8], read: impl Fn(&[&[u8]]) -> Reading) -> Reading {
    let whole = read(&[bytes]);
    for at in 0..=bytes.len() {
        let (head, tail) = bytes.split_at(at);
        assert_eq!(read(&[head, tail]), whole, "split at {at} of {:?}", String::from_utf8_lossy(bytes));
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(read(&single), whole, "byte by byte {:?}", String::from_utf8_lossy(bytes));
    whole
}

/// Tight limits, so that the tables can reach them.
pub fn strict() -> Http1Settings {
    Http1Settings {
        enable_trailers: true,
        max_headers_count: 10,
        max_head_bytes: 400,
        ..Http1Settings::default()
    }
}

/// The request is refused for this reason, wherever it is cut.
pub fn check_request(bytes: &[u8], settings: &Http1Settings, kind: ErrorKind) {
    let reading = at_every_split(bytes, |pieces| read_request(pieces, settings));
    assert_eq!(reading.error, Some(kind), "{:?}", String::from_utf8_lossy(bytes));
}

/// The response is refused for this reason, wherever it is cut.
pub fn check_response(bytes: &[u8], request_was: RequestKind, kind: ErrorKind) {
    let reading = at_every_split(bytes, |pieces| read_response(pieces, &strict(), request_was));
    assert_eq!(reading.error, Some(kind), "{:?}", String::from_utf8_lossy(bytes));
}
