//! The response as it goes downstream: from the upstream, from the configuration, or from an error.
//!
//! Owns: the head's last edits, `connection`, local replies, and what is still done when all went wrong. Does not own: the
//! text of local replies (`local_reply`), the copying of an upstream's body (`exchange`).
//! Follows Envoy's pages "HTTP connection management" and "Local reply modification".

use std::borrow::Cow;
use std::future::poll_fn;
use std::task::Poll;
use std::time::{Duration, Instant};

use ferryman_codec::{BodyFraming, HeaderBlock, KnownName, RequestHead, RequestKind, Version};

use crate::application_log::log_at;
use crate::decimal::Decimal;
use crate::error::{Error, ErrorKind, Side};
use crate::format::{AccessLogType, FormatContext};
use crate::http_codec::BodyReader;
use crate::local_reply::{Answered, LocalReply, Origin, When, details_of_reset, set_status};
use crate::random::thread_random;
use crate::route::{Action, Matched};
use crate::stats::HttpStat;
use crate::stream_info::{Cause, TimePoint};

use super::HttpStream;
use super::filter_walk::Walked;

/// How long what is left of a broken response may take to be written.
const LAST_FLUSH: Duration = Duration::from_secs(1);

impl HttpStream<'_> {
    /// Sends an answer of the proxy's own. As in Envoy, all filters see it; one that answers in its place has the last
    /// word.
    pub(crate) async fn reply(&mut self, mut reply: LocalReply<'_>) -> Result<(), Error> {
        self.note_reply(&reply);
        self.begin_filters();
        self.write_reply_head(&mut reply);
        if !self.state.filters.is_empty() {
            let end_stream = !self.has_reply_body(&reply) || reply.body.is_empty();
            let mut walked = self.walk_response_filters(end_stream).await?;
            while let Walked::Held(holder) = walked {
                // All of it is there; what transforms it stands further on.
                let mut body = std::mem::take(&mut reply.body).into_owned();
                self.hand_over(holder, &mut body, &mut HeaderBlock::new());
                reply.body = Cow::Owned(body);
                walked = self.walk_response_from(holder, false).await?;
            }
            match walked {
                Walked::OnItsWay | Walked::Held(_) => {}
                Walked::Recreated => return Ok(()),
                Walked::Replaced(other) => {
                    reply = other;
                    self.state.response_body.clear();
                    self.note_reply(&reply);
                    self.write_reply_head(&mut reply);
                }
            }
        }
        self.send_reply(&reply).await
    }

    /// Sends an answer in the place of an upstream's response, on which a filter had the last word.
    pub(crate) async fn reply_in_place(&mut self, mut reply: LocalReply<'_>) -> Result<(), Error> {
        self.note_reply(&reply);
        self.write_reply_head(&mut reply);
        self.state.response_body.clear();
        self.send_reply(&reply).await
    }

    fn note_reply(&mut self, reply: &LocalReply<'_>) {
        if reply.status >= 400 {
            self.state.info.decisions.fail(Cause::LocalReply, false);
        }
    }

    async fn send_reply(&mut self, reply: &LocalReply<'_>) -> Result<(), Error> {
        let length = u64::try_from(reply.body.len()).unwrap_or(u64::MAX);
        let has_body = self.has_reply_body(reply);
        let framing = if has_body { BodyFraming::Length(length) } else { BodyFraming::None };
        self.start_response(framing)?;
        let body = if has_body { &*reply.body } else { b"" };
        if self.state.response_body.is_active() {
            return Box::pin(self.send_transformed(body)).await;
        }
        self.send(body).await
    }

    /// Tells the client how many attempts were made, where the virtual host wants that.
    pub(crate) fn set_attempt_count_of_response(&mut self) {
        let attempts = self.state.info.upstream.attempt_count;
        let is_wanted = |matched: &Matched<'_>| matched.virtual_host.include_attempt_count_in_response;
        if attempts > 0 && self.matched.as_ref().is_some_and(is_wanted) {
            let text = Decimal::new(u64::from(attempts));
            self.state.response.set(KnownName::XEnvoyAttemptCount, text.as_bytes());
        }
    }

    fn has_reply_body(&self, reply: &LocalReply<'_>) -> bool {
        self.head.kind != RequestKind::Head && !matches!(reply.status, 204 | 304) && reply.status >= 200
    }

    fn write_reply_head(&mut self, reply: &mut LocalReply<'_>) {
        log_at!(Http, Debug, "{} sending local reply with details {}", self.tag(), reply.details);
        self.state.response.clear();
        set_status(&mut self.state.response, reply.status);
        self.state.info.response_code_details = reply.details.clone();
        self.state.info.details_are_blank = reply.details.is_empty();
        self.close |= reply.close && self.head.version != Version::Http2;
        self.edit_reply(reply);
        let state = &mut *self.state;
        if let Some(policy) = &self.manager.settings.local_replies {
            let mut answered = Answered {
                request: &state.request,
                response: &mut state.response,
                info: &mut state.info,
                connection: self.connection.info,
                now: self.now,
            };
            policy.apply(reply, &mut answered, &mut state.scratch);
        }
        if self.is_grpc_call {
            reply.translate_for_grpc(&mut state.response);
            state.info.response_code = Some(reply.status);
            return;
        }
        reply.write_body_headers(&mut self.state.response);
    }

    /// As in Envoy, a route that forwards edits first what is answered in an upstream's place; one that answers itself
    /// edits its own answers alone, and last.
    fn edit_reply(&mut self, reply: &LocalReply<'_>) {
        let is_of_route = reply.origin == Origin::Route;
        if !is_of_route
            && self.matched.is_some_and(|matched| matches!(matched.route.action, Action::Forward(_)))
        {
            self.make_response_edits();
        }
        let state = &mut *self.state;
        reply.write_own_headers(&mut state.response);
        let now = self.now;
        let mut context =
            FormatContext::new(&state.info, self.connection.info, AccessLogType::NotSet, now, thread_random);
        context.request_headers = Some(&state.request);
        reply.edit(&mut state.response, &context, &mut state.scratch);
        if reply.origin == Origin::Router {
            self.set_attempt_count_of_response();
        }
        if is_of_route {
            self.make_response_edits();
        }
        self.state.info.response_code = Some(reply.status);
    }

    /// Writes a whole body and all that waits before it.
    pub(super) async fn send(&mut self, body: &[u8]) -> Result<(), Error> {
        let mut rest = body;
        poll_fn(|cx| {
            self.poll_deadlines(cx)?;
            let codec = &mut self.connection.codec;
            while !rest.is_empty() {
                let Poll::Ready(taken) = codec.poll_write(cx, rest) else {
                    self.wait_for_window(cx);
                    return Poll::Pending;
                };
                let taken = taken.map_err(|_| ErrorKind::DownstreamDisconnect)?;
                self.state.info.bytes_sent += u64::try_from(taken).unwrap_or(u64::MAX);
                rest = rest.get(taken..).unwrap_or_default();
            }
            if !codec.is_finished() {
                codec.finish(None);
            }
            codec.poll_flush(cx).map_err(|_| ErrorKind::DownstreamDisconnect.into())
        })
        .await
    }

    /// Queues the response's head, after the connection manager's own edits; the route's were made before.
    pub(crate) fn start_response(&mut self, framing: BodyFraming) -> Result<(), Error> {
        let date = self.worker.clock.date(self.now);
        let settings = self.settings();
        let state = &mut *self.state;
        settings.response_headers.apply(&mut state.response, Some(&state.request), &date);
        if let (Some(proxy_status), false) = (&settings.proxy_status, state.info.response_flags.is_empty()) {
            proxy_status.apply(&mut state.response, &mut state.info, self.connection.info);
        }
        self.drop_impossible_body();
        let framing = self.downstream_framing(framing);
        // Asked in any case, for it counts.
        let must_close = self.must_close();
        let is_until_close = framing == BodyFraming::UntilClose && self.head.version != Version::Http2;
        self.close |= is_until_close || self.lacks_length() || must_close;
        if self.is_tunnel || self.grants_connect() || self.head.version == Version::Http2 {
            // What follows is no HTTP/1, so nothing is said of its end.
        } else if self.close {
            self.state.response.append(KnownName::Connection, b"close");
        } else if self.head.version == Version::Http10 {
            self.state.response.append(KnownName::Connection, b"keep-alive");
        }
        self.response_started = true;
        self.tell_response();
        self.timers.respond();
        let state = &mut *self.state;
        state.info.mark(TimePoint::FirstDownstreamTxByte, self.now);
        let RequestHead { kind, version, .. } = self.head;
        let started = self.connection.codec.start_response(&state.response, framing, kind, version);
        started.map_err(|error| ErrorKind::UpstreamCodec(error.kind).into())
    }

    /// Whether a client of HTTP/1.0 must take the end of the connection for that of the response, as Envoy sees it: also
    /// where there can be no body.
    fn lacks_length(&self) -> bool {
        self.head.version == Version::Http10 && !self.state.response.contains(KnownName::ContentLength)
    }

    /// Whether the response tells the client that its tunnel stands (RFC 9110 section 9.3.6).
    fn grants_connect(&self) -> bool {
        self.head.kind == RequestKind::Connect && matches!(self.state.info.response_code, Some(200..=299))
    }

    /// Makes the route's edits of the response.
    pub(crate) fn edit_response(&mut self, status: u16) {
        self.state.info.response_code = Some(status);
        self.make_response_edits();
    }

    fn make_response_edits(&mut self) {
        let state = &mut *self.state;
        if let Some(matched) = &self.matched {
            let occasion = AccessLogType::NotSet;
            let mut context =
                FormatContext::new(&state.info, self.connection.info, occasion, self.now, thread_random);
            context.request_headers = Some(&state.request);
            context.route_metadata = matched.metadata();
            matched.finalize_response(&mut state.response, self.weighted, &context, &mut state.scratch);
        }
    }

    fn must_close(&mut self) -> bool {
        let incomplete = !self.request_is_complete();
        if incomplete {
            self.manager.http.inc(HttpStat::DownstreamRqResponseBeforeRqComplete);
        }
        if self.connection.is_last_request {
            self.manager.http.inc(HttpStat::DownstreamCxMaxRequestsReached);
        }
        let drained_by = self.connection.info.drained_by;
        let drains = self.worker.process.drain.should_close(self.worker.random.next(), drained_by);
        if drains {
            log_at!(Http, Debug, "{} drain closing connection", self.tag());
            self.manager.http.inc(HttpStat::DownstreamCxDrainClose);
        }
        if self.head.version == Version::Http2 {
            // The others of its connection go on: it is drained.
            return drains;
        }
        let over = self.connection.closes_from.is_some_and(|from| from <= self.now);
        incomplete || drains || over || self.connection.is_last_request || !self.head.keep_alive
    }

    /// Whether the response's head was queued: from then on a failure can only be told by closing.
    pub(crate) fn response_started(&self) -> bool {
        self.response_started
    }

    /// Whether the upstream has answered, be it with an interim response: no other attempt may be made, says Envoy.
    pub(crate) fn upstream_has_begun(&self) -> bool {
        self.response_started || self.informational_seen
    }

    /// Ends the stream because of an error.
    pub(super) async fn fail(&mut self, error: &Error) {
        self.tell_failure(error);
        self.state.info.decisions.fail(Cause::Error(error.kind), self.response_started);
        // A deadline that was missed must not end its own answer.
        self.timers.only_idle(Instant::now());
        if let Some(flag) = error.kind.response_flag() {
            self.state.info.set_flag(flag);
        }
        self.count_failure(error.kind);
        if error.kind.is_end_of_client() {
            self.abort = true;
            self.disconnected = true;
        }
        if error.kind.side() == Side::Upstream && error.kind != ErrorKind::NoHealthyUpstream {
            self.drop_read_body();
        }
        self.drop_held_bytes();
        let mut reply = LocalReply::for_error(error, self.request_is_complete());
        if self.route_timeouts.answers_no_content
            && matches!(error.kind, ErrorKind::ResponseTimeout | ErrorKind::PerTryTimeout)
        {
            reply = LocalReply { status: 204, body: Cow::Borrowed(b""), ..reply };
        }
        // To Envoy an interim response is the beginning of the response, in its details.
        if self.upstream_has_begun() && error.kind.is_end_of_upstream() {
            reply.details = details_of_reset(When::After, error);
        }
        if self.response_started {
            self.abort = true;
            self.state.info.response_code_details = reply.details;
            return self.flush_last_words(error.kind).await;
        }
        if self.disconnected {
            self.state.info.response_code_details = reply.details;
            return;
        }
        if let Err(error) = self.reply(reply).await {
            self.abort = true;
            self.disconnected = error.kind.is_end_of_client();
            if let Some(flag) = error.kind.response_flag() {
                self.state.info.set_flag(flag);
            }
        }
    }

    /// What came of the request's body while the upstream was waited for has nowhere to go.
    pub(super) fn drop_read_body(&mut self) {
        let reader = &mut self.connection.codec;
        while let Some(count) = reader.decode_read_data(&self.worker.blocks) {
            self.state.info.bytes_received += u64::try_from(count).unwrap_or(u64::MAX);
            reader.consume(count, &self.worker.blocks);
        }
    }

    /// What the client was promised before the failure still goes out, if it takes it soon.
    async fn flush_last_words(&mut self, kind: ErrorKind) {
        if kind.is_end_of_client() {
            return;
        }
        let flushed = poll_fn(|cx| self.connection.codec.poll_flush(cx));
        // Whether it could be written or not, the connection is closed.
        drop(tokio::time::timeout(LAST_FLUSH, flushed).await);
    }
}
