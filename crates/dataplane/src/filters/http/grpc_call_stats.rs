//! What filters count of gRPC calls, by cluster and method.
//!
//! Owns: which statistics a call is counted in, found again without a lock that others hold. Does not own: their names
//! (`stats`), when to count (`grpc_stats`, `grpc_web`).
//! Follows Envoy's page "gRPC statistics".
//!
//! The methods come from clients, so there is a limit to how many are counted one by one.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::stats::{GrpcCallStat, GrpcCallStats, Registry, Scope};

use super::FilterContext;

/// How many methods one filter counts one by one; further ones count together.
const MOST_METHODS: usize = 10_000;

/// A worker's part: what it has counted in before.
#[derive(Debug, Default)]
struct Known {
    scopes: HashMap<Box<str>, Scope<GrpcCallStats>>,
    /// Memory to write a name in.
    name: String,
}

/// Where the calls that a filter sees are counted.
#[derive(Debug)]
pub(super) struct GrpcCalls {
    registry: Arc<Registry>,
    /// `grpc` or `grpc-web`.
    protocol: &'static str,
    /// One a worker: no other takes its lock.
    known: Box<[Mutex<Known>]>,
    methods: AtomicUsize,
}

/// A service and a method of it.
pub(super) type Method<'a> = (&'a str, &'a str);

impl GrpcCalls {
    pub(super) fn new(registry: &Arc<Registry>, protocol: &'static str) -> Self {
        let known = (0..registry.workers() + 1).map(|_| Mutex::default()).collect();
        GrpcCalls { registry: Arc::clone(registry), protocol, known, methods: AtomicUsize::new(0) }
    }

    /// The statistics of calls of a method to the cluster that the route chose; none: there is no such cluster. Without a
    /// method those of all.
    pub(super) fn of(
        &self,
        context: &FilterContext<'_>,
        method: Option<Method<'_>>,
        replaces_dots: bool,
    ) -> Option<Scope<GrpcCallStats>> {
        let choice = context.cluster?;
        let snapshot = context.worker.snapshot();
        let cluster = snapshot.snapshot().cluster_by_name(&choice.name)?;
        let known = self.known.get(context.worker.index).or(self.known.last())?;
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        let Known { scopes, name } = &mut *known;
        self.write_name(name, &cluster.stat_name, method, replaces_dots);
        if let Some(scope) = scopes.get(name.as_str()) {
            return Some(scope.clone());
        }
        if method.is_some() && self.methods.fetch_add(1, Ordering::Relaxed) >= MOST_METHODS {
            self.write_name(name, &cluster.stat_name, None, replaces_dots);
        }
        let scope = scopes.entry(name.as_str().into()).or_insert_with(|| self.registry.filter(name));
        Some(scope.clone())
    }

    fn write_name(&self, name: &mut String, cluster: &str, method: Option<Method<'_>>, replaces_dots: bool) {
        name.clear();
        // As in Envoy: of a cluster's name what tells ports apart is no part of a statistic's, of a method's it is.
        let cluster = crate::stats::sanitized(cluster);
        let written = write!(name, "cluster.{cluster}.{}.", self.protocol);
        debug_assert!(written.is_ok());
        let Some((service, method)) = method else { return };
        name.extend(service.chars().map(|c| if c == '.' && replaces_dots { '_' } else { c }));
        name.extend([".", method, "."]);
    }
}

/// The service and the method that a path names: `/package.Service/Method`.
pub(super) fn method_of(path: &[u8]) -> Option<Method<'_>> {
    let path = path.split(|&byte| byte == b'?').next()?;
    let (service, method) = std::str::from_utf8(path).ok()?.strip_prefix('/')?.split_once('/')?;
    let is_whole = !service.is_empty() && !method.is_empty() && !method.contains('/');
    is_whole.then_some((service, method))
}

/// Counts how a call ended, if that is told.
pub(super) fn count_status(scope: &Scope<GrpcCallStats>, worker: usize, status: Option<&[u8]>) {
    let Some(status) = status else { return };
    if let Some(stat) = GrpcCallStat::of_status(status) {
        scope.inc_on(worker, stat);
    }
    scope.inc_on(worker, if status == b"0" { GrpcCallStat::Success } else { GrpcCallStat::Failure });
    scope.inc_on(worker, GrpcCallStat::Total);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Judged by Envoy 1.40.
    #[test]
    fn paths_of_methods() {
        for (path, method) in [
            ("/pkg.S/M", Some(("pkg.S", "M"))),
            ("/a/b?x=/y", Some(("a", "b"))),
            ("/a:b/c%20d", Some(("a:b", "c%20d"))),
            ("/a/b/c", None),
            ("/a", None),
            ("//b", None),
            ("/a/", None),
            ("a/b", None),
            ("", None),
        ] {
            assert_eq!(method_of(path.as_bytes()), method, "{path}");
        }
    }
}
