//! gRPC calls of the proxy's own.
//!
//! Owns: messages in both directions, how a call ended, and what an error is as a status of gRPC. Does not own: the stream
//! (`client::stream`), where messages begin (`grpc`), what is in them.
//! Follows: grpc/doc/PROTOCOL-HTTP2.md and http-grpc-status-mapping.md; Envoy's `Grpc::AsyncClient`.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Instant;

use ferryman_codec::{BodyFraming, HeaderBlock, HeaderName, KnownName};

use super::{CallLimits, Client, Stream};
use crate::decimal;
use crate::error::{Error, ErrorKind};
use crate::format::grpc_status;
use crate::grpc::{PREFIX_BYTES, prefix};
use crate::local_reply::LocalReply;

const OK: u64 = 0;
const UNKNOWN: u64 = 2;
const RESOURCE_EXHAUSTED: u64 = 8;
const INTERNAL: u64 = 13;

/// How a call ended, if not well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrpcStatus {
    /// The code, not 0.
    pub code: u64,
    /// In words; may be empty.
    pub message: String,
}

impl GrpcStatus {
    fn new(code: u64, message: &str) -> Self {
        GrpcStatus { code, message: message.to_owned() }
    }

    /// What an error of the stream is to a caller, as if a proxy on the way had answered.
    #[must_use]
    pub fn of_error(error: &Error) -> Self {
        let reply = LocalReply::for_error(error, true);
        let code = match error.kind {
            ErrorKind::ResponseTimeout => grpc_status::DEADLINE_EXCEEDED,
            ErrorKind::ResponseTooLarge => RESOURCE_EXHAUSTED,
            _ => grpc_status::from_http(reply.status),
        };
        GrpcStatus { code, message: String::from_utf8_lossy(&reply.body).into_owned() }
    }
}

/// A call: messages go, messages come. Dropping it cancels it.
#[derive(Debug)]
pub struct GrpcStream {
    stream: Stream,
    /// What has come of messages that were not taken.
    received: Vec<u8>,
    most_bytes: usize,
    /// Whether the head was seen to be one of gRPC.
    is_grpc: bool,
}

impl Client {
    /// Begins a call; `path` is `/package.Service/Method`. `metadata` goes with it. The host is told of the deadline.
    ///
    /// # Errors
    /// As `Client::open`, as a status.
    pub async fn open_grpc(
        &self,
        path: &[u8],
        metadata: &HeaderBlock,
        limits: CallLimits,
    ) -> Result<GrpcStream, GrpcStatus> {
        let mut head = HeaderBlock::new();
        for (name, value) in [
            (KnownName::Method, &b"POST"[..]),
            (KnownName::Scheme, if self.cluster.tls.is_some() { b"https" } else { b"http" }),
            // As in Envoy, unless the caller has another.
            (KnownName::Authority, self.cluster.info.name.as_bytes()),
            (KnownName::Path, path),
            (KnownName::Te, b"trailers"),
            (KnownName::ContentType, b"application/grpc"),
        ] {
            head.set(name, value);
        }
        if let Some(deadline) = limits.deadline {
            let left = deadline.saturating_duration_since(Instant::now()).as_millis();
            crate::route::write_grpc_timeout(&mut head, u64::try_from(left).unwrap_or(u64::MAX));
        }
        if let Some(authority) = metadata.get(KnownName::Authority) {
            head.set(KnownName::Authority, authority);
        }
        for (name, value) in metadata.iter() {
            if let Ok(name) = HeaderName::new(name) {
                head.append_name(&name, value);
            }
        }
        let opened = self.open(&head, BodyFraming::Chunked, limits).await;
        let stream = opened.map_err(|error| GrpcStatus::of_error(&error))?;
        Ok(GrpcStream { stream, received: Vec::new(), most_bytes: limits.most_bytes, is_grpc: false })
    }

    /// One message there, one back.
    ///
    /// # Errors
    /// How the call ended, if not well; `INTERNAL` where a good end came without a message.
    pub async fn call_grpc(
        &self,
        path: &[u8],
        message: &[u8],
        limits: CallLimits,
    ) -> Result<Vec<u8>, GrpcStatus> {
        let mut call = self.open_grpc(path, &HeaderBlock::new(), limits).await?;
        call.send(message).await?;
        call.half_close();
        let answer = call.receive().await?;
        let end = call.receive().await?;
        match (answer, end) {
            (Some(answer), None) => Ok(answer),
            _ => Err(GrpcStatus::new(INTERNAL, "a unary call is answered by one message")),
        }
    }
}

impl GrpcStream {
    /// Sends a message, as fast as the host takes it. A host that has ended the call takes all; `receive` tells.
    ///
    /// # Errors
    /// The deadline has passed; or no message is that long.
    pub async fn send(&mut self, message: &[u8]) -> Result<(), GrpcStatus> {
        let Some(prefix) = prefix(message.len()) else {
            return Err(GrpcStatus::new(RESOURCE_EXHAUSTED, "no message is that long"));
        };
        for part in [&prefix[..], message] {
            self.stream.send(part).await.map_err(|error| GrpcStatus::of_error(&error))?;
        }
        Ok(())
    }

    /// No more messages are sent.
    pub fn half_close(&mut self) {
        self.stream.half_close(&HeaderBlock::new());
    }

    /// Cancels the call.
    pub fn reset(&mut self) {
        self.stream.reset();
    }

    /// The metadata that came first, once a message or the end has come.
    #[must_use]
    pub fn initial_metadata(&self) -> &HeaderBlock {
        self.stream.fields()
    }

    /// The next message; none: the call ended well. Nothing is read of the stream while whole messages wait here.
    ///
    /// # Errors
    /// How the call ended, if not well.
    pub async fn receive(&mut self) -> Result<Option<Vec<u8>>, GrpcStatus> {
        loop {
            if let Some(message) = self.take_message()? {
                return Ok(Some(message));
            }
            let piece = poll_fn(|cx| match self.stream.poll_head(cx) {
                Poll::Ready(Ok(_)) => self.stream.poll_receive(cx),
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Pending => Poll::Pending,
            })
            .await
            .map_err(|error| GrpcStatus::of_error(&error))?;
            self.check_head().await?;
            let Some(piece) = piece else { return self.end() };
            self.received.extend_from_slice(&piece);
        }
    }

    /// A message that is whole.
    fn take_message(&mut self) -> Result<Option<Vec<u8>>, GrpcStatus> {
        let Some((prefix, rest)) = self.received.split_first_chunk::<PREFIX_BYTES>() else { return Ok(None) };
        let [flags, a, b, c, d] = *prefix;
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if flags != 0 {
            // Nobody has said that compressed ones are taken.
            return Err(self.refuse(GrpcStatus::new(INTERNAL, "the message is compressed")));
        }
        if length > self.most_bytes {
            return Err(self.refuse(GrpcStatus::new(RESOURCE_EXHAUSTED, "the message is too large")));
        }
        let Some(message) = rest.get(..length).map(<[u8]>::to_vec) else { return Ok(None) };
        self.received.drain(..PREFIX_BYTES + length);
        Ok(Some(message))
    }

    fn refuse(&mut self, status: GrpcStatus) -> GrpcStatus {
        self.received.clear();
        self.stream.reset();
        status
    }

    /// A response that is none of gRPC ends the call, unless it says itself how that ended.
    async fn check_head(&mut self) -> Result<(), GrpcStatus> {
        if self.is_grpc {
            return Ok(());
        }
        let status = self.stream.head().await.map_err(|error| GrpcStatus::of_error(&error))?;
        if status != 200 && !self.stream.fields().contains(KnownName::GrpcStatus) {
            let message = format!("the host answered {status}");
            return Err(self.refuse(GrpcStatus::new(grpc_status::from_http(status), &message)));
        }
        self.is_grpc = true;
        Ok(())
    }

    fn end(&self) -> Result<Option<Vec<u8>>, GrpcStatus> {
        if !self.received.is_empty() {
            return Err(GrpcStatus::new(INTERNAL, "the last message is cut off"));
        }
        let (trailers, head) = (self.stream.trailers(), self.stream.fields());
        let of_end = if trailers.contains(KnownName::GrpcStatus) { trailers } else { head };
        let code = of_end.get(KnownName::GrpcStatus).map_or(Some(UNKNOWN), decimal::parse);
        let message = of_end.get(KnownName::GrpcMessage).map(percent_decoded).unwrap_or_default();
        match code {
            Some(OK) => Ok(None),
            code => Err(GrpcStatus { code: code.unwrap_or(UNKNOWN), message }),
        }
    }
}

/// What a value of `grpc-message` says. What is no sequence of its own stays as it is.
fn percent_decoded(value: &[u8]) -> String {
    let (mut decoded, mut rest) = (Vec::with_capacity(value.len()), value);
    while let Some((&byte, after)) = rest.split_first() {
        let digit = |place: usize| char::from(*after.get(place)?).to_digit(16);
        match (byte, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                decoded.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
