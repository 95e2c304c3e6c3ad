//! One side of a TLS connection, as `rustls` carries it, without a socket and without a buffer of its own.
//!
//! Owns: taking records in and giving records out. Does not own: sockets and what is kept between reads (`socket`).
//! Follows RFC 8446 and RFC 5246, both in `rustls`.

use std::io::IoSlice;

use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{CommonState, Error};
use tokio::io::ReadBuf;

/// Records and their headers are no longer than this above what they carry.
const RECORD_OVERHEAD: usize = 64;
/// What is encrypted at once.
const WRITE_MOST: usize = 1 << 16;
/// What a record carries at most.
const RECORD_MOST: usize = 1 << 14;

/// The server's or the client's side.
pub enum Session {
    /// Ours is the server's.
    Server(Box<UnbufferedServerConnection>),
    /// Ours is the client's.
    Client(Box<UnbufferedClientConnection>),
}

/// Bytes that are to be sent. Room once made is kept.
#[derive(Debug, Default)]
pub struct Outgoing {
    bytes: Vec<u8>,
    end: usize,
}

impl Outgoing {
    /// Nothing.
    pub const fn new() -> Self {
        Outgoing { bytes: Vec::new(), end: 0 }
    }

    /// What is to be sent.
    pub fn get(&self) -> &[u8] {
        self.bytes.get(..self.end).unwrap_or_default()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.end = 0;
    }

    fn room(&mut self, needed: usize) -> &mut [u8] {
        if self.bytes.len() < self.end + needed {
            self.bytes.resize(self.end + needed, 0);
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }
}

/// Where decrypted bytes go: to the reader, and what it has no room for is kept.
pub struct Sink<'a, 'b> {
    /// The reader's room; none: nobody reads just now.
    pub into: Option<&'a mut ReadBuf<'b>>,
    /// What is kept.
    pub rest: &'a mut Vec<u8>,
}

impl Sink<'_, '_> {
    fn put(&mut self, bytes: &[u8]) {
        let mut kept = bytes;
        if let Some(into) = self.into.as_mut().filter(|_| self.rest.is_empty()) {
            let (fits, behind) = bytes.split_at(bytes.len().min(into.remaining()));
            into.put_slice(fits);
            kept = behind;
        }
        self.rest.extend_from_slice(kept);
    }
}

/// How far records have brought the connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that need not come again.
    pub consumed: usize,
    /// The peer has said that it sends no more.
    pub peer_closed: bool,
}

enum Flow {
    Again,
    PeerClosed,
    Stop,
}

/// Calls `rustls` until it needs more bytes. A macro: the two sides are of different types with the same calls.
macro_rules! drive {
    ($connection:expr, $incoming:expr, $handle:expr) => {{
        let mut progress = Progress::default();
        let outcome = loop {
            let rest = $incoming.get_mut(progress.consumed..).unwrap_or_default();
            let UnbufferedStatus { discard, state, .. } = $connection.process_tls_records(rest);
            let flow = match state {
                Ok(state) => $handle(state),
                Err(error) => Err(error),
            };
            progress.consumed += discard;
            match flow {
                Ok(Flow::Again) => {}
                Ok(Flow::PeerClosed) => progress.peer_closed = true,
                Ok(Flow::Stop) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        (progress, outcome)
    }};
}

impl Session {
    /// What both sides know of the connection.
    pub fn common(&self) -> &CommonState {
        match self {
            Session::Server(connection) => connection,
            Session::Client(connection) => connection,
        }
    }

    /// Takes all whole records of `incoming`.
    pub fn take(
        &mut self,
        incoming: &mut [u8],
        sink: &mut Sink<'_, '_>,
        outgoing: &mut Outgoing,
    ) -> (Progress, Result<(), Error>) {
        let (progress, outcome) = match self {
            Session::Server(connection) => {
                drive!(connection, incoming, |state| handle(state, sink, outgoing))
            }
            Session::Client(connection) => {
                drive!(connection, incoming, |state| handle(state, sink, outgoing))
            }
        };
        if outcome.is_err() {
            // What is to be said to the peer of the error is given out after it.
            let _: (Progress, Result<(), Error>) = match self {
                Session::Server(connection) => {
                    drive!(connection, [0_u8; 0], |state| handle(state, sink, outgoing))
                }
                Session::Client(connection) => {
                    drive!(connection, [0_u8; 0], |state| handle(state, sink, outgoing))
                }
            };
        }
        (progress, outcome)
    }

    /// Encrypts `plain`, all of it. `incoming` is what was kept of the last read.
    pub fn encrypt(
        &mut self,
        plain: &[u8],
        incoming: &mut [u8],
        sink: &mut Sink<'_, '_>,
        outgoing: &mut Outgoing,
    ) -> (Progress, Result<(), Error>) {
        let needed = plain.len() + (plain.len() / RECORD_MOST + 1) * RECORD_OVERHEAD;
        self.write(incoming, sink, outgoing, needed, &Writing::Data(plain))
    }

    /// Says that we send no more.
    pub fn close(
        &mut self,
        incoming: &mut [u8],
        sink: &mut Sink<'_, '_>,
        outgoing: &mut Outgoing,
    ) -> (Progress, Result<(), Error>) {
        self.write(incoming, sink, outgoing, RECORD_OVERHEAD, &Writing::End)
    }

    fn write(
        &mut self,
        incoming: &mut [u8],
        sink: &mut Sink<'_, '_>,
        outgoing: &mut Outgoing,
        needed: usize,
        writing: &Writing<'_>,
    ) -> (Progress, Result<(), Error>) {
        match self {
            Session::Server(connection) => {
                drive!(connection, incoming, |state| write(state, sink, outgoing, needed, writing))
            }
            Session::Client(connection) => {
                drive!(connection, incoming, |state| write(state, sink, outgoing, needed, writing))
            }
        }
    }
}

enum Writing<'a> {
    Data(&'a [u8]),
    End,
}

fn write<Data>(
    state: ConnectionState<'_, '_, Data>,
    sink: &mut Sink<'_, '_>,
    outgoing: &mut Outgoing,
    needed: usize,
    writing: &Writing<'_>,
) -> Result<Flow, Error> {
    let ConnectionState::WriteTraffic(mut traffic) = state else { return handle(state, sink, outgoing) };
    let room = outgoing.room(needed);
    let written = match writing {
        Writing::Data(plain) => traffic.encrypt(plain, room),
        Writing::End => traffic.queue_close_notify(room),
    };
    match written {
        Ok(count) => {
            outgoing.end += count;
            Ok(Flow::Stop)
        }
        Err(EncryptError::EncryptExhausted) => Err(Error::EncryptError),
        Err(EncryptError::InsufficientSize(_)) => Err(Error::General("a record has no room".to_owned())),
    }
}

fn handle<Data>(
    state: ConnectionState<'_, '_, Data>,
    sink: &mut Sink<'_, '_>,
    outgoing: &mut Outgoing,
) -> Result<Flow, Error> {
    match state {
        ConnectionState::ReadTraffic(mut traffic) => {
            while let Some(record) = traffic.next_record() {
                sink.put(record?.payload);
            }
            Ok(Flow::Again)
        }
        ConnectionState::EncodeTlsData(mut data) => {
            let mut room = 0;
            loop {
                match data.encode(outgoing.room(room)) {
                    Ok(count) => {
                        outgoing.end += count;
                        return Ok(Flow::Again);
                    }
                    Err(EncodeError::InsufficientSize(size)) if room < size.required_size => {
                        room = size.required_size;
                    }
                    Err(_) => return Err(Error::General("a record has no room".to_owned())),
                }
            }
        }
        ConnectionState::TransmitTlsData(data) => {
            // It is among what is to be sent, which nobody else forgets.
            data.done();
            Ok(Flow::Again)
        }
        ConnectionState::PeerClosed => Ok(Flow::PeerClosed),
        _ => Ok(Flow::Stop),
    }
}

/// The pieces in a row, as far as they are encrypted at once, and how many bytes that is.
pub fn gather<'a>(pieces: &'a [IoSlice<'_>], plain: &'a mut Vec<u8>) -> (&'a [u8], usize) {
    if let [piece] = pieces {
        let all = piece.get(..piece.len().min(WRITE_MOST)).unwrap_or_default();
        return (all, all.len());
    }
    plain.clear();
    for piece in pieces {
        let room = WRITE_MOST - plain.len();
        plain.extend_from_slice(piece.get(..piece.len().min(room)).unwrap_or_default());
    }
    (plain, plain.len())
}
