//! The statistics of datagrams.
//!
//! Owns their names; follows the "Statistics" section of Envoy's page "UDP proxy", and of "Listener" what is `udp` there.

use super::declare::stats_group;
use super::registry::sanitize;
use super::{Registry, Scope};

stats_group! {
    /// What only listeners of datagrams have: `listener.<listener>.udp.`
    UdpListenerStats (Listener)
    UdpListenerStat {
        DownstreamRxDatagramDropped counter "downstream_rx_datagram_dropped",
    }
}

stats_group! {
    /// Of the UDP proxies with one stat prefix: `udp.<stat prefix>.`
    UdpStats (Udp)
    UdpStat {
        DownstreamSessActive gauge "downstream_sess_active",
        DownstreamSessNoRoute counter "downstream_sess_no_route",
        DownstreamSessRxBytes counter "downstream_sess_rx_bytes",
        DownstreamSessRxDatagrams counter "downstream_sess_rx_datagrams",
        DownstreamSessRxErrors counter "downstream_sess_rx_errors",
        DownstreamSessTotal counter "downstream_sess_total",
        DownstreamSessTxBytes counter "downstream_sess_tx_bytes",
        DownstreamSessTxDatagrams counter "downstream_sess_tx_datagrams",
        DownstreamSessTxErrors counter "downstream_sess_tx_errors",
        IdleTimeout counter "idle_timeout",
        SessionFilterConfigMissing counter "session_filter_config_missing",
    }
}

stats_group! {
    /// Of clusters that a UDP proxy sends to: `cluster.<cluster>.udp.`
    ClusterUdpStats (Cluster)
    ClusterUdpStat {
        SessRxDatagrams counter "sess_rx_datagrams",
        SessRxDatagramsDropped counter "sess_rx_datagrams_dropped",
        SessRxErrors counter "sess_rx_errors",
        SessTunnelBufferOverflow counter "sess_tunnel_buffer_overflow",
        SessTunnelFailure counter "sess_tunnel_failure",
        SessTunnelSuccess counter "sess_tunnel_success",
        SessTxDatagrams counter "sess_tx_datagrams",
        SessTxErrors counter "sess_tx_errors",
    }
}

impl Registry {
    /// `listener.<listener>.udp.`; the listener as in `listener`.
    pub fn udp_listener(&self, listener: &str) -> Scope<UdpListenerStats> {
        self.scope(&format!("listener.{}.udp.", sanitize(listener)))
    }

    /// `udp.<stat prefix>.`
    pub fn udp(&self, stat_prefix: &str) -> Scope<UdpStats> {
        self.scope(&format!("udp.{}.", sanitize(stat_prefix)))
    }

    /// `cluster.<stat name>.udp.`
    pub fn cluster_udp(&self, stat_name: &str) -> Scope<ClusterUdpStats> {
        self.scope(&format!("cluster.{}.udp.", sanitize(stat_name)))
    }
}
