//! What is known about a downstream connection and about each stream on it.
//!
//! Owns the facts that access logs and others read: `ConnectionInfo` (one a downstream connection) and `StreamInfo` (one
//! an HTTP request or a TCP session). Does not own how they are written (`format`), nor who sets them.
//! Follows Envoy's page "Access logging", section "Command operators".
//!
//! A `StreamInfo` is reset and reused: a request allocates nothing here. It is of one worker, and shares by `Rc`.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

pub mod address;
pub mod byte_meter;
pub mod decisions;
pub mod dynamic_metadata;
pub mod filter_state;
pub mod filter_state_objects;
pub mod filter_close;
pub mod response_flags;
pub mod timing;

pub use address::{Address, InternalAddress};
pub use byte_meter::ByteMeter;
pub use decisions::{Cause, Decisions, PoolAnswer};
pub use dynamic_metadata::DynamicMetadata;
pub use filter_close::{FilterClose, FilterCloseNote};
pub use filter_state::{FilterState, FilterStateObject, StringObject};
pub use response_flags::{ResponseFlag, ResponseFlags};
pub use timing::{TimePoint, Timing};

use crate::access_loggers::AccessLogSet;
use crate::model::metadata::Metadata;
use crate::proxy_protocol::Told;
use crate::rate_limit::limiter::Limiter;
use crate::transport_sockets::tls::{TlsConnection, fingerprint::Fingerprints};

/// The protocol of one side of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
    /// HTTP/2
    Http2,
    /// HTTP/3
    Http3,
}

impl Protocol {
    /// As `%PROTOCOL%` prints it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Http10 => "HTTP/1.0",
            Protocol::Http11 => "HTTP/1.1",
            Protocol::Http2 => "HTTP/2",
            Protocol::Http3 => "HTTP/3",
        }
    }
}

/// How a connection was seen to end by us (Envoy: `DetectedCloseType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DetectedCloseType {
    /// An ordinary end, or none yet.
    #[default]
    Normal,
    /// We sent a reset.
    LocalReset,
    /// The peer sent a reset.
    RemoteReset,
}

impl DetectedCloseType {
    /// As `%DOWNSTREAM_DETECTED_CLOSE_TYPE%` prints it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            DetectedCloseType::Normal => "Normal",
            DetectedCloseType::LocalReset => "LocalReset",
            DetectedCloseType::RemoteReset => "RemoteReset",
        }
    }
}

/// What is known about one downstream connection.
#[derive(Debug)]
pub struct ConnectionInfo {
    /// Unique in the process, from 1 (Envoy starts at 0).
    pub id: u64,
    /// Where the client believes it is connected to (original destination, PROXY protocol).
    pub local_address: Address,
    /// Where the socket is bound.
    pub direct_local_address: Address,
    /// The client: the peer of the socket, or what PROXY protocol says.
    pub remote_address: Address,
    /// The peer of the socket.
    pub direct_remote_address: Address,
    /// When it was accepted.
    pub start: Instant,
    /// When it was accepted, by the wall clock.
    pub start_time: SystemTime,
    /// What the listener's access log tells beside this; none where there is no such log.
    pub stream: Option<Box<StreamInfo>>,
    /// The log that has a line to come after the listener's own, of the same stream.
    pub session_log: Option<Arc<AccessLogSet>>,
    /// What makes the listener's connections drain.
    pub drained_by: crate::drain::DrainedBy,
    /// The listener's `name`.
    pub listener_name: Arc<str>,
    /// The matched filter chain's `name`; empty: none.
    pub filter_chain_name: Arc<str>,
    /// What the configuration says of the listener.
    pub listener_metadata: Option<Arc<Metadata>>,
    /// What it says of the filter chain.
    pub filter_chain_metadata: Option<Arc<Metadata>>,
    /// SNI, or what a listener filter found out; empty: none.
    pub requested_server_name: String,
    /// What a listener filter found to be spoken; empty: not looked at.
    pub detected_transport_protocol: &'static str,
    /// ALPN, or what a listener filter found out.
    pub requested_application_protocols: Vec<String>,
    /// What a listener filter made of a TLS client's first message; none: it was not asked to.
    pub fingerprints: Option<Box<Fingerprints>>,
    /// TLS; none: the connection has none.
    pub tls: Option<Rc<TlsConnection>>,
    /// Why we ended the connection (`%CONNECTION_TERMINATION_DETAILS%`); empty: not said.
    pub termination_details: Cow<'static, str>,
    /// Why the transport socket gave up (`%DOWNSTREAM_TRANSPORT_FAILURE_REASON%`); empty: it did not.
    pub transport_failure_reason: Cow<'static, str>,
    /// Why we closed it (`%DOWNSTREAM_LOCAL_CLOSE_REASON%`); empty: we did not.
    pub local_close_reason: Cow<'static, str>,
    /// How its end was seen.
    pub detected_close_type: DetectedCloseType,
    /// The kernel's round trip time in milliseconds, when asked for.
    pub round_trip_time_ms: Cell<Option<u64>>,
    /// Whether `local_address` is not that of the socket, but was found out by a listener filter.
    pub local_address_restored: bool,
    /// Whether the listener that accepted it has handed it over to that of its original destination.
    pub handed_over: bool,
    /// Its place among its worker's connections, where the listener balances them.
    pub place: Option<crate::listener::exact_balance::Place>,
    /// What a PROXY protocol header has told; none: there was none.
    pub proxy_protocol: Option<Box<Told>>,
    /// What listener and network filters said of it.
    pub dynamic_metadata: DynamicMetadata,
    /// What they left for others.
    pub filter_state: FilterState,
    /// The buckets that local rate limits of single connections share.
    pub rate_limit: OnceCell<Rc<Limiter>>,
    /// Where a network filter that sees the bytes notes that it has ended the connection; none: there is no such filter.
    pub filter_close: Option<Rc<FilterCloseNote>>,
}

impl ConnectionInfo {
    /// A connection from `remote` to `local`, accepted at `start`; all else is unset.
    #[must_use]
    pub fn new(id: u64, local: Address, remote: Address, start: Instant, start_time: SystemTime) -> Self {
        ConnectionInfo {
            id,
            direct_local_address: local.clone(),
            local_address: local,
            direct_remote_address: remote.clone(),
            remote_address: remote,
            start,
            start_time,
            stream: None,
            session_log: None,
            drained_by: crate::drain::DrainedBy::default(),
            place: None,
            listener_name: Arc::from(""),
            filter_chain_name: Arc::from(""),
            listener_metadata: None,
            filter_chain_metadata: None,
            requested_server_name: String::new(),
            detected_transport_protocol: "",
            requested_application_protocols: Vec::new(),
            fingerprints: None,
            tls: None,
            termination_details: Cow::Borrowed(""),
            transport_failure_reason: Cow::Borrowed(""),
            local_close_reason: Cow::Borrowed(""),
            detected_close_type: DetectedCloseType::Normal,
            round_trip_time_ms: Cell::new(None),
            local_address_restored: false,
            handed_over: false,
            proxy_protocol: None,
            dynamic_metadata: DynamicMetadata::default(),
            filter_state: FilterState::default(),
            rate_limit: OnceCell::new(),
            filter_close: None,
        }
    }

    /// What is known of the connection as metadata, also what network filters have said of it since its bytes come.
    pub fn told_metadata(&mut self) -> &DynamicMetadata {
        if let Some(note) = &self.filter_close {
            self.dynamic_metadata.merge(note.take_metadata());
        }
        &self.dynamic_metadata
    }

    /// Takes over what a network filter has noted of the connection's end. Answers how many bytes it did not let pass;
    /// `None`: no filter has ended it, or that was taken over already.
    pub fn note_filter_close(&mut self) -> Option<u64> {
        let close = self.filter_close.as_ref()?.take()?;
        self.termination_details = Cow::Owned(close.termination_details);
        self.local_close_reason = Cow::Borrowed(close.reason);
        if let Some(stream) = &mut self.stream {
            stream.bytes_received += close.bytes;
        }
        Some(close.bytes)
    }
}

/// An endpoint as a worker knows it: made once a host, shared with every stream that it serves.
#[derive(Debug, Clone, PartialEq)]
pub struct UpstreamHost {
    /// Where it listens.
    pub address: Address,
    /// The endpoint's `hostname`; empty: none.
    pub hostname: Box<str>,
    /// What the configuration says of it.
    pub metadata: Option<Arc<Metadata>>,
}

impl UpstreamHost {
    /// Appends the host name, or the address when there is none.
    pub fn write_name(&self, out: &mut Vec<u8>) {
        if self.hostname.is_empty() {
            self.address.write(out);
        } else {
            out.extend_from_slice(self.hostname.as_bytes());
        }
    }

    /// As `write_name`, without what follows the last colon outside of brackets.
    pub fn write_name_without_port(&self, out: &mut Vec<u8>) {
        if self.hostname.is_empty() {
            return self.address.write_without_port(out);
        }
        let name = match self.hostname.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => name,
            _ => &*self.hostname,
        };
        out.extend_from_slice(name.as_bytes());
    }
}

/// A cluster's names: made once a cluster and worker, shared with every stream that it serves.
#[derive(Debug, Clone, PartialEq)]
pub struct UpstreamCluster {
    /// The cluster's `name` (`%UPSTREAM_CLUSTER_RAW%`).
    pub name: Box<str>,
    /// Its `alt_stat_name`, or the name when there is none (`%UPSTREAM_CLUSTER%`).
    pub observability_name: Box<str>,
    /// What the configuration says of it.
    pub metadata: Option<Arc<Metadata>>,
}

/// One try at an upstream.
#[derive(Debug, Clone, PartialEq)]
pub struct UpstreamAttempt {
    /// The host that was picked.
    pub host: Rc<UpstreamHost>,
    /// The connection that was used, if it came to one.
    pub connection_id: Option<u64>,
}

/// The upstream side of a stream: of the last attempt, and the list of all.
#[derive(Debug, Default)]
pub struct UpstreamInfo {
    /// The cluster that the route chose; kept also when no host was found.
    pub cluster: Option<Rc<UpstreamCluster>>,
    /// The host of the last attempt.
    pub host: Option<Rc<UpstreamHost>>,
    /// TLS of the upstream connection.
    pub tls: Option<Rc<TlsConnection>>,
    /// Our end of the upstream connection.
    pub local_address: Option<Address>,
    /// Its far end: the host's address, or the HTTP proxy's.
    pub remote_address: Option<Address>,
    /// The upstream connection's id.
    pub connection_id: Option<u64>,
    /// The upstream protocol.
    pub protocol: Option<Protocol>,
    /// Attempts made, the first included; 0: none.
    pub attempt_count: u32,
    /// The attempts that `%UPSTREAM_HOSTS_ATTEMPTED%` lists, in order.
    pub attempts: Vec<UpstreamAttempt>,
    /// Bytes on the upstream connection for this stream.
    pub bytes: ByteMeter,
    /// Why the upstream transport failed (connect error, TLS error); empty: it did not.
    pub transport_failure_reason: Cow<'static, str>,
    /// Why we closed the upstream connection; empty: we did not.
    pub local_close_reason: Cow<'static, str>,
    /// How the end of the upstream connection was seen.
    pub detected_close_type: DetectedCloseType,
    /// What filters left for the upstream connection when it was made; none: nothing.
    pub filter_state: Option<Rc<FilterState>>,
}

impl UpstreamInfo {
    fn reset(&mut self) {
        let mut attempts = std::mem::take(&mut self.attempts);
        attempts.clear();
        *self = UpstreamInfo { attempts, ..UpstreamInfo::default() };
    }
}

/// What is known about one HTTP stream or TCP proxy session.
#[derive(Debug)]
pub struct StreamInfo {
    /// When the first byte of the request (TCP: the connection) came.
    pub start: Instant,
    /// The same by the wall clock.
    pub start_time: SystemTime,
    /// When what happened, counted from `start`.
    pub timing: Timing,
    /// The downstream protocol; `None` on TCP.
    pub protocol: Option<Protocol>,
    /// The status sent downstream; `None`: none was sent (`%RESPONSE_CODE%` is then 0).
    pub response_code: Option<u16>,
    /// Why the response is what it is; empty: unset.
    pub response_code_details: Cow<'static, str>,
    /// Whether details without a text were given: they are printed as nothing.
    pub details_are_blank: bool,
    /// Envoy's response flags.
    pub response_flags: ResponseFlags,
    /// Body bytes received from downstream.
    pub bytes_received: u64,
    /// Body bytes sent downstream.
    pub bytes_sent: u64,
    /// Wire and header bytes of the downstream side.
    pub downstream: ByteMeter,
    /// The client as this stream's `x-forwarded-for` tells it; `None`: the connection's.
    pub remote_address: Option<Address>,
    /// The route's `name`; empty: none.
    pub route_name: String,
    /// The virtual host's `name`; empty: none.
    pub virtual_host_name: String,
    /// The virtual cluster's `name`; empty: none.
    pub virtual_cluster_name: String,
    /// Times that a route was looked up.
    pub route_resolution_count: u32,
    /// How long that took, when asked for.
    pub route_resolution_time: Option<Duration>,
    /// Id of a TCP session (`%STREAM_ID%`); an HTTP stream's is its `x-request-id`.
    pub stream_id: String,
    /// Whether it is a health check that the proxy answered.
    pub health_check: bool,
    /// Why we ended the downstream connection on account of this stream; empty: the connection's own.
    pub connection_termination_details: Cow<'static, str>,
    /// What filters said of it.
    pub dynamic_metadata: DynamicMetadata,
    /// What filters left for others.
    pub filter_state: FilterState,
    /// The upstream side.
    pub upstream: UpstreamInfo,
    /// What was decided on the way.
    pub decisions: Decisions,
}

impl StreamInfo {
    /// A stream that begins now.
    #[must_use]
    pub fn new(start: Instant, start_time: SystemTime) -> Self {
        StreamInfo {
            start,
            start_time,
            timing: Timing::default(),
            protocol: None,
            response_code: None,
            response_code_details: Cow::Borrowed(""),
            details_are_blank: false,
            response_flags: ResponseFlags::default(),
            bytes_received: 0,
            bytes_sent: 0,
            downstream: ByteMeter::default(),
            remote_address: None,
            route_name: String::new(),
            virtual_host_name: String::new(),
            virtual_cluster_name: String::new(),
            route_resolution_count: 0,
            route_resolution_time: None,
            stream_id: String::new(),
            health_check: false,
            connection_termination_details: Cow::Borrowed(""),
            dynamic_metadata: DynamicMetadata::default(),
            filter_state: FilterState::default(),
            upstream: UpstreamInfo::default(),
            decisions: Decisions::default(),
        }
    }

    /// Makes it a new stream that begins at `start`; buffers are kept.
    pub fn reset(&mut self, start: Instant, start_time: SystemTime) {
        self.start = start;
        self.start_time = start_time;
        self.timing = Timing::default();
        self.protocol = None;
        self.response_code = None;
        self.response_code_details = Cow::Borrowed("");
        self.details_are_blank = false;
        self.response_flags = ResponseFlags::default();
        self.bytes_received = 0;
        self.bytes_sent = 0;
        self.downstream = ByteMeter::default();
        self.remote_address = None;
        self.route_name.clear();
        self.virtual_host_name.clear();
        self.virtual_cluster_name.clear();
        self.route_resolution_count = 0;
        self.route_resolution_time = None;
        self.stream_id.clear();
        self.health_check = false;
        self.connection_termination_details = Cow::Borrowed("");
        self.dynamic_metadata.clear();
        self.filter_state.clear();
        self.upstream.reset();
        self.decisions = Decisions::default();
    }

    /// Notes that `point` was reached at `now`; the first or the last time counts, as the point's name says.
    #[inline]
    pub fn mark(&mut self, point: TimePoint, now: Instant) {
        self.timing.mark(point, self.start, now);
    }

    /// Sets a response flag.
    #[inline]
    pub fn set_flag(&mut self, flag: ResponseFlag) {
        self.response_flags.insert(flag);
    }

    /// Names the route that was taken.
    #[inline]
    pub fn set_route(&mut self, route_name: &str, virtual_host_name: &str) {
        self.route_name.clear();
        self.route_name.push_str(route_name);
        self.virtual_host_name.clear();
        self.virtual_host_name.push_str(virtual_host_name);
    }

    /// Notes that an HTTP request's attempt at `host` begins. As in Envoy, the list of attempts then holds this one
    /// alone, and that only once it has a connection.
    pub fn begin_request_attempt(&mut self, host: &Rc<UpstreamHost>) {
        self.upstream.attempts.clear();
        self.pick(host);
    }

    /// Notes that a TCP session's attempt to connect to `host` begins. As in Envoy, the list keeps all of them.
    pub fn begin_connect_attempt(&mut self, host: &Rc<UpstreamHost>) {
        self.upstream.attempts.push(UpstreamAttempt { host: Rc::clone(host), connection_id: None });
        self.pick(host);
    }

    /// Notes that the attempt that began last was none: there was no room for a connection.
    pub fn take_back_attempt(&mut self) {
        let upstream = &mut self.upstream;
        upstream.attempts.pop();
        upstream.attempt_count = upstream.attempt_count.saturating_sub(1);
        upstream.host = None;
    }

    fn pick(&mut self, host: &Rc<UpstreamHost>) {
        let upstream = &mut self.upstream;
        upstream.host = Some(Rc::clone(host));
        (upstream.tls, upstream.local_address, upstream.remote_address) = (None, None, None);
        (upstream.connection_id, upstream.protocol) = (None, None);
        upstream.attempt_count += 1;
    }

    /// Notes the connection that the attempt got; our end of it where that is known.
    pub fn attempt_connected(
        &mut self,
        connection_id: u64,
        local_address: impl Into<Option<Address>>,
        protocol: Option<Protocol>,
    ) {
        let upstream = &mut self.upstream;
        let Some(host) = &upstream.host else { return };
        upstream.connection_id = Some(connection_id);
        upstream.local_address = local_address.into();
        upstream.remote_address = Some(host.address.clone());
        upstream.protocol = protocol;
        match upstream.attempts.last_mut() {
            Some(attempt) if attempt.connection_id.is_none() => attempt.connection_id = Some(connection_id),
            _ => {
                let host = Rc::clone(host);
                upstream.attempts.push(UpstreamAttempt { host, connection_id: Some(connection_id) });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_without_port() {
        for (name, without_port) in [
            ("plain", "plain"),
            ("n.example:99", "n.example"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("::1", ":"),
            (":80", ""),
            ("", "10.0.0.1"),
        ] {
            let address = Address::Ip("10.0.0.1:80".parse().expect("address"));
            let mut out = Vec::new();
            UpstreamHost { address, hostname: name.into(), metadata: None }.write_name_without_port(&mut out);
            assert_eq!(String::from_utf8(out).expect("text"), without_port);
        }
    }

    #[test]
    fn an_attempt_can_be_taken_back() {
        let mut stream = StreamInfo::new(Instant::now(), SystemTime::now());
        let host = Rc::new(UpstreamHost {
            address: Address::Ip("127.0.0.1:80".parse().expect("address")),
            hostname: "".into(),
            metadata: None,
        });
        stream.begin_connect_attempt(&host);
        stream.begin_connect_attempt(&host);
        stream.take_back_attempt();
        let upstream = &stream.upstream;
        assert_eq!((upstream.attempt_count, upstream.attempts.len(), &upstream.host), (1, 1, &None));
    }

    #[test]
    fn reset_forgets_everything_but_buffers() {
        let mut stream = StreamInfo::new(Instant::now(), SystemTime::now());
        let host = Rc::new(UpstreamHost {
            address: Address::Ip("127.0.0.1:80".parse().expect("address")),
            hostname: "".into(),
            metadata: None,
        });
        stream.set_route("a route", "a host");
        stream.begin_request_attempt(&host);
        assert!(stream.upstream.attempts.is_empty());
        stream.attempt_connected(7, host.address.clone(), Some(Protocol::Http11));
        stream.set_flag(ResponseFlag::NoRouteFound);
        stream.mark(TimePoint::RequestComplete, Instant::now());
        assert_eq!(stream.upstream.attempts[0].connection_id, Some(7));
        let capacity = stream.upstream.attempts.capacity();
        stream.reset(Instant::now(), SystemTime::now());
        assert_eq!(stream.route_name, "");
        assert!(stream.response_flags.is_empty());
        assert_eq!(stream.timing.get(TimePoint::RequestComplete), None);
        assert!(stream.upstream.attempts.is_empty());
        assert!(stream.upstream.host.is_none());
        assert_eq!(stream.upstream.attempts.capacity(), capacity);
        assert_eq!(Rc::strong_count(&host), 1);
    }
}
