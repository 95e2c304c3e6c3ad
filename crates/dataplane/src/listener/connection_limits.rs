//! How many connections may be open: on one listener, and on all of them.
//!
//! Owns: the decision whether one more may come. Does not own: the numbers, which are the listeners' own statistics, nor
//! closing (`connection`).
//! Follows Envoy's page "Configuring the proxy for the edge": the runtime keys
//! `envoy.resource_limits.listener.<name>.connection_limit` and `overload.global_downstream_max_connections`.
//!
//! Nothing is summed up while neither key has a value.

use std::sync::Arc;

use crate::model;
use crate::runtime::RuntimeKey;
use crate::stats::{ListenerStat, ListenerStats, Registry, Scope};

/// The runtime key of the limit for all listeners.
const GLOBAL_KEY: &str = "overload.global_downstream_max_connections";

/// The limits that hold for one listener.
#[derive(Debug)]
pub(super) struct ConnectionLimits {
    own: RuntimeKey,
    own_stats: Scope<ListenerStats>,
    /// None: the listener is not counted.
    global: Option<RuntimeKey>,
    registry: Arc<Registry>,
}

/// Which limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reached {
    /// The listener's own.
    Own,
    /// That of all listeners.
    Global,
}

impl ConnectionLimits {
    /// The limits of a listener.
    pub(super) fn new(model: &model::listener::Listener, registry: &Arc<Registry>) -> Self {
        let own = format!("envoy.resource_limits.listener.{}.connection_limit", model.name);
        ConnectionLimits {
            own: RuntimeKey::new(&own),
            own_stats: registry.listener(&super::stat_prefix(model)),
            global: (!model.ignore_global_conn_limit).then(|| RuntimeKey::new(GLOBAL_KEY)),
            registry: Arc::clone(registry),
        }
    }

    /// The limit that one more connection would be above.
    #[inline]
    pub(super) fn reached(&self) -> Option<Reached> {
        let global = self.global.map_or(u64::MAX, |key| key.integer(u64::MAX));
        if global != u64::MAX && self.registry.open_connections() >= global {
            return Some(Reached::Global);
        }
        let own = self.own.integer(u64::MAX);
        let open = || {
            let stats = &self.own_stats;
            stats.value(ListenerStat::DownstreamCxActive) + stats.value(ListenerStat::DownstreamPreCxActive)
        };
        (own != u64::MAX && open() >= own).then_some(Reached::Own)
    }
}
