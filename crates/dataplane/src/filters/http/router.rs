//! The last HTTP filter: it sends the request to an endpoint and brings the response back
//! (Envoy: `envoy.filters.http.router`).
//!
//! Owns: the choice of cluster and host, the attempt, what clusters and hosts count of it. Does not own: routes (`route`),
//! connections (`connection_pool`), the copying of bodies (`http_stream`).
//! Follows Envoy's page "Router".

use std::rc::Rc;
use std::time::Instant;

use ferryman_codec::{BodyFraming, ErrorKind as CodecError, KnownName, RequestKind, ResponseHead, Version};

use crate::application_log::log_at;
use crate::cluster::{WorkerCluster, WorkerHost};
use crate::connection_pool::{self, Upstream};
use crate::error::{Error, ErrorKind};
use crate::filters::network::http_connection_manager::is_upgrade;
use crate::format::grpc_status::is_grpc_request;
use crate::http_codec::UpstreamCodec;
use crate::http_stream::filter_walk::Walked;
use crate::http_stream::{Exchange, HttpStream};
use crate::route::{ForwardAction, Matched, set_authority};
use crate::stats::{
    ClusterHistogram, ClusterStat, EndpointStat, LocalScope, ResponseClass, RouterStat, VirtualHostHistogram,
    VirtualHostStat, VirtualHostStats, ZoneHistogram,
};
use crate::stream_info::{Address, PoolAnswer, TimePoint};

mod connect;
mod strict_check_headers;
mod terminate;
mod tracking;
mod upstream_log;

use connect::{connect, note_connecting};
pub(crate) use upstream_log::UpstreamLog;

/// Forwards a stream's request and its response.
pub(crate) async fn forward<'a>(
    stream: &mut HttpStream<'a>,
    matched: Matched<'a>,
    action: &'a ForwardAction,
) -> Result<(), Error> {
    let Some(cluster) = stream.cluster.clone() else {
        let name = stream.choice.as_ref().map(|choice| &*choice.name).unwrap_or_default();
        log_at!(Router, Debug, "{} unknown cluster '{name}'", stream.tag());
        stream.manager.router.inc(RouterStat::NoCluster);
        return Err(ErrorKind::ClusterNotFound(action.cluster_not_found_response_code).into());
    };
    log_at!(
        Router,
        Debug,
        "{} cluster '{}' match for URL '{}'",
        stream.tag(),
        cluster.info.name,
        stream.shown_path(),
    );
    let (counted_in, virtual_cluster) = matched.counted_in(&stream.state.request);
    stream.counted_in = counted_in;
    stream.state.info.virtual_cluster_name.push_str(virtual_cluster.unwrap_or_default());
    strict_check_headers::check(&stream.filters.router.strict_check_headers, &stream.state.request)?;
    if cluster.cluster.is_in_maintenance(|| stream.worker.random.next()) {
        charge(stream, &cluster, None, 503, false);
        cluster.stats.inc(ClusterStat::UpstreamRqMaintenanceMode);
        return Err(ErrorKind::MaintenanceMode.into());
    }
    set_timeouts(stream, action);
    if matched.virtual_host.include_request_attempt_count {
        stream.state.request.set(KnownName::XEnvoyAttemptCount, b"1");
    }
    stream.edit_request(&matched);
    if action.internal_redirect.is_some() {
        stream.keep_body(&matched);
    }
    let Some(host) = cluster.choose_host() else {
        log_at!(Upstream, Debug, "{} no healthy host in cluster '{}'", stream.tag(), cluster.info.name);
        // As in Envoy, the attempt counts although there was nobody to try.
        stream.state.info.upstream.attempt_count = 1;
        charge(stream, &cluster, None, 503, false);
        return Err(ErrorKind::NoHealthyUpstream.into());
    };
    let start = stream.now;
    let result = attempt(stream, action, &cluster, &host).await;
    stream.upstream_request_over(&result);
    if let Some(of_cluster) = &cluster.tracking {
        tracking::attempt_over(of_cluster, stream, start, &result);
    }
    if let Err(error) = &result {
        count_failure(stream, &cluster, &host, error.kind);
    }
    result
}

fn set_timeouts(stream: &mut HttpStream<'_>, action: &ForwardAction) {
    let router = &stream.filters.router;
    let (suppress, respect) = (router.suppress_envoy_headers, router.respect_expected_rq_timeout);
    stream.route_timeouts = action.set_timeouts(&mut stream.state.request, suppress, respect);
    stream.begin_handshake();
    if stream.settings().scheme_matches_upstream {
        // There is no transport socket upstream but the raw one.
        stream.state.request.set(KnownName::Scheme, b"http");
    }
}

async fn attempt(
    stream: &mut HttpStream<'_>,
    action: &ForwardAction,
    cluster: &Rc<WorkerCluster>,
    host: &Rc<WorkerHost>,
) -> Result<(), Error> {
    if action.auto_host_rewrite {
        let keep_original = !stream.filters.router.suppress_envoy_headers;
        let request = &mut stream.state.request;
        set_authority(request, host.info.hostname.as_bytes(), action.append_x_forwarded_host, keep_original);
    }
    log_at!(Upstream, Trace, "{} host {} chosen", stream.tag(), host.info.address);
    stream.state.info.begin_request_attempt(&host.info);
    stream.state.info.decisions.host = Some(host.index);
    stream.begin_upstream_log();
    if let Some(connect) = action.terminates(&stream.state.request) {
        if !stream.walk_to_upstream(cluster.cluster.upstream_filters.as_ref()).await? {
            return Ok(());
        }
        // Boxed, as few requests come here: the memory of a connection is that of its largest future.
        return Box::pin(terminate::terminate(stream, cluster, host, (connect, action.priority))).await;
    }
    let Some(mut connection) = connect(stream, action, cluster, host).await? else { return Ok(()) };
    stream.state.info.mark(TimePoint::UpstreamPoolReady, stream.now);
    let Ok(_permit) = connection.request_permit() else {
        connection_pool::check_in(connection, stream.now);
        stream.state.info.decisions.pool = PoolAnswer::TooManyRequests;
        return Err(ErrorKind::Overflow.into());
    };
    note_connecting(stream, &mut connection);
    log_at!(
        Router,
        Debug,
        "attached upstream connection [C{}] to {} to downstream connection [C{}], request {} on it",
        connection.id(),
        host.info.address,
        stream.connection.info.id,
        connection.requests(),
    );
    of_route(stream).for_each(|stats| stats.inc(VirtualHostStat::UpstreamRqTotal));
    let info = &mut stream.state.info;
    let local_address = connection.local_address().unwrap_or_else(|| Address::Pipe("".into()));
    info.attempt_connected(connection.id(), local_address, Some(connection.protocol()));
    info.upstream.tls = connection.tls();
    stream.log_upstream_connection();
    if !stream.walk_to_upstream(cluster.cluster.upstream_filters.as_ref()).await? {
        // It is of use to others: nothing was sent.
        connection_pool::check_in(connection, stream.now);
        return Ok(());
    }
    stream.timers.upstream_by = stream
        .route_timeouts
        .max_stream_duration
        .or(cluster.cluster.max_stream_duration)
        .map(|duration| stream.now + duration);
    let received = connection.received_bytes();
    let result = exchange(stream, action, cluster, host, &mut connection).await;
    count_bytes(stream, cluster, connection.codec(), received);
    if result? {
        connection_pool::check_in(connection, stream.now);
    }
    Ok(())
}

/// Sends the request and brings the response back. Answers whether the connection may serve again.
async fn exchange(
    stream: &mut HttpStream<'_>,
    action: &ForwardAction,
    cluster: &Rc<WorkerCluster>,
    host: &Rc<WorkerHost>,
    connection: &mut Upstream,
) -> Result<bool, Error> {
    if let Some(writer) = &cluster.cluster.connections.proxy_protocol {
        let header = writer.header(stream.connection.info);
        // A host that does not take it is found broken by the exchange.
        let _sent: std::io::Result<()> = Box::pin(connection.send_header(&header)).await;
    }
    let mut exchange = Exchange::start(stream, connection, cluster.http1_settings())?;
    let result = converse(stream, action, cluster, host, &mut exchange).await;
    let (is_reusable, request_is_sent) = (exchange.is_reusable(), exchange.request_is_sent());
    // As in Envoy, the end of a tunnel is our own.
    let is_tunnel = stream.head.kind == RequestKind::Connect;
    let closed_by_host = exchange.is_closed_by_host() && !is_tunnel;
    // A connection of many streams sees its own end.
    let Upstream::Http1(connection) = connection else { return result.map(|_| is_reusable) };
    if closed_by_host {
        connection.set_closed_by_remote();
    }
    let Outcome::Complete { announces_close } = result? else { return Ok(false) };
    if announces_close {
        connection.close_notify();
    }
    if connection.codec.reader.is_closed() {
        connection.set_closed_by_remote();
    } else if connection.codec.has_unread() {
        cluster.stats.inc(ClusterStat::UpstreamCxProtocolError);
    }
    if request_is_sent {
        connection.response_complete();
    }
    Ok(is_reusable)
}

/// How an exchange went.
enum Outcome {
    /// The client has all of the response.
    Complete {
        /// Whether the response said that the connection ends.
        announces_close: bool,
    },
    /// The client was answered otherwise.
    Replaced,
}

/// Waits for the head of the response itself, and tells of it as it came.
async fn final_head(
    stream: &mut HttpStream<'_>,
    cluster: &WorkerCluster,
    exchange: &mut Exchange<'_>,
) -> Result<ResponseHead, Error> {
    let head = loop {
        let head = exchange.response_head(stream).await?;
        let fields = u64::try_from(head.field_bytes).unwrap_or(u64::MAX);
        stream.state.info.upstream.bytes.receive_head(0, fields);
        log_at!(Router, Debug, "{} upstream headers complete: status {}", stream.tag(), head.status);
        if !head.informational {
            break head;
        }
        if stream.pass_informational(head.status)? {
            charge(stream, cluster, None, head.status, false);
        }
    };
    if let Some(of_cluster) = &cluster.tracking {
        of_cluster.response_head(&stream.state.response);
    }
    stream.note_upstream_response(head.status);
    let end_stream = !head.upgrade && matches!(head.framing, BodyFraming::None | BodyFraming::Length(0));
    stream.walk_from_upstream(end_stream);
    Ok(head)
}

async fn converse(
    stream: &mut HttpStream<'_>,
    action: &ForwardAction,
    cluster: &WorkerCluster,
    host: &WorkerHost,
    exchange: &mut Exchange<'_>,
) -> Result<Outcome, Error> {
    let head = final_head(stream, cluster, exchange).await?;
    if head.upgrade {
        if head.status == 101 && !is_upgrade(&stream.state.response) {
            return Err(ErrorKind::UpstreamCodec(CodecError::UnexpectedSwitch).into());
        }
        exchange.open_tunnel(stream);
        if head.announces_close {
            cluster.stats.inc(ClusterStat::UpstreamCxCloseNotify);
        }
    } else if stream.asks_for_websocket() && head.status < 400 && head.version != Version::Http2 {
        Box::pin(stream.refuse_handshake(head.status)).await?;
        return Ok(Outcome::Replaced);
    } else if stream.asks_for_upgrade() {
        stream.refuse_tunnel();
    }
    let end_stream = !head.upgrade && matches!(head.framing, BodyFraming::None | BodyFraming::Length(0));
    if end_stream {
        stream.state.info.mark(TimePoint::LastUpstreamRxByte, stream.now);
    }
    if let Some(policy) = action.internal_redirect.as_deref().filter(|policy| policy.takes(head.status)) {
        if stream.follow_redirect(policy, cluster, head.status) {
            let announces_close = head.announces_close;
            return Ok(if end_stream { Outcome::Complete { announces_close } } else { Outcome::Replaced });
        }
    }
    if end_stream {
        stream.upstream_ends_with_head(exchange);
    }
    let says_canary = stream.state.response.get(KnownName::XEnvoyUpstreamCanary) == Some(b"true");
    let is_canary = says_canary || host.is_canary;
    charge(stream, cluster, Some(host), head.status, is_canary);
    let mut walked = receive_head(stream, head.status, end_stream).await?;
    while let Walked::Held(holder) = walked {
        // Boxed: few responses are held.
        walked = Box::pin(exchange.hold_response(stream, holder)).await?;
    }
    if !matches!(walked, Walked::OnItsWay) {
        if let Walked::Replaced(reply) = walked {
            stream.reply_in_place(reply).await?;
        }
        if !end_stream {
            return Ok(Outcome::Replaced);
        }
        // Nothing follows the head that goes no further.
        count_time(stream, cluster, host, is_canary);
        return Ok(Outcome::Complete { announces_close: head.announces_close });
    }
    let framing = if head.upgrade { BodyFraming::UntilClose } else { head.framing };
    stream.start_response(framing)?;
    if head.upgrade {
        stream.log_tunnel();
    }
    exchange.response_body(stream).await?;
    count_time(stream, cluster, host, is_canary);
    Ok(Outcome::Complete { announces_close: head.announces_close })
}

/// Takes the response's head in, and shows it to the filters.
async fn receive_head(stream: &mut HttpStream<'_>, status: u16, end_stream: bool) -> Result<Walked, Error> {
    stream.state.info.response_code_details = "via_upstream".into();
    if !stream.filters.router.suppress_envoy_headers {
        stream.set_upstream_service_time();
    }
    stream.set_attempt_count_of_response();
    stream.edit_response(status);
    if stream.state.filters.is_empty() {
        return Ok(Walked::OnItsWay);
    }
    stream.walk_response_filters(end_stream).await
}

/// Where the request is counted beside its cluster.
fn of_route<'a>(stream: &HttpStream<'a>) -> impl Iterator<Item = &'a LocalScope<VirtualHostStats>> {
    stream.manager.routes.of(stream.counted_in)
}

/// Counts a status that a cluster, and a host of it, is to answer for.
fn charge(
    stream: &HttpStream<'_>,
    cluster: &WorkerCluster,
    host: Option<&WorkerHost>,
    status: u16,
    is_canary: bool,
) {
    // Health checks that pass through say nothing of the traffic.
    if stream.filters.router.dynamic_stats && !stream.state.info.health_check {
        count_status(stream, cluster, host, status, is_canary);
    }
    if let Some(host) = host {
        host.stats.inc(if status < 500 { EndpointStat::RqSuccess } else { EndpointStat::RqError });
    }
}

fn count_status(
    stream: &HttpStream<'_>,
    cluster: &WorkerCluster,
    host: Option<&WorkerHost>,
    status: u16,
    is_canary: bool,
) {
    let stats = &cluster.stats;
    if stream.filters.router.suppress_grpc_request_failure_code_stats
        && is_grpc_request(&stream.state.request)
    {
        stats.response_completed(ResponseClass::All);
    } else {
        stats.response_code(ResponseClass::All, status);
    }
    if is_canary {
        stats.response_code(ResponseClass::Canary, status);
    }
    let origin = if stream.is_internal { ResponseClass::Internal } else { ResponseClass::External };
    stats.response_code(origin, status);
    of_route(stream).for_each(|stats| stats.response_code(ResponseClass::All, status));
    if let Some(zone) = host.and_then(|host| host.zone_stats.as_ref()) {
        zone.response_code(ResponseClass::All, status);
    }
}

fn count_time(stream: &mut HttpStream<'_>, cluster: &WorkerCluster, host: &WorkerHost, is_canary: bool) {
    if !stream.filters.router.dynamic_stats || stream.state.info.health_check {
        return;
    }
    let stats = &cluster.stats;
    if let Some(completed_at) = stream.request_completed_at {
        stream.now = Instant::now();
        let elapsed = stream.now.saturating_duration_since(completed_at).as_millis();
        let elapsed = u64::try_from(elapsed).unwrap_or(u64::MAX);
        stats.record(ClusterHistogram::UpstreamRqTime, elapsed);
        let is_internal = stream.is_internal;
        let origin = if is_internal {
            ClusterHistogram::InternalUpstreamRqTime
        } else {
            ClusterHistogram::ExternalUpstreamRqTime
        };
        stats.record(origin, elapsed);
        if is_canary {
            stats.record(ClusterHistogram::CanaryUpstreamRqTime, elapsed);
        }
        if let Some(zone) = &host.zone_stats {
            zone.record(ZoneHistogram::UpstreamRqTime, elapsed);
        }
        of_route(stream).for_each(|stats| stats.record(VirtualHostHistogram::UpstreamRqTime, elapsed));
    }
}

/// `received_before`: how many bytes had come on the connection before.
fn count_bytes(
    stream: &mut HttpStream<'_>,
    cluster: &WorkerCluster,
    codec: UpstreamCodec<'_>,
    received_before: u64,
) {
    let state = &mut *stream.state;
    let bytes = &mut state.info.upstream.bytes;
    let (received, received_body) = codec.received_bytes();
    let (sent, sent_fields, sent_body) = codec.sent_bytes();
    bytes.receive_head(received, 0);
    bytes.send_head(sent, sent_fields);
    stream.sent_body_bytes = sent_body;
    stream.note_upstream_bodies(received_body, sent_body);
    if let Some(of_cluster) = &cluster.tracking {
        tracking::exchange_over(of_cluster, stream, received_body);
    }
    // A connection of many streams counts what goes over it.
    let UpstreamCodec::Http1(codec) = codec else { return };
    let all_received = codec.reader.received_bytes() - received_before;
    if all_received > 0 {
        cluster.stats.add(ClusterStat::UpstreamCxRxBytesTotal, all_received);
    }
    cluster.stats.add(ClusterStat::UpstreamCxTxBytesTotal, sent);
    stream.state.request_memory = codec.writer.give_back();
}

fn count_failure(stream: &HttpStream<'_>, cluster: &WorkerCluster, host: &WorkerHost, kind: ErrorKind) {
    let stats = &cluster.stats;
    let timeout_status = if stream.route_timeouts.answers_no_content { 204 } else { 504 };
    let status = match kind {
        ErrorKind::UpstreamCodec(_) => {
            stats.inc(ClusterStat::UpstreamCxProtocolError);
            502
        }
        ErrorKind::ResponseTimeout => {
            stats.inc(ClusterStat::UpstreamRqTimeout);
            of_route(stream).for_each(|stats| stats.inc(VirtualHostStat::UpstreamRqTimeout));
            timeout_status
        }
        ErrorKind::PerTryTimeout => {
            stats.inc(ClusterStat::UpstreamRqPerTryTimeout);
            timeout_status
        }
        ErrorKind::UpstreamAccusation | ErrorKind::UpstreamHttp2(_) => 502,
        ErrorKind::UpstreamMaxStreamDuration => {
            stats.inc(ClusterStat::UpstreamRqMaxDurationReached);
            return;
        }
        ErrorKind::UpstreamTermination
        | ErrorKind::UpstreamReset
        | ErrorKind::UpstreamRefused
        | ErrorKind::UpstreamConnectError
        | ErrorKind::UpstreamRefusedHead(_)
        | ErrorKind::ConnectFailure
        | ErrorKind::ConnectTimeout
        | ErrorKind::Overflow => 503,
        _ => return,
    };
    // Envoy counts neither `upstream_rq_rx_reset` nor `upstream_rq_tx_reset` of HTTP/1.
    if !stream.upstream_has_begun() {
        charge(stream, cluster, Some(host), status, host.is_canary);
    }
}
