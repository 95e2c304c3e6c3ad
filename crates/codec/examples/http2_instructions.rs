//! A request and its response over HTTP/2, many times, for an instruction counter: our codec in both roles, or the `h2`
//! crate in both. `valgrind --tool=callgrind target/release/examples/http2_instructions (ours|h2) COUNT BODY_BYTES`; the
//! difference of two counts is what an exchange costs.

use std::error::Error;
use std::future::poll_fn;
use std::task::Poll;

use bytes::Bytes;
use ferryman_codec::{HeaderBlock, HeaderName, Http2Connection, Http2Event, Http2Settings, KnownName, Role};

const FIELDS: &[(&str, &str)] = &[
    ("user-agent", "h2load nghttp2/1.52.0"),
    ("accept", "*/*"),
    ("accept-encoding", "gzip, deflate"),
    ("x-tenant", "blue"),
];
const ANSWER: &[(&str, &str)] =
    &[("server", "envoy"), ("content-type", "application/json"), ("date", "Mon, 23 Nov 2026 08:00:00 GMT")];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let who = arguments.next().unwrap_or_default();
    let count = arguments.next().unwrap_or_default().parse()?;
    let body = vec![b'x'; arguments.next().unwrap_or_default().parse()?];
    if who == "h2" { run_h2(count, body.into()) } else { run_ours(count, &body) }
}

fn block(pseudo: &[(KnownName, &[u8])], fields: &[(&str, &str)]) -> Result<HeaderBlock, Box<dyn Error>> {
    let mut block = HeaderBlock::new();
    for (name, value) in pseudo {
        block.append(*name, value);
    }
    for (name, value) in fields {
        let name = HeaderName::new(name.as_bytes()).map_err(|_| "no name")?;
        block.append_name(&name, value.as_bytes());
    }
    Ok(block)
}

/// Moves what waits on one side to the other; answers the last stream that an event was about.
fn pass(
    from: &mut Http2Connection,
    to: &mut Http2Connection,
    block: &mut HeaderBlock,
) -> Result<u32, Box<dyn Error>> {
    let mut consumed = 0;
    let mut last = 0;
    loop {
        let received = to.receive(from.pending().get(consumed..).unwrap_or_default(), block)?;
        consumed += received.consumed;
        match received.event {
            None => break,
            Some(Http2Event::Request { stream, .. } | Http2Event::Response { stream, .. }) => last = stream,
            Some(Http2Event::Data { stream, data, .. }) => to.consume(stream, data.len()),
            Some(_) => {}
        }
    }
    from.mark_sent(consumed);
    Ok(last)
}

fn run_ours(count: u32, body: &[u8]) -> Result<(), Box<dyn Error>> {
    let request = block(
        &[
            (KnownName::Method, b"GET"),
            (KnownName::Scheme, b"http"),
            (KnownName::Authority, b"127.0.0.1:10000"),
            (KnownName::Path, b"/index.html?page=2"),
        ],
        FIELDS,
    )?;
    let response = block(&[(KnownName::Status, b"200")], ANSWER)?;
    let mut client = Http2Connection::new(Role::Client, Http2Settings::default());
    let mut server = Http2Connection::new(Role::Server, Http2Settings::default());
    let mut scratch = HeaderBlock::new();
    for _ in 0..count {
        client.open(&request, true).map_err(|_| "cannot be opened")?;
        let stream = pass(&mut client, &mut server, &mut scratch)?;
        server.send_response(stream, &response, false).map_err(|_| "cannot be answered")?;
        if server.send_data(stream, body, true) != Ok(body.len()) {
            return Err("no room".into());
        }
        pass(&mut server, &mut client, &mut scratch)?;
    }
    Ok(())
}

fn run_h2(count: u32, body: Bytes) -> Result<(), Box<dyn Error>> {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
        let client = async {
            let mut builder = h2::client::Builder::new();
            builder.initial_window_size(16 << 20).initial_connection_window_size(24 << 20);
            let (mut sender, mut connection) = builder.handshake::<_, Bytes>(ours).await?;
            for _ in 0..count {
                let mut request = http::Request::get("http://127.0.0.1:10000/index.html?page=2");
                for (name, value) in FIELDS {
                    request = request.header(*name, *value);
                }
                let exchange = async {
                    let (response, _) =
                        sender.send_request(request.body(()).map_err(|_| "no request")?, true)?;
                    let mut body = response.await?.into_body();
                    while let Some(data) = body.data().await {
                        body.flow_control().release_capacity(data?.len())?;
                    }
                    Ok::<_, Box<dyn Error>>(())
                };
                let mut exchange = Box::pin(exchange);
                poll_fn(|cx| {
                    let _ = std::pin::Pin::new(&mut connection).poll(cx);
                    exchange.as_mut().poll(cx)
                })
                .await?;
            }
            Ok::<_, Box<dyn Error>>(())
        };
        tokio::select! { done = client => done, _ = answer(theirs, body) => Err("the server ended".into()) }
    })
}

async fn answer(socket: tokio::io::DuplexStream, body: Bytes) -> Result<(), Box<dyn Error>> {
    let mut builder = h2::server::Builder::new();
    builder.max_send_buffer_size(1 << 20);
    let mut connection = builder.handshake::<_, Bytes>(socket).await?;
    loop {
        let accepted = poll_fn(|cx| match connection.poll_accept(cx) {
            Poll::Ready(accepted) => Poll::Ready(accepted),
            Poll::Pending => Poll::Pending,
        });
        let Some(request) = accepted.await else { return Ok(()) };
        let (_, mut respond) = request?;
        let mut response = http::Response::builder().status(200);
        for (name, value) in ANSWER {
            response = response.header(*name, *value);
        }
        respond.send_response(response.body(())?, false)?.send_data(body.clone(), true)?;
    }
}
