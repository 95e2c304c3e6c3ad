//! Windows in both directions, and streams that wait for room.

use ferryman_codec::{HeaderBlock, Http2Connection, Http2ErrorKind, Http2Settings, KnownName, Role};

use crate::wire::*;

fn respond(connection: &mut Http2Connection, stream: u32) {
    let mut block = HeaderBlock::new();
    block.set(KnownName::Status, b"200");
    connection.send_response(stream, &block, false).unwrap();
}

fn update(stream: u32, increment: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

#[test]
fn data_stops_at_the_windows_and_goes_on_in_turn() {
    let mut connection = opened(Role::Server, Http2Settings::default());
    for stream in [1, 3] {
        feed(&mut connection, &request(stream, GET, true)).unwrap();
        respond(&mut connection, stream);
    }
    let body = vec![b'x'; 100_000];
    assert_eq!(connection.send_data(1, &body, true), Ok(65_535));
    assert_eq!(connection.send_data(3, &body, true), Ok(0), "the connection's window is closed");
    assert_eq!(connection.next_writable(), None);
    feed(&mut connection, &update(0, 10)).unwrap();
    assert_eq!(connection.next_writable(), Some(3));
    assert_eq!(connection.send_data(3, &body, true), Ok(10));
    feed(&mut connection, &[update(0, 20_000), update(1, 5)].concat()).unwrap();
    let mut writable: Vec<_> = std::iter::from_fn(|| connection.next_writable()).collect();
    writable.sort_unstable();
    assert_eq!(writable, [1, 3]);
    assert_eq!(connection.send_data(1, &body, true), Ok(5));
    assert_eq!(connection.capacity(3), Ok(19_995));
    let sizes: Vec<_> = frames(&taken(&mut connection))
        .iter()
        .filter(|frame| frame.0 == DATA)
        .map(|frame| frame.3.len())
        .collect();
    assert_eq!(sizes, [16_384, 16_384, 16_384, 16_383, 10, 5]);
}

#[test]
fn a_lowered_setting_makes_a_window_negative() {
    let mut connection = opened(Role::Server, Http2Settings::default());
    feed(&mut connection, &request(1, GET, true)).unwrap();
    respond(&mut connection, 1);
    assert_eq!(connection.send_data(1, &[b'x'; 20], false), Ok(20));
    feed(&mut connection, &frame(SETTINGS, 0, 0, b"\0\x04\0\0\0\x0a")).unwrap();
    assert_eq!(connection.send_data(1, b"more", true), Ok(0));
    feed(&mut connection, &update(1, 10)).unwrap();
    assert_eq!(connection.next_writable(), None);
    feed(&mut connection, &update(1, 3)).unwrap();
    assert_eq!(connection.next_writable(), Some(1));
    assert_eq!(connection.send_data(1, b"more", true), Ok(3));
    feed(&mut connection, &frame(SETTINGS, 0, 0, b"\0\x04\0\0\0\x0b")).unwrap();
    assert_eq!(connection.next_writable(), Some(1));
    assert_eq!(connection.send_data(1, b"e", true), Ok(1));
    assert!(!connection.is_open(1));
}

#[test]
fn what_waits_to_be_sent_is_limited() {
    let settings = Http2Settings { max_pending_bytes: 1000, ..Http2Settings::default() };
    let mut connection = opened(Role::Server, settings);
    feed(&mut connection, &request(1, GET, true)).unwrap();
    respond(&mut connection, 1);
    let taken_first = connection.send_data(1, &[b'x'; 5000], true).unwrap();
    assert!((900..1000).contains(&taken_first), "{taken_first}");
    assert!(connection.pending().len() < 1020);
    assert_eq!(connection.next_writable(), None);
    taken(&mut connection);
    assert_eq!(connection.next_writable(), Some(1));
    assert_eq!(connection.send_data(1, &[b'x'; 100], true), Ok(100));
}

#[test]
fn windows_open_as_data_is_consumed() {
    let settings = Http2Settings {
        initial_stream_window: 100_000,
        connection_window: 150_000,
        ..Http2Settings::default()
    };
    let mut connection = opened(Role::Server, settings);
    let input = [request(1, POST, false), frame(DATA, 0, 1, &[b'x'; 10_000]).repeat(6)].concat();
    let mut rest = &input[..];
    let mut block = HeaderBlock::new();
    while !rest.is_empty() {
        rest = &rest[connection.receive(rest, &mut block).unwrap().consumed..];
    }
    assert!(connection.pending().is_empty(), "nothing was consumed");
    connection.consume(1, 49_999);
    assert!(connection.pending().is_empty());
    connection.consume(1, 1);
    assert_eq!(taken(&mut connection), update(1, 50_000));
    connection.consume(1, 10_000);
    assert!(connection.pending().is_empty());
    // The rest of a stream that has ended opens the connection's window.
    connection.reset(1, ferryman_codec::ErrorCode::Cancel);
    taken(&mut connection);
    connection.consume(1, 15_000);
    assert_eq!(taken(&mut connection), update(0, 75_000));
}

#[test]
fn padding_and_refused_data_are_given_back_at_once() {
    let settings = Http2Settings {
        initial_stream_window: 65_535,
        connection_window: 65_535,
        ..Http2Settings::default()
    };
    let mut connection = opened(Role::Server, settings);
    feed(&mut connection, &request(1, POST, false)).unwrap();
    let padded = frame(DATA, PADDED, 1, &[&[255], &[b'x'; 1][..], &[0; 255]].concat());
    let mut given_back = 0;
    for _ in 0..300 {
        feed(&mut connection, &padded).unwrap();
        let of_stream = frames(&taken(&mut connection))
            .into_iter()
            .filter(|frame| frame.0 == WINDOW_UPDATE && frame.2 == 1);
        given_back += of_stream.map(|frame| u32::from_be_bytes(frame.3.try_into().unwrap())).sum::<u32>();
    }
    assert!(given_back > 300 * 257 - 33_000, "{given_back}");
    connection.reset(1, ferryman_codec::ErrorCode::Cancel);
    for _ in 0..20 {
        assert_eq!(feed(&mut connection, &frame(DATA, 0, 1, &[0; 16_384])).unwrap(), [""; 0]);
    }
}

#[test]
fn a_peer_that_sends_too_much_is_cut() {
    let settings = Http2Settings {
        initial_stream_window: 65_535,
        connection_window: 100_000,
        ..Http2Settings::default()
    };
    let full = frame(DATA, 0, 1, &[0; 16_384]);
    let mut block = HeaderBlock::new();
    let receive = |connection: &mut Http2Connection, input: &[u8], block: &mut HeaderBlock| {
        let mut rest = input;
        let mut last = None;
        while !rest.is_empty() {
            let received = connection.receive(rest, block).map_err(|error| error.kind)?;
            rest = &rest[received.consumed..];
            last = received.event.map(|event| shown(event, block)).or(last);
        }
        Ok(last.unwrap())
    };
    let mut connection = opened(Role::Server, settings);
    let input = [request(1, POST, false), full.repeat(4)].concat();
    let last = receive(&mut connection, &input, &mut block);
    assert_eq!(last, Ok("Reset 1 FlowControlError Some(WindowExceeded)".into()));
    let wide = Http2Settings { initial_stream_window: 1 << 20, ..settings };
    let mut connection = opened(Role::Server, wide);
    let input = [request(1, POST, false), full.repeat(7)].concat();
    assert_eq!(receive(&mut connection, &input, &mut block), Err(Http2ErrorKind::WindowExceeded));
}
