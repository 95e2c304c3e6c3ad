//! `envoy.filters.network.rbac`: which clients may use a connection, by where it comes from and goes to.
//!
//! Owns: when the rules are applied, what is counted and told of it. Does not own: the rules (`rules`), nor closing
//! (`read_filters`). Follows Envoy's page "Role Based Access Control (RBAC) Network Filter".
//!
//! The rules are applied when the client's first bytes come, or its end: as in Envoy, whose rules may read what only they
//! tell. What is known without TLS is known from the start, so that is when they are evaluated.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::listener::CompileContext;
use crate::model::network_filter::Rbac as Model;
use crate::stats::{LocalScope, RbacShadowStat, RbacShadowStats, RbacStat, RbacStats, Scope};
use crate::stream_info::ConnectionInfo;

mod rules;

use rules::{Decision, Rules};

/// The filter, compiled.
#[derive(Debug)]
pub struct Rbac {
    rules: Option<Rules>,
    shadow_rules: Option<Rules>,
    continuous: bool,
    delay: Option<Duration>,
    stats: Scope<RbacStats>,
    shadow_stats: Scope<RbacShadowStats>,
}

impl Rbac {
    /// Compiles the filter.
    ///
    /// # Errors
    /// A rule that cannot be compiled.
    pub fn compile(model: &Model, context: &CompileContext<'_>) -> Result<Self, String> {
        Ok(Rbac {
            rules: model.rules.as_ref().map(Rules::compile).transpose()?,
            shadow_rules: model.shadow_rules.as_ref().map(Rules::compile).transpose()?,
            continuous: model.continuous,
            delay: model.delay_deny_ms.map(Duration::from_millis),
            stats: context.registry.rbac(&model.stat_prefix),
            shadow_stats: context.registry.rbac_shadow(&model.stat_prefix, &model.shadow_rules_stat_prefix),
        })
    }
}

/// The filter on one worker.
#[derive(Debug)]
pub struct WorkerRbac {
    filter: Arc<Rbac>,
    stats: LocalScope<RbacStats>,
    shadow_stats: LocalScope<RbacShadowStats>,
}

impl WorkerRbac {
    /// The filter's part on `worker`.
    #[must_use]
    pub fn new(filter: &Arc<Rbac>, worker: usize) -> Self {
        WorkerRbac {
            stats: filter.stats.local(worker),
            shadow_stats: filter.shadow_stats.local(worker),
            filter: Arc::clone(filter),
        }
    }
}

/// Why a connection is ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// `%CONNECTION_TERMINATION_DETAILS%`
    pub details: String,
    /// How long it is left waiting.
    pub delay: Option<Duration>,
}

/// What the rules say of one connection, until its bytes come.
#[derive(Debug)]
pub struct PendingRbac {
    filter: Rc<WorkerRbac>,
    decision: Option<Decision>,
    shadow_decision: Option<Decision>,
    is_applied: Cell<bool>,
}

impl PendingRbac {
    /// Applies the rules to what is known of the connection.
    #[must_use]
    pub fn new(filter: &Rc<WorkerRbac>, info: &ConnectionInfo) -> Self {
        let decide = |rules: &Option<Rules>| rules.as_ref().map(|rules| rules.decide(info));
        PendingRbac {
            decision: decide(&filter.filter.rules),
            shadow_decision: decide(&filter.filter.shadow_rules),
            is_applied: Cell::new(false),
            filter: Rc::clone(filter),
        }
    }

    /// Bytes have come, or the client's end. Answers why the connection is to be ended.
    pub fn on_data(&self) -> Option<Denial> {
        let filter = &self.filter;
        if self.is_applied.replace(true) && !filter.filter.continuous {
            return None;
        }
        if let Some(decision) = &self.shadow_decision {
            filter.shadow_stats.inc(if decision.allowed {
                RbacShadowStat::ShadowAllowed
            } else {
                RbacShadowStat::ShadowDenied
            });
        }
        let decision = self.decision.as_ref()?;
        if decision.allowed {
            filter.stats.inc(RbacStat::Allowed);
            return None;
        }
        filter.stats.inc(RbacStat::Denied);
        let policy = decision.policy.as_deref().unwrap_or("none").replace(char::is_whitespace, "_");
        let details = format!("rbac_access_denied_matched_policy[{policy}]");
        Some(Denial { details, delay: filter.filter.delay })
    }
}
