//! One connection to the admin listener.
//!
//! Owns reading requests, writing answers, and the time-outs of both. HTTP/1.1 only, as strictly as traffic: the codec
//! is the same. Does not own what is answered (`pages`).

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ferryman_codec::{
    BodyDecoder, BodyFraming, CHUNK_END, ErrorKind, HeaderBlock, Http1Settings, KnownName, RequestDecoder,
    RequestHead, RequestKind, Version, encode_chunk_start, encode_last_chunk, encode_response_head,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{timeout, timeout_at};

use super::counters::{ClosedBy, Counters};
use super::pages::{self, Context};
use super::proxy_state::{AdminAccess, ProxyState};
use super::request::Request;
use super::response::{Body, Response};
use super::same_origin;
use crate::application_log::log_at;
use crate::stats::Registry;
use crate::stream_info::{ConnectionInfo, Protocol, StreamInfo, TimePoint};

/// How long a connection may be idle.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3600);
/// How long a request may take to arrive, from its first byte to its last.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the client may take for a piece of an answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// What is read, and for how long, so that a client that is still sending gets the answer before the connection ends.
const LINGER: (usize, Duration) = (1 << 20, Duration::from_secs(1));
/// Largest body of a request.
const MAX_BODY: usize = 1 << 20;

/// What all connections share.
pub struct Shared {
    pub state: Arc<dyn ProxyState>,
    pub registry: Arc<Registry>,
    pub counters: Counters,
}

/// Why a connection ends.
enum End {
    Remote,
    Local,
    /// After an answer that says what was wrong.
    Refused(Response),
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Remote
    }
}

struct Connection<S> {
    stream: S,
    shared: Rc<Shared>,
    info: ConnectionInfo,
    input: Vec<u8>,
    output: Vec<u8>,
    decoder: RequestDecoder,
    settings: Http1Settings,
    head: HeaderBlock,
    response_head: HeaderBlock,
}

/// Serves a connection to its end.
pub async fn run<S: AsyncRead + AsyncWrite + Unpin>(stream: S, shared: Rc<Shared>, info: ConnectionInfo) {
    let start = info.start;
    shared.counters.connection_begins();
    let mut connection = Connection {
        stream,
        shared,
        info,
        input: Vec::new(),
        output: Vec::new(),
        decoder: RequestDecoder::new(),
        settings: Http1Settings::default(),
        head: HeaderBlock::new(),
        response_head: HeaderBlock::new(),
    };
    let end = loop {
        if let Err(end) = connection.serve_one().await {
            break end;
        }
    };
    let by = match end {
        End::Remote => ClosedBy::Remote,
        End::Local => ClosedBy::Local,
        End::Refused(response) => {
            // The connection is over either way.
            let _unsent = connection.write(response, false, true).await;
            ClosedBy::Local
        }
    };
    // The client may be gone already.
    let _closed = connection.stream.shutdown().await;
    connection.shared.counters.connection_ends(start, by);
    connection.linger().await;
}

fn deadline(after: Duration) -> Instant {
    tokio::time::Instant::now().into_std() + after
}

/// The answer to what the codec refused.
fn refusal(kind: ErrorKind) -> Response {
    let text = if kind == ErrorKind::LowVersion { "Upgrade Required" } else { "Bad Request" };
    Response::text(kind.status(), text)
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    async fn read_more(&mut self, deadline: Instant) -> Result<(), End> {
        self.input.reserve(4096);
        match timeout_at(deadline.into(), self.stream.read_buf(&mut self.input)).await {
            Err(_) => {
                self.shared.counters.idle_timeout();
                Err(End::Local)
            }
            Ok(Ok(0)) => Err(End::Remote),
            Ok(read) => {
                self.shared.counters.received(read?);
                Ok(())
            }
        }
    }

    /// Waits for the first byte of the next request; yields when all of it must be here.
    async fn wait_for_request(&mut self) -> Result<Instant, End> {
        if self.input.is_empty() {
            self.read_more(deadline(IDLE_TIMEOUT)).await?;
        }
        Ok(deadline(REQUEST_TIMEOUT))
    }

    /// The next request's head; it is in `self.head` then.
    async fn read_head(&mut self, deadline: Instant) -> Result<RequestHead, End> {
        loop {
            match self.decoder.decode(&self.input, &self.settings, &mut self.head) {
                Ok(Some(head)) => {
                    self.input.drain(..head.consumed);
                    return Ok(head);
                }
                Ok(None) => self.read_more(deadline).await?,
                Err(error) => {
                    self.shared.counters.protocol_error();
                    return Err(End::Refused(refusal(error.kind)));
                }
            }
        }
    }

    async fn read_body(&mut self, framing: BodyFraming, deadline: Instant) -> Result<Vec<u8>, End> {
        let mut decoder = BodyDecoder::new(framing, &self.settings);
        let mut body = Vec::new();
        while !decoder.is_end() {
            let step = decoder.decode(&self.input).map_err(|error| End::Refused(refusal(error.kind)))?;
            let data = self.input.get(step.data.clone()).unwrap_or_default();
            if body.len() + data.len() > MAX_BODY {
                return Err(End::Refused(Response::text(413, "Payload Too Large")));
            }
            body.extend_from_slice(data);
            self.input.drain(..step.consumed);
            if step.consumed == 0 && !step.end {
                self.read_more(deadline).await?;
            }
        }
        Ok(body)
    }

    /// Reads a request and answers it. An error is the end of the connection.
    async fn serve_one(&mut self) -> Result<(), End> {
        let deadline = self.wait_for_request().await?;
        let head = self.read_head(deadline).await?;
        let (start, start_time) = (Instant::now(), SystemTime::now());
        let mut stream = StreamInfo::new(start, start_time);
        self.shared.counters.request_begins();
        if head.expect_continue {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let answered = self.answer(&head, deadline, &mut stream).await;
        stream.response_code = match &answered {
            Ok(status) => Some(*status),
            Err(End::Refused(response)) => Some(response.status),
            Err(End::Local | End::Remote) => None,
        };
        match stream.response_code {
            Some(status) => self.shared.counters.request_ends(start, status),
            None => self.shared.counters.request_reset(),
        }
        let path = self.head.get(KnownName::Path).unwrap_or_default().escape_ascii();
        log_at!(Admin, Debug, "request complete: path: {path}");
        stream.mark(TimePoint::RequestComplete, Instant::now());
        stream.protocol = Some(Protocol::Http11);
        stream.response_code_details = "admin_filter_response".into();
        self.shared.state.log_access(&AdminAccess {
            connection: &self.info,
            stream: &stream,
            request: &self.head,
            response: &self.response_head,
        });
        answered?;
        if head.keep_alive { Ok(()) } else { Err(End::Local) }
    }

    async fn answer(
        &mut self,
        head: &RequestHead,
        deadline: Instant,
        stream: &mut StreamInfo,
    ) -> Result<u16, End> {
        let body = self.read_body(head.framing, deadline).await?;
        stream.mark(TimePoint::LastDownstreamRxByte, Instant::now());
        stream.bytes_received = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let response = match same_origin::check(&self.head) {
            Err(reason) => Response::text(403, reason),
            Ok(()) => {
                let request = Request::new(&self.head, body);
                let (state, registry) = (&self.shared.state, &self.shared.registry);
                pages::answer(&Context { request: &request, state, registry }).await
            }
        };
        let status = response.status;
        stream.bytes_sent = self.write(response, head.kind == RequestKind::Head, !head.keep_alive).await?;
        stream.mark(TimePoint::LastDownstreamTxByte, Instant::now());
        Ok(status)
    }

    /// Writes an answer; yields the bytes of its body.
    async fn write(&mut self, response: Response, no_body: bool, close: bool) -> Result<u64, End> {
        response.write_head(close, SystemTime::now(), &mut self.response_head);
        // Also with no body: as it would be framed.
        encode_response_head(&self.response_head, BodyFraming::Chunked, Version::Http11, &mut self.output)
            .map_err(|_| End::Local)?;
        if no_body {
            self.flush().await?;
            return Ok(0);
        }
        let mut sent = 0;
        match response.body {
            Body::Whole(body) => sent += self.write_piece(&body).await?,
            Body::Pieces(mut pieces) => {
                while let Some(piece) = pieces.recv().await {
                    sent += self.write_piece(&piece).await?;
                }
            }
        }
        encode_last_chunk(None, &mut self.output);
        self.flush().await?;
        Ok(sent)
    }

    async fn write_piece(&mut self, piece: &[u8]) -> Result<u64, End> {
        let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        if length > 0 {
            encode_chunk_start(length, &mut self.output);
            self.output.extend_from_slice(piece);
            self.output.extend_from_slice(CHUNK_END);
            self.flush().await?;
        }
        Ok(length)
    }

    async fn flush(&mut self) -> Result<(), End> {
        let written = timeout(WRITE_TIMEOUT, self.stream.write_all(&self.output)).await;
        self.shared.counters.sent(self.output.len());
        self.output.clear();
        match written {
            Ok(written) => Ok(written?),
            Err(_) => Err(End::Local),
        }
    }

    /// Reads for a while what the client still sends: closing at once would tear away from it what it has not read yet.
    async fn linger(&mut self) {
        let (most, time) = LINGER;
        let mut read = 0;
        let mut discard = async || {
            while read < most {
                self.input.clear();
                match self.stream.read_buf(&mut self.input).await? {
                    0 => break,
                    more => read += more,
                }
            }
            io::Result::Ok(())
        };
        // Whatever goes wrong here, the connection is over.
        let _ended = timeout(time, discard()).await;
    }
}
