//! An attempt of a session to open a tunnel.
//!
//! Owns: what is counted and noted of it. Does not own: the request (`tunneling`), the tunnel (`tunnel`).
//! Follows Envoy's page "Tunneling TCP over HTTP".

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

use ferryman_codec::HeaderBlock;

use super::super::tunnel::{Tunnel, TunnelError};
use super::super::tunnel_fields::{RESPONSE_HEADERS, RESPONSE_TRAILERS, TunnelFields};
use super::super::tunneling::Tunneling;
use super::Session;
use super::outcome::GivenUp;
use crate::application_log::{OfConnection, log_at};
use crate::cluster::{WorkerCluster, WorkerHost};
use crate::connection_pool::{PoolError, can_create_connection};
use crate::format::{AccessLogType, FormatContext};
use crate::model::metadata::{Struct, Value};
use crate::model::route::RoutingPriority;
use crate::random::thread_random;
use crate::stats::ClusterStat;
use crate::stream_info::filter_state::SharedWithUpstream;
use crate::stream_info::{PoolAnswer, ResponseFlag, TimePoint};
use crate::transport_sockets::TransportSocket;

/// Where the identifier of the request stands in the metadata.
const NAMESPACE: &str = "envoy.filters.network.tcp_proxy";

impl Session<'_> {
    /// `None`: it failed, and another one may be made.
    pub(super) async fn attempt_tunnel(
        &mut self,
        tunneling: &Tunneling,
        cluster: &Rc<WorkerCluster>,
        host: &Rc<WorkerHost>,
        downstream: &mut TransportSocket,
    ) -> Result<Option<Tunnel>, GivenUp> {
        let request = self.request(tunneling, cluster.tls.is_some());
        self.begin_attempt(host);
        if !can_create_connection(cluster, host, RoutingPriority::Default) {
            cluster.stats.inc(ClusterStat::UpstreamCxOverflow);
            return Err(self.give_up_for_room());
        }
        let proxy_header = cluster.cluster.connections.proxy_protocol.as_ref().map(|writer| {
            self.proxy.proxy_protocol_tlvs.merge_into(self.info);
            writer.header(self.info)
        });
        let connecting = Tunnel::connect(cluster, host, (&request, self.stream.upstream.bytes), proxy_header);
        let mut tunnel = match self.wait_for(connecting, downstream).await? {
            Ok(tunnel) => tunnel,
            Err(error) => {
                self.note_failed_tunnel(error);
                return Ok(None);
            }
        };
        let worker = self.worker;
        let agrees = match self.wait_for(tunnel.answer(&worker.blocks), downstream).await {
            Ok(agrees) => agrees,
            Err(given_up) => {
                // As in Envoy, where a request that is taken back is a host that has failed.
                self.stream.upstream.host = Some(Rc::clone(&host.info));
                self.stream.set_flag(ResponseFlag::UpstreamConnectionFailure);
                self.stream.upstream.bytes = tunnel.bytes();
                return Err(given_up);
            }
        };
        if tunneling.keeps_headers && !tunnel.fields.is_empty() {
            let fields = Rc::new(TunnelFields(tunnel.fields.clone()));
            self.info.filter_state.set(RESPONSE_HEADERS, fields, SharedWithUpstream::None);
        }
        if !agrees {
            log_at!(Filter, Debug, "{} the host refuses the tunnel", OfConnection(self.info.id));
            self.stream.set_flag(ResponseFlag::UpstreamConnectionFailure);
            self.stream.decisions.pool = PoolAnswer::Failed;
            self.stream.upstream.bytes = tunnel.bytes();
            if tunnel.status > 0 {
                let reason = format!("tunnel_response:{}", tunnel.status);
                self.stream.upstream.transport_failure_reason = Cow::Owned(reason);
            }
            tunnel.note_end();
            return Ok(None);
        }
        self.stream.upstream.bytes = tunnel.bytes();
        self.note_tunnel(&tunnel);
        Ok(Some(tunnel))
    }

    /// The head of the request. As in Envoy, it is made before anything is known of the host.
    fn request(&mut self, tunneling: &Tunneling, is_tls: bool) -> HeaderBlock {
        let random = &self.worker.random;
        let id = tunneling.request_id(|| random.next());
        if let Some((key, id)) = &id {
            let fields = Struct(BTreeMap::from([((*key).to_owned(), Value::String(id.to_vec()))]));
            // What finds no room is left out, as wherever it is set.
            let _set: bool = self.info.dynamic_metadata.set(NAMESPACE, fields);
        }
        self.take_over_metadata();
        let now = Instant::now();
        let context = FormatContext::new(&self.stream, self.info, AccessLogType::NotSet, now, thread_random);
        tunneling.request(&context, is_tls, id.as_ref().map(|(_, id)| id))
    }

    fn note_failed_tunnel(&mut self, error: TunnelError) {
        match error {
            TunnelError::Pool(PoolError::Overflow) => self.stream.decisions.pool = PoolAnswer::TooManyPending,
            TunnelError::NotBegun => self.stream.decisions.pool = PoolAnswer::TooManyRequests,
            TunnelError::Pool(error) => {
                self.stream.set_flag(ResponseFlag::UpstreamConnectionFailure);
                self.note_failed_attempt(error);
            }
        }
    }

    fn note_tunnel(&mut self, tunnel: &Tunnel) {
        let upstream = &tunnel.upstream;
        log_at!(
            Filter,
            Debug,
            "{} tunnel on upstream connection [C{}]",
            OfConnection(self.info.id),
            upstream.id()
        );
        let (start, end) = upstream.connecting();
        self.stream.mark(TimePoint::UpstreamConnectStart, start);
        self.stream.mark(TimePoint::UpstreamConnectEnd, end);
        self.stream.mark(TimePoint::UpstreamPoolReady, Instant::now());
        self.stream.attempt_connected(upstream.id(), upstream.local_address(), None);
        self.stream.upstream.tls = upstream.tls();
        self.stream.decisions.pool = PoolAnswer::Connected;
    }

    /// Keeps what followed the payload, where that is asked for.
    pub(super) fn note_end_of_tunnel(&mut self, tunnel: &mut Tunnel) {
        let Some(tunneling) = &self.proxy.tunneling else { return };
        if tunneling.keeps_trailers && !tunnel.trailers.is_empty() {
            let fields = Rc::new(TunnelFields(std::mem::take(&mut tunnel.trailers)));
            self.info.filter_state.set(RESPONSE_TRAILERS, fields, SharedWithUpstream::None);
        }
    }
}
