//! What a failed HTTP stream and a failed TCP session tell in the same way.
//!
//! Owns: the names of causes, and what is seen of a cluster and of the host that was picked. Does not own: the other
//! facts, which each gathers itself.

use std::borrow::Cow;

use super::{FailedUpstream, PickedHost};
use crate::cluster::{Host, WorkerCluster};
use crate::error::ErrorKind;
use crate::load_balancing_policies::HostHealth;
use crate::stream_info::Cause;

/// The kind of a cause, without what it holds.
#[must_use]
pub fn name_of(cause: Cause) -> Cow<'static, str> {
    let name = match cause {
        Cause::Error(kind) => format!("{kind:?}"),
        other => format!("{other:?}"),
    };
    Cow::Owned(name.split(['(', ' ', '{']).next().unwrap_or_default().to_owned())
}

/// The rule of HTTP that a message broke: the kind, and in words.
#[must_use]
pub fn broken_rule_of(cause: Cause) -> Option<(Cow<'static, str>, Cow<'static, str>)> {
    match cause {
        Cause::Error(ErrorKind::DownstreamCodec(rule) | ErrorKind::UpstreamCodec(rule)) => {
            Some((format!("{rule:?}").into(), rule.text().into()))
        }
        Cause::Error(
            ErrorKind::DownstreamHttp2(rule)
            | ErrorKind::UpstreamHttp2(rule)
            | ErrorKind::UpstreamRefusedHead(rule),
        ) => Some((format!("{rule:?}").into(), rule.text().into())),
        _ => None,
    }
}

/// What is seen of a cluster now, and of the host that was picked, by its place in the cluster.
#[must_use]
pub fn upstream_facts(cluster: &WorkerCluster, picked: Option<usize>) -> FailedUpstream<'_> {
    let hosts = &cluster.cluster.hosts;
    FailedUpstream {
        hosts: hosts.len(),
        healthy: hosts.iter().filter(|host| host.health() == HostHealth::Healthy).count(),
        policy: cluster.cluster.policy_name().into(),
        host: picked.and_then(|index| hosts.get(index)).map(picked_host),
    }
}

fn picked_host(host: &Host) -> PickedHost<'_> {
    let locality = &host.locality;
    let parts = [&*locality.region, &*locality.zone, &*locality.sub_zone];
    PickedHost {
        address: host.address.to_string().into(),
        priority: host.priority,
        locality: parts.join("/").trim_end_matches('/').to_owned().into(),
        is_unhealthy: matches!(host.health(), HostHealth::Unhealthy | HostHealth::Excluded),
    }
}
