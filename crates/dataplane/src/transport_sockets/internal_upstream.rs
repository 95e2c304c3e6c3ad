//! `envoy.transport_sockets.internal_upstream`: what a connection to an internal listener tells that listener.
//!
//! Owns: picking the metadata that is passed on, and counting what is not there. Does not own: the connection
//! (`listener::internal`).
//! Follows Envoy's page "Internal listener", "Passing metadata".

use std::rc::Rc;

use crate::listener::internal::PassedOn;
use crate::model::metadata::Metadata;
use crate::model::upstream_connection as model;
use crate::stats::{InternalUpstreamStat, InternalUpstreamStats, Scope};
use crate::stream_info::dynamic_metadata::DynamicMetadata;
use crate::stream_info::filter_state::{FilterState, SharedWithUpstream};

/// What the connections of a cluster pass on.
#[derive(Debug)]
pub struct InternalUpstream {
    metadata: Vec<model::PassedMetadata>,
    stats: Scope<InternalUpstreamStats>,
}

impl InternalUpstream {
    /// As configured.
    #[must_use]
    pub fn compile(model: &model::InternalUpstream, stats: Scope<InternalUpstreamStats>) -> Self {
        InternalUpstream { metadata: model.passthrough_metadata.clone(), stats }
    }

    /// What a connection to this host of this cluster passes on, made for a connection that shares this.
    #[must_use]
    pub fn passed_on(
        &self,
        cluster: Option<&Metadata>,
        host: Option<&Metadata>,
        shared: Option<&Rc<FilterState>>,
    ) -> PassedOn {
        let mut passed = PassedOn::default();
        for wanted in &self.metadata {
            let there = match wanted.of {
                model::MetadataOf::Cluster => cluster,
                model::MetadataOf::Host => host,
            };
            match there.and_then(|metadata| metadata.namespace(&wanted.name)) {
                // As in Envoy, the last one of a name counts alone.
                Some(fields) => replace(&mut passed.metadata, &wanted.name, fields.clone()),
                None => self.stats.add(InternalUpstreamStat::NoMetadata, 1),
            }
        }
        for (name, object, sharing) in shared.iter().flat_map(|state| state.shared()) {
            let onward = match sharing {
                SharedWithUpstream::Transitive => SharedWithUpstream::Transitive,
                SharedWithUpstream::Once | SharedWithUpstream::None => SharedWithUpstream::None,
            };
            // There was room for it where it comes from.
            let _set: bool = passed.filter_state.set(name, Rc::clone(object), onward);
        }
        passed
    }
}

fn replace(metadata: &mut DynamicMetadata, name: &str, fields: crate::model::metadata::Struct) {
    let bytes = fields.byte_size();
    // What finds no room is left out, as wherever metadata is set.
    let _set: bool = metadata.change(name, bytes, |there| *there = fields);
}
