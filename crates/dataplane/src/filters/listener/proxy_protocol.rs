//! `envoy.filters.listener.proxy_protocol`: a header in front of the connection tells who it is really from.
//!
//! Owns: which headers are taken, the connection's addresses and metadata by them, and the statistics. Does not own: the
//! form of the header (`proxy_protocol`), nor what becomes of TLVs here (`tlv_rules`). Follows Envoy's page "Proxy Protocol" of the listener filters.

use std::sync::Arc;

use super::Verdict;
use crate::listener::CompileContext;
use crate::model::listener_filter::ProxyProtocol as Model;
use crate::proxy_protocol::read::each_tlv;
use crate::proxy_protocol::{Accepted, Header, Reading, Tlv, Told, V1_LONGEST, Version, read};
use crate::stats::{
    LocalScope, ProxyProtocolErrorStat, ProxyProtocolErrorStats, ProxyProtocolStat, ProxyProtocolStats,
    ProxyProtocolVersionStat, ProxyProtocolVersionStats, Scope,
};
use crate::stream_info::ConnectionInfo;

mod tlv_rules;

use tlv_rules::TlvRules;

/// The filter, compiled.
#[derive(Debug)]
pub struct ProxyProtocol {
    accepted: Accepted,
    allows_v1: bool,
    allows_v2: bool,
    pass_through: PassThrough,
    rules: TlvRules,
    stats: Scope<ProxyProtocolStats>,
    v1_stats: Scope<ProxyProtocolVersionStats>,
    v2_stats: Scope<ProxyProtocolVersionStats>,
    errors: Scope<ProxyProtocolErrorStats>,
}

/// Which TLVs are told on to the upstream.
#[derive(Debug)]
struct PassThrough {
    all: bool,
    kinds: Vec<u8>,
}

impl ProxyProtocol {
    /// Compiles the filter.
    #[must_use]
    pub fn compile(model: &Model, context: &CompileContext<'_>) -> Self {
        ProxyProtocol {
            accepted: Accepted {
                v1: model.v1,
                v2: model.v2,
                may_be_missing: model.allow_requests_without_proxy_protocol,
            },
            allows_v1: model.v1,
            allows_v2: model.v2,
            pass_through: PassThrough { all: model.pass_all_tlvs, kinds: model.pass_tlvs.clone() },
            rules: TlvRules::compile(model),
            stats: context.registry.proxy_protocol(&model.stat_prefix),
            v1_stats: context.registry.proxy_protocol_version(&model.stat_prefix, "v1"),
            v2_stats: context.registry.proxy_protocol_version(&model.stat_prefix, "v2"),
            errors: context.registry.proxy_protocol_errors(),
        }
    }
}

/// The filter on one worker.
#[derive(Debug)]
pub struct WorkerProxyProtocol {
    filter: Arc<ProxyProtocol>,
    stats: LocalScope<ProxyProtocolStats>,
    v1_stats: LocalScope<ProxyProtocolVersionStats>,
    v2_stats: LocalScope<ProxyProtocolVersionStats>,
    errors: LocalScope<ProxyProtocolErrorStats>,
}

impl WorkerProxyProtocol {
    /// The filter's part on `worker`.
    #[must_use]
    pub fn new(filter: &Arc<ProxyProtocol>, worker: usize) -> Self {
        WorkerProxyProtocol {
            stats: filter.stats.local(worker),
            v1_stats: filter.v1_stats.local(worker),
            v2_stats: filter.v2_stats.local(worker),
            errors: filter.errors.local(worker),
            filter: Arc::clone(filter),
        }
    }

    /// Reads the header, as far as it is there, and notes what it tells.
    #[must_use]
    pub fn judge(&self, bytes: &[u8], info: &mut ConnectionInfo) -> Verdict {
        if bytes.is_empty() {
            return Verdict::More(V1_LONGEST);
        }
        match read(bytes, self.filter.accepted) {
            Reading::More(most) => Verdict::More(most),
            Reading::Missing => {
                self.stats.inc(ProxyProtocolStat::NotFoundAllowed);
                Verdict::Continue { taken: 0 }
            }
            Reading::Invalid(version) => {
                match version {
                    None => self.stats.inc(ProxyProtocolStat::NotFoundDisallowed),
                    Some(Version::V1) => self.v1_stats.inc(ProxyProtocolVersionStat::Error),
                    Some(Version::V2) => self.v2_stats.inc(ProxyProtocolVersionStat::Error),
                }
                self.errors.inc(ProxyProtocolErrorStat::DownstreamCxProxyProtoError);
                Verdict::Close
            }
            Reading::Header(header) => self.take(bytes, &header, info),
        }
    }

    fn take(&self, bytes: &[u8], header: &Header, info: &mut ConnectionInfo) -> Verdict {
        let (allowed, stats) = match header.version {
            Version::V1 => (self.filter.allows_v1, &self.v1_stats),
            Version::V2 => (self.filter.allows_v2, &self.v2_stats),
        };
        stats.inc(ProxyProtocolVersionStat::Found);
        if !allowed {
            stats.inc(ProxyProtocolVersionStat::Disallowed);
            return Verdict::Close;
        }
        self.note(bytes, header, info);
        Verdict::Continue { taken: header.length }
    }

    fn note(&self, bytes: &[u8], header: &Header, info: &mut ConnectionInfo) {
        let mut told = Told { addresses: header.addresses, tlvs: Vec::new() };
        let block = bytes.get(header.tlvs.clone()).unwrap_or_default();
        // Whether they fill the block was looked at when the header was read.
        let _whole: bool = each_tlv(block, |kind, value| {
            self.filter.rules.note(kind, value, info);
            if self.filter.pass_through.all || self.filter.pass_through.kinds.contains(&kind) {
                told.tlvs.push(Tlv { kind, value: value.into() });
            }
        });
        if let Some((source, destination)) = header.addresses {
            let destination = destination.into();
            if info.local_address != destination {
                info.local_address = destination;
                info.local_address_restored = true;
            }
            info.remote_address = source.into();
        }
        // As in Envoy, the first header is the one that is told on.
        info.proxy_protocol.get_or_insert_with(|| Box::new(told));
    }
}
