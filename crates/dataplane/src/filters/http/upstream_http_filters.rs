//! The HTTP filters between the router and the upstream (Envoy: `upstream_http_filters` of the router, `http_filters` in a
//! cluster's protocol options).
//!
//! Owns: the list of a router or a cluster, and its filters of one upstream request. Does not own: what a filter does, nor
//! the walk along them (`http_stream`). The codec, which ends each list, is there in any case.
//! Follows Envoy's page "HTTP filters", section "Upstream filters".

use std::sync::Arc;

use crate::model::http_filters::{HttpFilter as HttpFilterModel, HttpFilterConfig};

use super::buffer::Buffer;
use super::built_in::Compiled;
use super::chain::{ActiveFilter, NamedFilter};
use super::header_mutation::HeaderMutation;
use super::route_config::RouteFilters;

/// The filters of one router or cluster.
#[derive(Debug)]
pub struct UpstreamHttpFilters {
    pub(super) filters: Vec<NamedFilter>,
}

impl UpstreamHttpFilters {
    /// Compiles a list; `None`: there is none.
    ///
    /// # Errors
    /// What is wrong with a filter.
    pub fn compile(models: Option<&[HttpFilterModel]>) -> Result<Option<Arc<Self>>, String> {
        let Some(models) = models else { return Ok(None) };
        let filters = models.iter().map(|model| {
            let compiled = match &model.config {
                HttpFilterConfig::HeaderMutation(of) => HeaderMutation::new(of).map(Compiled::HeaderMutation),
                HttpFilterConfig::Buffer(of) => Ok(Compiled::Buffer(Buffer::new(of))),
                _ => Err("it cannot stand before the upstream".to_owned()),
            };
            let compiled =
                compiled.map_err(|text| format!("upstream HTTP filter '{}': {text}", model.name))?;
            Ok(NamedFilter::new(&model.name, model.disabled, compiled))
        });
        Ok(Some(Arc::new(UpstreamHttpFilters { filters: filters.collect::<Result<_, String>>()? })))
    }

    /// Makes the filters of an upstream request, behind those of its stream.
    pub(crate) fn begin(self: &Arc<Self>, route: &RouteFilters, stream: &mut Vec<ActiveFilter>) {
        for (index, named) in self.filters.iter().enumerate() {
            if !route.named.disabled(&named.name).unwrap_or(named.disabled) {
                stream.push(ActiveFilter::towards_upstream(self, index, named));
            }
        }
    }
}
