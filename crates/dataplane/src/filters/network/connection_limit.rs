//! `envoy.filters.network.connection_limit`: so many connections at once through one filter.
//!
//! Owns: the number of open connections, which all workers share, and the statistics. Does not own: closing those that are
//! too many (`read_filters`). Follows Envoy's page "Connection limit filter".

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::read_filters::Refusal;
use crate::listener::CompileContext;
use crate::model::network_filter::ConnectionLimit as Model;
use crate::runtime::RuntimeFeatureFlag;
use crate::stats::{ConnectionLimitStat, ConnectionLimitStats, LocalScope, Scope};

/// The filter, compiled.
#[derive(Debug)]
pub struct ConnectionLimit {
    most: u64,
    delay: Option<Duration>,
    enabled: RuntimeFeatureFlag,
    open: AtomicU64,
    stats: Scope<ConnectionLimitStats>,
}

impl ConnectionLimit {
    /// Compiles the filter.
    #[must_use]
    pub fn compile(model: &Model, context: &CompileContext<'_>) -> Self {
        ConnectionLimit {
            most: model.max_connections,
            delay: model.delay_ms.map(Duration::from_millis),
            enabled: RuntimeFeatureFlag::from(&model.enabled),
            open: AtomicU64::new(0),
            stats: context.registry.connection_limit(&model.stat_prefix),
        }
    }
}

/// The filter on one worker.
#[derive(Debug)]
pub struct WorkerConnectionLimit {
    filter: Arc<ConnectionLimit>,
    stats: Rc<LocalScope<ConnectionLimitStats>>,
}

impl WorkerConnectionLimit {
    /// The filter's part on `worker`.
    #[must_use]
    pub fn new(filter: &Arc<ConnectionLimit>, worker: usize) -> Self {
        WorkerConnectionLimit { filter: Arc::clone(filter), stats: Rc::new(filter.stats.local(worker)) }
    }

    /// Takes a place among the open connections; none is needed while the filter is switched off.
    ///
    /// # Errors
    /// There is none.
    pub fn admit(&self) -> Result<Option<Permit>, Refusal> {
        let filter = &self.filter;
        if !filter.enabled.is_on() {
            return Ok(None);
        }
        let taken = filter.open.fetch_update(Ordering::AcqRel, Ordering::Acquire, |open| {
            (open < filter.most).then(|| open.saturating_add(1))
        });
        if taken.is_ok() {
            self.stats.inc(ConnectionLimitStat::ActiveConnections);
            return Ok(Some(Permit { filter: Arc::clone(filter), stats: Rc::clone(&self.stats) }));
        }
        self.stats.inc(ConnectionLimitStat::LimitedConnections);
        Err(Refusal { reason: "over_connection_limit", flag: None, delay: filter.delay })
    }
}

/// A place among the open connections, until it is dropped.
#[derive(Debug)]
pub struct Permit {
    filter: Arc<ConnectionLimit>,
    stats: Rc<LocalScope<ConnectionLimitStats>>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.filter.open.fetch_sub(1, Ordering::AcqRel);
        self.stats.dec(ConnectionLimitStat::ActiveConnections);
    }
}
