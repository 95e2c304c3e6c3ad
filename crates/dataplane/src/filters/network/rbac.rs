//! `envoy.filters.network.rbac`: which clients may use a connection, by where it comes from and goes to.
//!
//! Owns: when the rules are applied, what is counted and told of it. Does not own: the rules (`rules`), nor closing
//! (`read_filters`). Follows Envoy's page "Role Based Access Control (RBAC) Network Filter".
//!
//! The rules are applied when the client's first bytes come, or its end: as in Envoy, whose rules may read what only they
//! tell. What is known before the handshake is known from the start, so that is when it is evaluated;
//! what hangs on the client's certificate is evaluated when bytes come, which is after the handshake.

use std::cell::{Cell, OnceCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::listener::CompileContext;
use crate::model::metadata::{Struct, Value};
use crate::model::network_filter::Rbac as Model;
use crate::stats::{LocalScope, RbacShadowStat, RbacShadowStats, RbacStat, RbacStats, Scope};
use crate::stream_info::{ConnectionInfo, DynamicMetadata};

mod certificate;
mod engine;
mod rules;

use engine::Engine;
use rules::{Decision, Verdict};

/// Where dynamic metadata tells of it.
const NAMESPACE: &str = "envoy.filters.network.rbac";

/// The filter, compiled.
#[derive(Debug)]
pub struct Rbac {
    rules: Option<Engine>,
    shadow_rules: Option<Engine>,
    shadow_prefix: String,
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
        let compile = |engine| Engine::compile(engine, context.registry);
        Ok(Rbac {
            rules: model.rules.as_ref().map(compile).transpose()?,
            shadow_rules: model.shadow_rules.as_ref().map(compile).transpose()?,
            shadow_prefix: model.shadow_rules_stat_prefix.clone(),
            continuous: model.continuous,
            delay: model.delay_deny_ms.map(Duration::from_millis),
            stats: context.registry.rbac(&model.stat_prefix),
            shadow_stats: context.registry.rbac_shadow(&model.stat_prefix, &model.shadow_rules_stat_prefix),
        })
    }
}

impl Rbac {
    /// As dynamic metadata tells what the shadow rules say.
    fn shadow_metadata(&self, decision: &Decision) -> Struct {
        let prefix = &self.shadow_prefix;
        let result = Value::text(if decision.allowed { "allowed" } else { "denied" });
        let mut fields = BTreeMap::from([(format!("{prefix}shadow_engine_result"), result)]);
        if let Some(policy) = decision.policy.as_deref().filter(|policy| !policy.is_empty()) {
            fields.insert(format!("{prefix}shadow_effective_policy_id"), Value::text(policy));
        }
        Struct(fields)
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
    verdict: Option<Verdict>,
    shadow_verdict: Option<Verdict>,
    decision: OnceCell<Decision>,
    shadow_decision: OnceCell<Decision>,
    is_applied: Cell<bool>,
}

impl PendingRbac {
    /// Applies the rules to what is known of the connection.
    #[must_use]
    pub fn new(filter: &Rc<WorkerRbac>, info: &ConnectionInfo) -> Self {
        let decide = |engine: &Option<Engine>| engine.as_ref().map(|engine| engine.decide(info));
        PendingRbac {
            verdict: decide(&filter.filter.rules),
            shadow_verdict: decide(&filter.filter.shadow_rules),
            decision: OnceCell::new(),
            shadow_decision: OnceCell::new(),
            is_applied: Cell::new(false),
            filter: Rc::clone(filter),
        }
    }

    /// Bytes have come, or the client's end. Answers why the connection is to be ended; what the shadow rules say is left
    /// in `told`.
    pub fn on_data(&self, told: &mut DynamicMetadata) -> Option<Denial> {
        let filter = &self.filter;
        let was_applied = self.is_applied.replace(true);
        if was_applied && !filter.filter.continuous {
            return None;
        }
        if let Some(verdict) = &self.shadow_verdict {
            let decision = self.shadow_decision.get_or_init(|| verdict.settle());
            if !was_applied {
                // A handful of short texts finds room.
                let _set: bool = told.set(NAMESPACE, filter.filter.shadow_metadata(decision));
            }
            filter.shadow_stats.inc(if decision.allowed {
                RbacShadowStat::ShadowAllowed
            } else {
                RbacShadowStat::ShadowDenied
            });
        }
        let verdict = self.verdict.as_ref()?;
        let decision = self.decision.get_or_init(|| verdict.settle());
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
