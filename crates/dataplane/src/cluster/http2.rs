//! A cluster whose hosts are spoken to in HTTP/2.
//!
//! Owns: the limits and choices of its connections, which pool a request goes to, and where its codecs are counted. Does not
//! own: connections (`connection_pool`), the wire format (`ferryman_codec::http2`).
//! Follows: Envoy's `HttpProtocolOptions` of clusters.

use std::sync::{Arc, OnceLock};

use ferryman_codec::{Http2Settings, Version};

use crate::connection_pool::PoolProtocol;
use crate::http_codec::{self, Http2Options};
use crate::model::cluster::{self as model, UpstreamProtocol};
use crate::stats::{ClusterHttp2Stats, Registry, Scope};

/// What is compiled of it.
#[derive(Debug)]
pub struct ClusterHttp2 {
    /// How its connections speak.
    pub options: Http2Options,
    protocol: UpstreamProtocol,
    stat_name: Box<str>,
    registry: Arc<Registry>,
    /// What was counted, over all workers; made with the first connection.
    stats: OnceLock<Scope<ClusterHttp2Stats>>,
}

impl ClusterHttp2 {
    pub(super) fn compile(model: &model::Cluster, registry: &Arc<Registry>) -> Option<Box<Self>> {
        if model.http_protocol == UpstreamProtocol::Http1 {
            return None;
        }
        let options = model.http2_protocol_options.as_deref().cloned().unwrap_or_default();
        let options = http_codec::http2_options_of(&options);
        let buffer_limit = usize::try_from(model.per_connection_buffer_limit_bytes).unwrap_or(usize::MAX);
        Some(Box::new(ClusterHttp2 {
            options: Http2Options {
                settings: Http2Settings {
                    max_header_bytes: model.max_response_headers_bytes,
                    max_headers_count: model.max_response_headers_count,
                    max_pending_bytes: buffer_limit,
                    ..options.settings
                },
                ..options
            },
            protocol: model.http_protocol,
            stat_name: model.stat_name.as_str().into(),
            registry: Arc::clone(registry),
            stats: OnceLock::new(),
        }))
    }

    /// What is spoken for a request that came in this version.
    #[must_use]
    pub fn protocol_for(&self, downstream: Version) -> PoolProtocol {
        match (self.protocol, downstream) {
            (UpstreamProtocol::Auto, _) => PoolProtocol::Auto,
            (UpstreamProtocol::Http2, _) | (UpstreamProtocol::Downstream, Version::Http2) => {
                PoolProtocol::Http2
            }
            (UpstreamProtocol::Http1 | UpstreamProtocol::Downstream, _) => PoolProtocol::Http1,
        }
    }

    /// `cluster.<name>.http2.`
    pub fn stats(&self) -> &Scope<ClusterHttp2Stats> {
        self.stats.get_or_init(|| self.registry.cluster_http2(&self.stat_name))
    }
}
