//! On what occasion an access log line is written.
//!
//! Owns: the occasions, their names and numbers. Does not own: when one is there (whoever has access logs).
//! Follows: Envoy's `data.accesslog.v3.AccessLogType`.

/// On what occasion an access log line is written; by Envoy's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)] // Envoy's own names
pub enum AccessLogType {
    #[default]
    NotSet,
    TcpUpstreamConnected,
    TcpPeriodic,
    TcpConnectionEnd,
    DownstreamStart,
    DownstreamPeriodic,
    DownstreamEnd,
    UpstreamPoolReady,
    UpstreamPeriodic,
    UpstreamEnd,
    DownstreamTunnelSuccessfullyEstablished,
    UdpTunnelUpstreamConnected,
    UdpPeriodic,
    UdpSessionEnd,
    TcpConnectionStart,
}

impl AccessLogType {
    /// As `%ACCESS_LOG_TYPE%` prints it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            AccessLogType::NotSet => "NotSet",
            AccessLogType::TcpUpstreamConnected => "TcpUpstreamConnected",
            AccessLogType::TcpPeriodic => "TcpPeriodic",
            AccessLogType::TcpConnectionEnd => "TcpConnectionEnd",
            AccessLogType::DownstreamStart => "DownstreamStart",
            AccessLogType::DownstreamPeriodic => "DownstreamPeriodic",
            AccessLogType::DownstreamEnd => "DownstreamEnd",
            AccessLogType::UpstreamPoolReady => "UpstreamPoolReady",
            AccessLogType::UpstreamPeriodic => "UpstreamPeriodic",
            AccessLogType::UpstreamEnd => "UpstreamEnd",
            AccessLogType::DownstreamTunnelSuccessfullyEstablished => {
                "DownstreamTunnelSuccessfullyEstablished"
            }
            AccessLogType::UdpTunnelUpstreamConnected => "UdpTunnelUpstreamConnected",
            AccessLogType::UdpPeriodic => "UdpPeriodic",
            AccessLogType::UdpSessionEnd => "UdpSessionEnd",
            AccessLogType::TcpConnectionStart => "TcpConnectionStart",
        }
    }

    /// Whether it is of an upstream request, and not of the stream around it.
    #[inline]
    #[must_use]
    pub(crate) fn is_of_upstream_request(self) -> bool {
        matches!(
            self,
            AccessLogType::UpstreamPoolReady | AccessLogType::UpstreamPeriodic | AccessLogType::UpstreamEnd
        )
    }

    /// All of them as a set in which each has the bit of its number.
    #[must_use]
    pub(crate) fn bit(self) -> u32 {
        1 << self as u32
    }
}
