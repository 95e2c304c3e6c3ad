//! What each route of a table says to HTTP filters: its own word and those of the levels above and below it.
//!
//! Owns: the walk over the levels. Does not own: what one level says, nor which wins (`filters::http::route_config`).
//! Follows Envoy's page "HTTP filters", section "Route specific config".

use std::sync::Arc;

use crate::filters::http::route_config::FilterOverrides;
use crate::filters::http::{FilterCompileContext, HttpFilters, RouteFilters};
use crate::model::route as model;

use super::action::Action;
use super::cluster_choice::{ClusterSpecifier, WeightedClusters};
use super::{Route, RouteTable, route_list};

/// One list of filters, and the levels above what is looked at.
struct Levels<'a> {
    filters: &'a HttpFilters,
    context: &'a FilterCompileContext<'a>,
    above: Vec<&'a FilterOverrides>,
    /// What holds where the level below says nothing.
    together: Arc<RouteFilters>,
    /// Whether the list is an upgrade's own.
    of_upgrade: bool,
}

impl<'a> Levels<'a> {
    fn new(
        filters: &'a HttpFilters,
        context: &'a FilterCompileContext<'a>,
        above: Vec<&'a FilterOverrides>,
        of_upgrade: bool,
    ) -> Self {
        Levels { together: Arc::new(filters.for_route(&above)), filters, context, above, of_upgrade }
    }

    fn below(&self, level: &'a FilterOverrides) -> Self {
        if level.is_empty() {
            let (above, together) = (self.above.clone(), Arc::clone(&self.together));
            return Levels { above, together, ..*self };
        }
        let above = self.above.iter().copied().chain([level]).collect();
        Levels::new(self.filters, self.context, above, self.of_upgrade)
    }

    fn set_route(&self, route: &mut Route, model: &model::Route) -> Result<(), String> {
        let own = FilterOverrides::compile(&model.filter_config, self.context)
            .map_err(|text| format!("{}: {text}", model.place))?;
        let levels = self.below(&own);
        if self.of_upgrade {
            route.upgrade_filters.push(Arc::clone(&levels.together));
        } else {
            route.filters = Arc::clone(&levels.together);
        }
        let (Action::Forward(action), model::Action::Route(model_action)) =
            (&mut route.action, &model.action)
        else {
            return Ok(());
        };
        let (
            ClusterSpecifier::WeightedClusters(WeightedClusters { clusters, .. }),
            model::ClusterSpecifier::WeightedClusters { clusters: models, .. },
        ) = (&mut action.clusters, &model_action.cluster)
        else {
            return Ok(());
        };
        for (cluster, cluster_model) in clusters.iter_mut().zip(models) {
            let own = FilterOverrides::compile(&cluster_model.filter_config, self.context)
                .map_err(|text| format!("{}: cluster '{}': {text}", model.place, cluster_model.name))?;
            let all: Vec<_> = levels.above.iter().copied().chain([&own]).collect();
            let filters = (!own.is_empty()).then(|| self.filters.for_route(&all));
            if self.of_upgrade {
                cluster.upgrade_filters.push(filters);
            } else {
                cluster.filters = filters;
            }
        }
        Ok(())
    }
}

pub(super) fn set(
    table: &mut RouteTable,
    model: &model::RouteConfiguration,
    filters: &HttpFilters,
    context: &FilterCompileContext<'_>,
    of_upgrade: bool,
) -> Result<(), String> {
    let of_table = FilterOverrides::compile(&model.filter_config, context)
        .map_err(|text| format!("route configuration '{}': {text}", model.name))?;
    let levels = Levels::new(filters, context, Vec::new(), of_upgrade);
    if !of_upgrade {
        table.to_tls.filters = Arc::clone(&levels.together);
    }
    let levels = levels.below(&of_table);
    for (host, host_model) in table.virtual_hosts.iter_mut().zip(&model.virtual_hosts) {
        let of_host = FilterOverrides::compile(&host_model.filter_config, context)
            .map_err(|text| format!("virtual host '{}': {text}", host_model.name))?;
        let levels = levels.below(&of_host);
        for (route, route_model) in host.routes.iter_mut().zip(route_list::models(host_model)) {
            levels.set_route(route, route_model)?;
        }
    }
    Ok(())
}
