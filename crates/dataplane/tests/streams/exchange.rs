//! Streams whose log lines are known from Envoy 1.40.0, and format strings split as Python splits them.

use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ferryman_codec::{HeaderBlock, HeaderName, KnownName};
use ferryman_dataplane::format::{AccessLogType, FormatContext, Formatter, JsonFormatter, Unset};
use ferryman_dataplane::model::format::{FormatPart, JsonValue};
use ferryman_dataplane::stream_info::{
    Address, ConnectionInfo, Protocol, ResponseFlag, StreamInfo, TimePoint, UpstreamCluster, UpstreamHost,
};

/// A stream with everything that a `FormatContext` borrows.
pub struct Exchange {
    pub request: Option<HeaderBlock>,
    pub response: Option<HeaderBlock>,
    pub trailers: Option<HeaderBlock>,
    pub stream: StreamInfo,
    pub connection: ConnectionInfo,
    pub access_log_type: AccessLogType,
}

pub fn head(fields: &[(&str, &str)]) -> HeaderBlock {
    let mut block = HeaderBlock::new();
    for (name, value) in fields {
        let name = HeaderName::new(name.as_bytes()).expect("name");
        assert!(block.append_name(&name, value.as_bytes()), "{name:?}: {value}");
    }
    block
}

pub fn address(text: &str) -> Address {
    text.parse().map_or_else(|_| Address::Pipe(text.into()), Address::Ip)
}

fn random() -> u64 {
    0x0123_4567_89ab_cdef
}

/// When what happened, in microseconds.
const TIMES: &[(TimePoint, u64)] = &[
    (TimePoint::LastDownstreamRxByte, 96),
    (TimePoint::UpstreamConnectStart, 610),
    (TimePoint::UpstreamConnectEnd, 633),
    (TimePoint::UpstreamPoolReady, 650),
    (TimePoint::FirstUpstreamTxByte, 682),
    (TimePoint::LastUpstreamTxByte, 690),
    (TimePoint::FirstUpstreamRxByte, 986),
    (TimePoint::FirstUpstreamRxBodyByte, 1_141),
    (TimePoint::LastUpstreamRxByte, 1_147),
    (TimePoint::FirstDownstreamTxByte, 1_131),
    (TimePoint::LastDownstreamTxByte, 2_186),
    (TimePoint::RequestComplete, 2_190),
];

impl Exchange {
    /// `GET /a/b?x=1&y=%20z` with a 200 from upstream.
    pub fn via_upstream() -> Self {
        let start = Instant::now();
        let start_time: SystemTime = UNIX_EPOCH + Duration::new(1_795_422_642, 575_000_000);
        let (local, remote) = (address("127.0.0.1:33827"), address("127.0.0.1:57966"));
        let mut connection = ConnectionInfo::new(2, local, remote, start, start_time);
        connection.listener_name = "lis".into();
        connection.filter_chain_name = "fc".into();
        let mut stream = StreamInfo::new(start, start_time);
        stream.protocol = Some(Protocol::Http11);
        stream.response_code = Some(200);
        stream.response_code_details = "via_upstream".into();
        stream.set_route("myroute", "vh");
        stream.route_resolution_count = 1;
        stream.bytes_sent = 5;
        stream.downstream.receive_head(125, 87);
        stream.downstream.send_head(168, 149);
        stream.downstream.wire_bytes_sent += 5;
        stream.upstream.cluster = Some(Rc::new(UpstreamCluster {
            name: "up".into(),
            observability_name: "up_alt".into(),
            metadata: None,
        }));
        stream.begin_request_attempt(&Rc::new(UpstreamHost {
            address: address("127.0.0.1:47395"),
            hostname: "up.example".into(),
            metadata: None,
        }));
        stream.attempt_connected(3, address("127.0.0.1:55268"), Some(Protocol::Http11));
        for &(point, micros) in TIMES {
            stream.timing.set(point, Duration::from_micros(micros));
        }
        let request = head(&[
            (":method", "GET"),
            (":path", "/a/b?x=1&y=%20z"),
            (":authority", "h.example:80"),
            ("user-agent", "ua/1 \"q\"\\\u{e9}\tz"),
            ("x-a", "1"),
            ("x-a", "2"),
            ("x-empty", ""),
            ("x-request-id", "de8a8c2b-0b12-4495-9924-f70bc0a4e047"),
        ]);
        let response =
            head(&[(":status", "200"), ("server", "envoy"), ("x-envoy-upstream-service-time", "1")]);
        let access_log_type = AccessLogType::DownstreamEnd;
        Exchange {
            request: Some(request),
            response: Some(response),
            trailers: None,
            stream,
            connection,
            access_log_type,
        }
    }

    /// A TCP session over a Unix domain socket whose upstream refused.
    pub fn tcp_refused() -> Self {
        let mut exchange = Exchange::via_upstream();
        let pipe = || address("/run/l.sock");
        let connection = &mut exchange.connection;
        *connection = ConnectionInfo::new(2, pipe(), pipe(), connection.start, connection.start_time);
        exchange.stream.reset(connection.start, connection.start_time);
        let stream = &mut exchange.stream;
        stream.stream_id = "36c95260-4577-4e2b-9d6e-c8695b921fa9".to_owned();
        for (port, hostname) in [("127.0.0.1:2", "nn"), ("127.0.0.1:3", "m"), ("127.0.0.1:1", "")] {
            let host = UpstreamHost { address: address(port), hostname: hostname.into(), metadata: None };
            stream.begin_connect_attempt(&Rc::new(host));
        }
        stream.upstream.transport_failure_reason = "delayed connect error: Connection refused".into();
        stream.set_flag(ResponseFlag::UpstreamConnectionFailure);
        stream.set_flag(ResponseFlag::UpstreamRetryLimitExceeded);
        stream.timing.set(TimePoint::RequestComplete, Duration::from_millis(301));
        (exchange.request, exchange.response) = (None, None);
        exchange.access_log_type = AccessLogType::TcpConnectionEnd;
        exchange
    }

    /// The exchange with another path.
    pub fn with_path(path: &str) -> Self {
        let mut exchange = Exchange::via_upstream();
        let set = exchange.request.as_mut().map(|head| head.set(KnownName::Path, path.as_bytes()));
        assert_eq!(set, Some(true));
        exchange
    }

    pub fn context(&self) -> FormatContext<'_> {
        let (stream, connection) = (&self.stream, &self.connection);
        let now = stream.start + Duration::from_micros(3_630);
        let mut context = FormatContext::new(stream, connection, self.access_log_type, now, random);
        context.request_headers = self.request.as_ref();
        context.response_headers = self.response.as_ref();
        context.response_trailers = self.trailers.as_ref();
        context
    }

    pub fn text(&self, format: &str) -> String {
        let formatter = Formatter::compile(&split(format), Unset::Dash).expect(format);
        let mut out = Vec::new();
        formatter.write(&self.context(), &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    pub fn json(&self, root: &JsonValue, omit_empty_values: bool) -> String {
        let mut out = Vec::new();
        JsonFormatter::compile(root, omit_empty_values).expect("format").write(&self.context(), &mut out);
        String::from_utf8(out).expect("UTF-8")
    }
}

/// Splits a format string whose arguments hold no `%` into literals and operators.
pub fn split(format: &str) -> Vec<FormatPart> {
    let mut parts = Vec::new();
    for (index, piece) in format.split('%').enumerate() {
        if index % 2 == 0 {
            if !piece.is_empty() {
                parts.push(FormatPart::Literal { text: piece.to_owned() });
            }
            continue;
        }
        let (piece, max_length) = match piece.rsplit_once(':') {
            Some((before, length)) if length.parse::<usize>().is_ok() => (before, length.parse().ok()),
            _ => (piece, None),
        };
        let (name, argument) = match piece.split_once('(') {
            Some((name, argument)) => (name, argument.strip_suffix(')').map(str::to_owned)),
            None => (piece, None),
        };
        parts.push(FormatPart::Operator { name: name.to_owned(), argument, max_length });
    }
    parts
}
