//! A tunnel that ends here: the body of CONNECT, or of POST where the route says so, is the payload of a TCP connection.
//!
//! Owns: the connection of such a stream and its answer, 200 as soon as the connection stands. Does not own: the bytes
//! (`http_stream/exchange.rs`), which routes do this (`route/upgrade.rs`).
//! Follows Envoy's page "Upgrades", section "CONNECT support"; RFC 9110 section 9.3.6.

use std::rc::Rc;
use std::time::Instant;

use ferryman_codec::BodyFraming;

use crate::cluster::{WorkerCluster, WorkerHost};
use crate::connection_pool::{TcpUpstream, connect_tcp};
use crate::error::Error;
use crate::http_codec::{Http1Codec, UpstreamCodec};
use crate::http_stream::filter_walk::Walked;
use crate::http_stream::{Exchange, HttpStream};
use crate::local_reply::set_status;
use crate::model::route::RoutingPriority;
use crate::route::ConnectConfig;
use crate::stream_info::{Address, FilterState, TimePoint};

use super::connect::failed_to_connect;
use super::{charge, count_bytes, count_time, receive_head};

/// Connects, answers and carries the bytes.
pub(super) async fn terminate(
    stream: &mut HttpStream<'_>,
    cluster: &Rc<WorkerCluster>,
    host: &Rc<WorkerHost>,
    (connect, priority): (&ConnectConfig, RoutingPriority),
) -> Result<(), Error> {
    let start = Instant::now();
    let of_connection = &stream.connection.info.filter_state;
    let shared = FilterState::for_upstream(of_connection, &stream.state.info.filter_state);
    let connecting = connect_tcp(cluster, host, priority, shared.clone());
    let connected = stream.reading_ahead(connecting).await?;
    stream.now = Instant::now();
    stream.state.info.mark(TimePoint::UpstreamPoolReady, stream.now);
    let mut upstream = connected.map_err(|error| failed_to_connect(stream, error))?.into_codec();
    let info = &mut stream.state.info;
    info.mark(TimePoint::UpstreamConnectStart, start);
    info.mark(TimePoint::UpstreamConnectEnd, stream.now);
    info.upstream.filter_state = shared;
    let local_address = upstream.local_address.clone().unwrap_or_else(|| Address::Pipe("".into()));
    info.attempt_connected(upstream.id(), local_address, None);
    stream.log_upstream_connection();
    // As in Envoy, which makes a request and a response of it.
    stream.state.info.mark(TimePoint::FirstUpstreamTxByte, stream.now);
    stream.state.info.mark(TimePoint::FirstUpstreamRxByte, stream.now);
    if let Some(writer) = &connect.proxy_protocol {
        upstream.socket.writer.begin_tunnel_with(&writer.header(stream.connection.info));
    }
    let result = carry(stream, cluster, host, &mut upstream).await;
    count_bytes(stream, cluster, UpstreamCodec::Http1(&mut upstream.socket), 0);
    result
}

async fn carry(
    stream: &mut HttpStream<'_>,
    cluster: &WorkerCluster,
    host: &WorkerHost,
    upstream: &mut TcpUpstream<Http1Codec>,
) -> Result<(), Error> {
    let mut exchange = Exchange::of_payload(stream, &mut upstream.socket, cluster.http1_settings());
    stream.state.response.clear();
    set_status(&mut stream.state.response, 200);
    charge(stream, cluster, Some(host), 200, host.is_canary);
    stream.note_upstream_response(200);
    stream.walk_from_upstream(false);
    match receive_head(stream, 200, false).await? {
        // What comes over a tunnel is no response that could be held.
        Walked::OnItsWay | Walked::Held(_) => {}
        Walked::Recreated => return Ok(()),
        Walked::Replaced(reply) => return stream.reply_in_place(reply).await,
    }
    stream.start_response(BodyFraming::UntilClose)?;
    stream.log_tunnel();
    let result = exchange.response_body(stream).await;
    if exchange.is_closed_by_host() {
        upstream.set_closed_by_remote();
        if result.is_ok() {
            upstream.complete();
        }
    }
    result?;
    count_time(stream, cluster, host, host.is_canary);
    Ok(())
}
