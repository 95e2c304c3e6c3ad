//! Frames as a peer writes them, and a connection that is driven by hand.

use ferryman_codec::{HeaderBlock, Http2Connection, Http2Error, Http2Event, Http2Settings, Role};

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;
pub const WITH_PRIORITY: u8 = 32;

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
    out
}

/// A header block of literals that are in no table.
pub fn fields(fields: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    let string = |out: &mut Vec<u8>, bytes: &[u8]| {
        let length = bytes.len();
        if length < 127 {
            out.push(length as u8);
        } else {
            let rest = length - 127;
            out.extend([127, (rest & 127) as u8 | 128, (rest >> 7 & 127) as u8 | 128, (rest >> 14) as u8]);
        }
        out.extend_from_slice(bytes);
    };
    for (name, value) in fields {
        out.push(0);
        string(&mut out, name.as_bytes());
        string(&mut out, value);
    }
    out
}

pub const GET: &[(&str, &[u8])] =
    &[(":method", b"GET"), (":scheme", b"http"), (":authority", b"a.com"), (":path", b"/")];
pub const POST: &[(&str, &[u8])] =
    &[(":method", b"POST"), (":scheme", b"http"), (":authority", b"a.com"), (":path", b"/")];

/// A request's HEADERS.
pub fn request(stream: u32, head: &[(&str, &[u8])], end_stream: bool) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | u8::from(end_stream), stream, &fields(head))
}

/// A connection with the peer's preface and SETTINGS read, and nothing pending.
pub fn opened(role: Role, settings: Http2Settings) -> Http2Connection {
    let mut connection = Http2Connection::new(role, settings);
    let preface = if role == Role::Server { PREFACE } else { b"" };
    let input = [preface, &frame(SETTINGS, 0, 0, b""), &frame(SETTINGS, 1, 0, b"")].concat();
    feed(&mut connection, &input).unwrap();
    taken(&mut connection);
    connection
}

/// All that waits to be sent.
pub fn taken(connection: &mut Http2Connection) -> Vec<u8> {
    let out = connection.pending().to_vec();
    connection.mark_sent(out.len());
    out
}

/// The frames in the bytes, each as its type, flags, stream, and payload.
pub fn frames(bytes: &[u8]) -> Vec<(u8, u8, u32, Vec<u8>)> {
    let mut rest = bytes.strip_prefix(PREFACE).unwrap_or(bytes);
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let length = u32::from_be_bytes([0, rest[0], rest[1], rest[2]]) as usize;
        let stream = u32::from_be_bytes([rest[5], rest[6], rest[7], rest[8]]);
        frames.push((rest[3], rest[4], stream, rest[9..9 + length].to_vec()));
        rest = &rest[9 + length..];
    }
    frames
}

/// An event as text, with the fields of the block where it has some.
pub fn shown(event: Http2Event<'_>, block: &HeaderBlock) -> String {
    match event {
        Http2Event::Request { .. } | Http2Event::Response { .. } | Http2Event::Trailers { .. } => {
            format!("{event:?} {block:?}")
        }
        Http2Event::Reset { stream, code, cause } => format!("Reset {stream} {code:?} {cause:?}"),
        event => format!("{event:?}"),
    }
}

/// Receives all of the input; answers the events, with pieces of data joined.
pub fn feed(connection: &mut Http2Connection, input: &[u8]) -> Result<Vec<String>, Http2Error> {
    let mut events = Vec::new();
    let consumed = feed_into(connection, input, &mut events)?;
    assert_eq!(consumed, input.len(), "the input ends inside a frame");
    Ok(events)
}

/// Receives what is whole of the input; answers how much that was.
pub fn feed_into(
    connection: &mut Http2Connection,
    input: &[u8],
    events: &mut Vec<String>,
) -> Result<usize, Http2Error> {
    let mut block = HeaderBlock::new();
    let mut consumed = 0;
    loop {
        let received = connection.receive(&input[consumed..], &mut block)?;
        consumed += received.consumed;
        let Some(event) = received.event else { return Ok(consumed) };
        if let Http2Event::Data { stream, data, end_stream } = event {
            connection.consume(stream, data.len());
            let begin = format!("Data {stream} ");
            match events.last_mut().filter(|last| last.starts_with(&begin) && !last.ends_with('.')) {
                Some(last) => *last += &String::from_utf8_lossy(data),
                None => events.push(begin + &String::from_utf8_lossy(data)),
            }
            if end_stream {
                events.last_mut().unwrap().push('.');
            }
        } else {
            events.push(shown(event, &block));
        }
    }
}
