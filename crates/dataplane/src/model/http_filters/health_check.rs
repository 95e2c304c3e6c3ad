//! The health check filter (Envoy: `health_check.v3`).
#![allow(missing_docs)] // field by field in ferryman/config/model/

use serde::{Deserialize, Serialize};

use super::super::matcher::HeaderMatcher;

#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HealthCheck {
    pub pass_through_mode: bool,
    pub headers: Vec<HeaderMatcher>,
    pub cluster_min_healthy_percentages: Vec<(String, f64)>,
}
