//! Our connections against the `h2` crate, in both roles: requests with bodies of many sizes, trailers, and small windows.

use bytes::Bytes;
use ferryman_codec::{HeaderBlock, HeaderName, Http2Connection, Http2Event, Http2Settings, KnownName, Role};
use http::{HeaderMap, Request, Response};
use std::collections::HashMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

const SIZES: &[usize] = &[0, 1, 100, 16_384, 16_385, 70_000, 300_000];

/// A body that waits to be sent, with the trailers behind it.
#[derive(Default)]
struct Outgoing {
    body: Vec<u8>,
    is_whole: bool,
    trailers: Option<HeaderBlock>,
}

/// Sends what there is room for.
fn flush(connection: &mut Http2Connection, outgoing: &mut HashMap<u32, Outgoing>, stream: u32) {
    let Some(out) = outgoing.get_mut(&stream) else { return };
    let ends = out.is_whole && out.trailers.is_none();
    let taken = connection.send_data(stream, &out.body, ends).unwrap();
    out.body.drain(..taken);
    if out.body.is_empty() && out.is_whole {
        if let Some(trailers) = &out.trailers {
            connection.send_trailers(stream, trailers).unwrap();
        }
        outgoing.remove(&stream);
    }
}

/// Drives a connection until `handle` answers true, or the peer ends its side.
async fn drive(
    connection: &mut Http2Connection,
    socket: &mut DuplexStream,
    outgoing: &mut HashMap<u32, Outgoing>,
    mut handle: impl FnMut(
        &mut Http2Connection,
        &mut HashMap<u32, Outgoing>,
        Http2Event<'_>,
        &mut HeaderBlock,
    ) -> bool,
) {
    let (mut input, mut block, mut is_done) = (Vec::new(), HeaderBlock::new(), false);
    loop {
        while !connection.pending().is_empty() || !outgoing.is_empty() {
            let count = connection.pending().len().min(10_000);
            socket.write_all(&connection.pending()[..count]).await.unwrap();
            connection.mark_sent(count);
            while let Some(stream) = connection.next_writable() {
                flush(connection, outgoing, stream);
            }
            if connection.pending().is_empty() {
                break;
            }
        }
        if is_done || socket.read_buf(&mut input).await.unwrap() == 0 {
            return;
        }
        let mut consumed = 0;
        loop {
            let received = connection.receive(&input[consumed..], &mut block).unwrap();
            consumed += received.consumed;
            let Some(event) = received.event else { break };
            is_done |= handle(connection, outgoing, event, &mut block);
        }
        input.drain(..consumed);
        while let Some(stream) = connection.next_writable() {
            flush(connection, outgoing, stream);
        }
    }
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test);
}

fn settings() -> Http2Settings {
    Http2Settings {
        initial_stream_window: 20_000,
        connection_window: 100_000,
        max_pending_bytes: 40_000,
        ..Http2Settings::default()
    }
}

/// Answers each request with its body, and how long it was in the trailers.
async fn serve(mut socket: DuplexStream) {
    let mut connection = Http2Connection::new(Role::Server, settings());
    let mut outgoing = HashMap::new();
    drive(&mut connection, &mut socket, &mut outgoing, |connection, outgoing, event, block| {
        let (stream, piece, is_end) = match event {
            Http2Event::Request { stream, end_stream, .. } => {
                let path = block.get(KnownName::Path).unwrap().to_vec();
                block.clear();
                block.set(KnownName::Status, b"200");
                block.append_name(&HeaderName::new(b"x-path").unwrap(), &path);
                connection.send_response(stream, block, false).unwrap();
                let mut trailers = HeaderBlock::new();
                trailers.append_name(&HeaderName::new(b"x-end").unwrap(), b"yes");
                outgoing.insert(stream, Outgoing { trailers: Some(trailers), ..Outgoing::default() });
                (stream, &b""[..], end_stream)
            }
            Http2Event::Data { stream, data, end_stream } => (stream, data, end_stream),
            Http2Event::Trailers { stream } => (stream, &b""[..], true),
            _ => return false,
        };
        connection.consume(stream, piece.len());
        let out = outgoing.get_mut(&stream).unwrap();
        out.body.extend_from_slice(piece);
        out.is_whole |= is_end;
        flush(connection, outgoing, stream);
        false
    })
    .await;
}

async fn send_all(mut sender: h2::SendStream<Bytes>, size: usize, trailers: Option<HeaderMap>) {
    let mut rest = Bytes::from((0..size).map(|at| (at % 251) as u8).collect::<Vec<_>>());
    while !rest.is_empty() {
        sender.reserve_capacity(rest.len());
        let capacity = std::future::poll_fn(|cx| sender.poll_capacity(cx)).await.unwrap().unwrap();
        sender.send_data(rest.split_to(capacity.min(rest.len())), false).unwrap();
    }
    match trailers {
        Some(trailers) => sender.send_trailers(trailers).unwrap(),
        None => sender.send_data(Bytes::new(), true).unwrap(),
    }
}

/// The length of a body whose bytes are as `send_all` makes them, and its trailers.
async fn receive_all(mut body: h2::RecvStream) -> (usize, Option<HeaderMap>) {
    let mut length = 0;
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        for &byte in &data {
            assert_eq!(byte, (length % 251) as u8);
            length += 1;
        }
        body.flow_control().release_capacity(data.len()).unwrap();
    }
    (length, body.trailers().await.unwrap())
}

#[test]
fn our_server_answers_the_h2_client() {
    run(async {
        let (ours, theirs) = tokio::io::duplex(7_000);
        let client = async {
            let (sender, connection) = h2::client::handshake(theirs).await.unwrap();
            let requests = async move {
                let all = SIZES.iter().map(|&size| {
                    let mut sender = sender.clone();
                    async move {
                        let request = Request::post(format!("http://a.com/{size}"))
                            .header("x-team", "blue")
                            .body(())
                            .unwrap();
                        let (response, body) = sender.send_request(request, false).unwrap();
                        let sent = send_all(body, size, (size == 100).then(HeaderMap::new));
                        let received = async {
                            let response = response.await.unwrap();
                            assert_eq!(response.headers()["x-path"], format!("/{size}"));
                            receive_all(response.into_body()).await
                        };
                        let ((length, trailers), ()) = tokio::join!(received, sent);
                        assert_eq!(length, size);
                        assert_eq!(trailers.unwrap()["x-end"], "yes");
                    }
                });
                for _ in 0..3 {
                    join_all(all.clone().map(|request| Box::pin(request) as _).collect()).await;
                }
            };
            let (_, result) = tokio::join!(requests, connection);
            result.unwrap();
        };
        tokio::join!(client, serve(ours));
    });
}

/// Polls all futures until all are done.
async fn join_all(mut futures: Vec<std::pin::Pin<Box<dyn Future<Output = ()> + '_>>>) {
    std::future::poll_fn(|cx| {
        futures.retain_mut(|future| future.as_mut().poll(cx).is_pending());
        if futures.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

async fn h2_server(socket: DuplexStream) {
    let mut builder = h2::server::Builder::new();
    builder.initial_window_size(10_000).max_concurrent_streams(4).max_frame_size(20_000);
    let mut connection = builder.handshake::<_, Bytes>(socket).await.unwrap();
    let mut tasks: Vec<std::pin::Pin<Box<dyn Future<Output = ()>>>> = Vec::new();
    std::future::poll_fn(|cx| {
        loop {
            tasks.retain_mut(|task| task.as_mut().poll(cx).is_pending());
            match connection.poll_accept(cx) {
                std::task::Poll::Ready(Some(Ok((request, mut respond)))) => {
                    tasks.push(Box::pin(async move {
                        let (length, trailers) = receive_all(request.into_body()).await;
                        assert!(trailers.is_some());
                        let response =
                            Response::builder().status(201).header("x-length", length).body(()).unwrap();
                        let body = respond.send_response(response, false).unwrap();
                        send_all(body, length, None).await;
                    }))
                }
                std::task::Poll::Ready(None | Some(Err(_))) => return std::task::Poll::Ready(()),
                std::task::Poll::Pending => return std::task::Poll::Pending,
            }
        }
    })
    .await;
}

#[test]
fn our_client_asks_the_h2_server() {
    run(async {
        let (mut ours, theirs) = tokio::io::duplex(7_000);
        let client = async move {
            let mut connection = Http2Connection::new(Role::Client, settings());
            let mut head = HeaderBlock::new();
            for (name, value) in [
                (KnownName::Method, &b"POST"[..]),
                (KnownName::Scheme, b"http"),
                (KnownName::Authority, b"a.com"),
                (KnownName::Path, b"/"),
            ] {
                head.set(name, value);
            }
            let mut trailers = HeaderBlock::new();
            trailers.append_name(&HeaderName::new(b"x-end").unwrap(), b"yes");
            let mut to_open: Vec<usize> = SIZES.iter().chain(SIZES).copied().collect();
            let (mut outgoing, mut received, mut ended) = (HashMap::new(), HashMap::<u32, usize>::new(), 0);
            let mut sizes = HashMap::<u32, usize>::new();
            drive(&mut connection, &mut ours, &mut outgoing, |connection, outgoing, event, block| {
                match event {
                    Http2Event::Response { stream, head, .. } => {
                        assert_eq!(head.status, 201);
                        let length = block.get_bytes(b"x-length").unwrap();
                        assert_eq!(String::from_utf8_lossy(length), sizes[&stream].to_string());
                    }
                    Http2Event::Data { stream, data, end_stream } => {
                        let length = received.entry(stream).or_default();
                        assert!(data.iter().zip(*length..).all(|(&byte, at)| byte == (at % 251) as u8));
                        *length += data.len();
                        connection.consume(stream, data.len());
                        if end_stream {
                            assert_eq!(*length, sizes[&stream]);
                            ended += 1;
                        }
                    }
                    Http2Event::SettingsChanged => {
                        assert_eq!(connection.peer_settings().max_concurrent_streams, 4)
                    }
                    event => panic!("{event:?}"),
                }
                while connection.available_streams() > 0 && !to_open.is_empty() {
                    let size = to_open.pop().unwrap();
                    let stream = connection.open(&head, false).unwrap();
                    sizes.insert(stream, size);
                    let body = (0..size).map(|at| (at % 251) as u8).collect();
                    outgoing
                        .insert(stream, Outgoing { body, is_whole: true, trailers: Some(trailers.clone()) });
                    flush(connection, outgoing, stream);
                }
                ended == 2 * SIZES.len()
            })
            .await;
            assert_eq!(ended, 2 * SIZES.len());
            assert_eq!(connection.active_streams(), 0);
        };
        tokio::join!(client, h2_server(theirs));
    });
}
