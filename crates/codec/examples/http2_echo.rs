//! A blocking HTTP/2 server for conformance tools: it answers every request with 200 and the request's body.
//! `cargo run -p ferryman-codec --example http2_echo [port]`; it prints the address that it listens on.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use ferryman_codec::{HeaderBlock, Http2Connection, Http2Event, Http2Settings, KnownName, Role};

/// What waits to be sent on each stream, and whether it is all.
type Bodies = HashMap<u32, (Vec<u8>, bool)>;

fn main() -> io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(0);
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("{}", listener.local_addr()?);
    loop {
        let (socket, _) = listener.accept()?;
        std::thread::spawn(move || serve(socket).ok());
    }
}

fn serve(mut socket: TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let start = Instant::now();
    let settings = Http2Settings { stream_error_on_invalid_message: true, ..Http2Settings::default() };
    let mut connection = Http2Connection::new(Role::Server, settings);
    let (mut block, mut bodies, mut input) = (HeaderBlock::new(), Bodies::new(), Vec::new());
    let mut received = [0; 65_536];
    loop {
        while !connection.pending().is_empty() {
            let count = socket.write(connection.pending())?;
            connection.mark_sent(count);
            while let Some(stream) = connection.next_writable() {
                flush(&mut connection, &mut bodies, stream);
            }
        }
        let count = socket.read(&mut received)?;
        if count == 0 {
            return Ok(());
        }
        input.extend_from_slice(received.get(..count).unwrap_or_default());
        connection.set_now(u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX));
        let consumed = handle(&mut connection, &input, &mut block, &mut bodies);
        let Ok(consumed) = consumed else {
            socket.write_all(connection.pending())?;
            return socket.shutdown(std::net::Shutdown::Write);
        };
        input.drain(..consumed);
    }
}

/// Reads all events in the input; answers how much of it they were.
fn handle(
    connection: &mut Http2Connection,
    input: &[u8],
    block: &mut HeaderBlock,
    bodies: &mut Bodies,
) -> Result<usize, ferryman_codec::Http2Error> {
    let mut consumed = 0;
    loop {
        let received = connection.receive(input.get(consumed..).unwrap_or_default(), block)?;
        consumed += received.consumed;
        match received.event {
            None => break,
            Some(Http2Event::Request { stream, end_stream, .. }) => {
                block.clear();
                block.set(KnownName::Status, b"200");
                block.set(KnownName::Server, b"echo");
                if connection.send_response(stream, block, false).is_ok() {
                    bodies.insert(stream, (b"hello\n".to_vec(), end_stream));
                    flush(connection, bodies, stream);
                }
            }
            Some(Http2Event::Data { stream, data, end_stream }) => {
                let body = bodies.entry(stream).or_default();
                body.0.extend_from_slice(data);
                body.1 = end_stream;
                connection.consume(stream, data.len());
                flush(connection, bodies, stream);
            }
            Some(Http2Event::Trailers { stream }) => {
                bodies.entry(stream).or_default().1 = true;
                flush(connection, bodies, stream);
            }
            Some(Http2Event::Reset { stream, .. }) => {
                bodies.remove(&stream);
            }
            Some(_) => {}
        }
    }
    while let Some(stream) = connection.next_writable() {
        flush(connection, bodies, stream);
    }
    Ok(consumed)
}

/// Sends what there is room for.
fn flush(connection: &mut Http2Connection, bodies: &mut Bodies, stream: u32) {
    let Some((body, is_all)) = bodies.get_mut(&stream) else { return };
    let Ok(taken) = connection.send_data(stream, body, *is_all) else { return };
    body.drain(..taken);
    if body.is_empty() && *is_all {
        bodies.remove(&stream);
    }
}
