//! `/clusters`.
//!
//! Owns its text and JSON; follows `admin.v3.Clusters` and what Envoy prints. Clusters are asked for one by one, and
//! the page leaves piece by piece.

use std::fmt::Write;
use std::sync::Arc;

use super::listeners::write_address;
use super::{Context, Page};
use crate::admin::pretty_json::PrettyJson;
use crate::admin::proxy_state::{ClusterStatus, EdsHealthStatus, EndpointStatus, HealthFlag};
use crate::admin::response::{JSON, Response, TEXT};
use crate::matcher::compile_search_regex;
use crate::model::cluster::CircuitBreakerThresholds;
use crate::stats::{Chunks, EndpointStats, Group, Kind, Stopped};

pub const PAGES: &[Page] = &[Page {
    path: "/clusters",
    post: false,
    help: "upstream cluster status",
    parameters: &[("filter", "Regular expression (Google re2) for filtering clusters by name")],
    answer: clusters,
}];

fn clusters(context: &Context<'_>) -> Response {
    let parameters = &context.request.parameters;
    let filter =
        match parameters.first("filter").filter(|filter| !filter.is_empty()).map(compile_search_regex) {
            None => None,
            Some(Ok(filter)) => Some(filter),
            Some(Err(_)) => return Response::text(400, "Invalid re2 regex"),
        };
    let mut names = context.state.cluster_names();
    names.retain(|name| filter.as_ref().is_none_or(|filter| filter.is_match(name.as_bytes())));
    let state = Arc::clone(context.state);
    if parameters.first("format") == Some("json") {
        Response::long(JSON, move |chunks| {
            write_json(names.iter().filter_map(|name| state.cluster(name)), chunks)
        })
    } else {
        Response::long(TEXT, move |chunks| {
            let mut text = String::new();
            for cluster in names.iter().filter_map(|name| state.cluster(name)) {
                text.clear();
                write_text(&cluster, &mut text);
                chunks.buffer.extend_from_slice(text.as_bytes());
                chunks.cut()?;
            }
            Ok(())
        })
    }
}

fn flag_text(flag: HealthFlag) -> &'static str {
    match flag {
        HealthFlag::FailedActiveHealthCheck => "/failed_active_hc",
        HealthFlag::FailedOutlierCheck => "/failed_outlier_check",
        HealthFlag::FailedEdsHealth => "/failed_eds_health",
        HealthFlag::DegradedActiveHealthCheck => "/degraded_active_hc",
        HealthFlag::DegradedEdsHealth => "/degraded_eds_health",
        HealthFlag::PendingDynamicRemoval => "/pending_dynamic_removal",
        HealthFlag::PendingActiveHealthCheck => "/pending_active_hc",
        HealthFlag::ExcludedViaImmediateHealthCheckFail => "/excluded_via_immediate_hc_fail",
        HealthFlag::ActiveHealthCheckTimeout => "/active_hc_timeout",
        HealthFlag::EdsStatusDraining => "/eds_status_draining",
    }
}

fn write_text(cluster: &ClusterStatus, out: &mut String) {
    let name = &cluster.name;
    let mut line = |text: std::fmt::Arguments<'_>| {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{name}::{text}");
    };
    line(format_args!("observability_name::{}", cluster.observability_name));
    for (priority, limits) in
        [("default", &cluster.circuit_breakers_default), ("high", &cluster.circuit_breakers_high)]
    {
        line(format_args!("{priority}_priority::max_connections::{}", limits.max_connections));
        line(format_args!("{priority}_priority::max_pending_requests::{}", limits.max_pending_requests));
        line(format_args!("{priority}_priority::max_requests::{}", limits.max_requests));
        line(format_args!("{priority}_priority::max_retries::{}", limits.max_retries));
    }
    line(format_args!("added_via_api::{}", cluster.added_via_api));
    for endpoint in &cluster.endpoints {
        let address = &endpoint.address;
        for (stat, reading) in EndpointStats::TABLE.numbers.iter().zip(endpoint.stats.read()) {
            line(format_args!("{address}::{}::{}", stat.name, reading.value));
        }
        let flags: String = endpoint.health_flags.iter().map(|flag| flag_text(*flag)).collect();
        line(format_args!("{address}::hostname::{}", endpoint.hostname));
        line(format_args!("{address}::health_flags::{}", if flags.is_empty() { "healthy" } else { &flags }));
        line(format_args!("{address}::weight::{}", endpoint.weight));
        line(format_args!("{address}::region::{}", endpoint.region));
        line(format_args!("{address}::zone::{}", endpoint.zone));
        line(format_args!("{address}::sub_zone::{}", endpoint.sub_zone));
        line(format_args!("{address}::canary::{}", endpoint.canary));
        line(format_args!("{address}::priority::{}", endpoint.priority));
        line(format_args!("{address}::success_rate::{}", endpoint.success_rate.unwrap_or(-1.0)));
        let local = endpoint.local_origin_success_rate.unwrap_or(-1.0);
        line(format_args!("{address}::local_origin_success_rate::{local}"));
    }
}

fn write_json(clusters: impl Iterator<Item = ClusterStatus>, chunks: &mut Chunks<'_>) -> Result<(), Stopped> {
    let mut clusters = clusters.peekable();
    let mut outcome = Ok(());
    let mut json = PrettyJson::default();
    json.object(|json| {
        if clusters.peek().is_none() {
            return;
        }
        json.field("cluster_statuses").array(|json| {
            for cluster in clusters {
                json.item().object(|json| write_cluster(&cluster, json));
                chunks.buffer.extend_from_slice(&json.take());
                outcome = chunks.cut();
                if outcome.is_err() {
                    return;
                }
            }
        });
    });
    chunks.buffer.extend_from_slice(&json.finish());
    outcome
}

fn write_cluster(cluster: &ClusterStatus, json: &mut PrettyJson) {
    json.field("name").string(&cluster.name);
    if cluster.added_via_api {
        json.field("added_via_api").plain(true);
    }
    if !cluster.endpoints.is_empty() {
        json.field("host_statuses").array(|json| {
            for endpoint in &cluster.endpoints {
                json.item().object(|json| write_endpoint(endpoint, json));
            }
        });
    }
    json.field("circuit_breakers").object(|json| {
        json.field("thresholds").array(|json| {
            json.item().object(|json| write_thresholds(&cluster.circuit_breakers_default, json));
            json.item().object(|json| {
                json.field("priority").string("HIGH");
                write_thresholds(&cluster.circuit_breakers_high, json);
            });
        });
    });
    json.string_field("observability_name", &cluster.observability_name);
}

fn write_thresholds(limits: &CircuitBreakerThresholds, json: &mut PrettyJson) {
    json.field("max_connections").plain(limits.max_connections);
    json.field("max_pending_requests").plain(limits.max_pending_requests);
    json.field("max_requests").plain(limits.max_requests);
    json.field("max_retries").plain(limits.max_retries);
}

fn write_endpoint(endpoint: &EndpointStatus, json: &mut PrettyJson) {
    write_address(&endpoint.address, json.field("address"));
    json.field("stats").array(|json| {
        let readings = endpoint.stats.read();
        for kind in [Kind::Counter, Kind::Gauge] {
            let stats = EndpointStats::TABLE.numbers.iter().zip(&readings);
            for (stat, reading) in stats.filter(|(stat, _)| stat.kind == kind) {
                json.item().object(|json| {
                    if kind == Kind::Gauge {
                        json.field("type").string("GAUGE");
                    }
                    if reading.value != 0 {
                        json.field("value").string(&reading.value.to_string());
                    }
                    json.field("name").string(stat.name);
                });
            }
        }
    });
    json.field("health_status").object(|json| write_health(endpoint, json));
    write_rate("success_rate", endpoint.success_rate, json);
    json.field("weight").plain(endpoint.weight);
    json.string_field("hostname", &endpoint.hostname);
    if endpoint.priority != 0 {
        json.field("priority").plain(endpoint.priority);
    }
    write_rate("local_origin_success_rate", endpoint.local_origin_success_rate, json);
    json.field("locality").object(|json| {
        json.string_field("region", &endpoint.region);
        json.string_field("zone", &endpoint.zone);
        json.string_field("sub_zone", &endpoint.sub_zone);
    });
}

fn write_rate(name: &str, rate: Option<f64>, json: &mut PrettyJson) {
    if let Some(rate) = rate {
        json.field(name).object(|json| json.field("value").plain(rate));
    }
}

fn write_health(endpoint: &EndpointStatus, json: &mut PrettyJson) {
    let mut flag = |flag, name| {
        if endpoint.health_flags.contains(&flag) {
            json.field(name).plain(true);
        }
    };
    flag(HealthFlag::FailedActiveHealthCheck, "failed_active_health_check");
    flag(HealthFlag::FailedOutlierCheck, "failed_outlier_check");
    json.field("eds_health_status").string(match endpoint.eds_health_status {
        EdsHealthStatus::Unknown | EdsHealthStatus::Healthy => "HEALTHY",
        EdsHealthStatus::Unhealthy | EdsHealthStatus::Timeout => "UNHEALTHY",
        EdsHealthStatus::Draining => "DRAINING",
        EdsHealthStatus::Degraded => "DEGRADED",
    });
    let mut flag = |flag, name| {
        if endpoint.health_flags.contains(&flag) {
            json.field(name).plain(true);
        }
    };
    flag(HealthFlag::DegradedActiveHealthCheck, "failed_active_degraded_check");
    flag(HealthFlag::PendingDynamicRemoval, "pending_dynamic_removal");
    flag(HealthFlag::PendingActiveHealthCheck, "pending_active_hc");
    flag(HealthFlag::ExcludedViaImmediateHealthCheckFail, "excluded_via_immediate_hc_fail");
    flag(HealthFlag::ActiveHealthCheckTimeout, "active_hc_timeout");
}
