//! Route tables: which route a request takes, and what the route does to its head and to the response's.
//!
//! Owns: the compiled table and the order of its levels. Does not own: carrying out an action (`filters::http::router`).
//! Follows Envoy's `RouteConfiguration` and its page "HTTP routing".
//!
//! A table is immutable and shared by all workers. A look-up allocates nothing and does not try all virtual hosts or all
//! routes: ten thousand cost what ten cost.

use std::sync::Arc;

use ferryman_codec::{HeaderBlock, HeaderName, KnownName};

use crate::filters::http::{FilterCompileContext, HttpFilters, RouteFilters};
use crate::filters::network::http_connection_manager::port_start;
use crate::format::{FormatContext, RouteMetadata};
use crate::header_mutation::{HeaderMutations, MutationScratch};
use crate::model;
use crate::model::metadata::Metadata;
use crate::model::route::RequireTls;
use crate::rate_limit::RateLimits;
use crate::stats::{Registry, Scope, VirtualHostStats};

mod action;
mod cluster_choice;
pub(crate) mod condition;
mod cookie;
mod counted_in;
mod domains;
mod filter_levels;
mod format_rewrite;
mod grpc_timeout;
mod internal_redirect;
mod path_index;
mod path_match;
mod redirect;
mod regex_rewrite;
mod rewrite;
mod route_list;
mod scopes;
mod timeout;
mod upgrade;

pub use action::{Action, DirectResponse, ForwardAction, RouteLimit};
pub use cluster_choice::{ClusterChoice, ClusterName, WeightedCluster};
pub use condition::Circumstances;
pub use counted_in::{CountedIn, WorkerRouteStats};
pub(crate) use grpc_timeout::write as write_grpc_timeout;
pub use internal_redirect::{InternalRedirectPolicy, RedirectHistory, Redirected, Target};
pub use redirect::Redirect;
pub(crate) use redirect::own_url;
pub use regex_rewrite::RegexRewrite;
pub use rewrite::set_authority;
pub use scopes::RouteTables;
pub use timeout::Timeouts;
pub use upgrade::{ConnectConfig, RouteUpgrade};

use condition::Conditions;
use counted_in::{StatNames, VirtualClusters};
use domains::Domains;
use path_match::{PathMatcher, path_of};
use route_list::Routes;

/// Where among the snapshot's clusters one of a name is.
pub type Resolve<'a> = &'a dyn Fn(&str) -> Option<u32>;

/// What is wrong with a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompileError {
    /// Where: the route's place in the configuration, or the name of what has none.
    pub place: String,
    /// What.
    pub text: String,
}

impl std::fmt::Display for CompileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

impl std::error::Error for CompileError {}

/// A compiled `RouteConfiguration`.
#[derive(Debug)]
pub struct RouteTable {
    /// Its name.
    pub name: Box<str>,
    virtual_hosts: Vec<VirtualHost>,
    domains: Domains,
    ignore_port: bool,
    /// What stands for the host in the choice of a virtual host.
    vhost_header: Option<HeaderName>,
    ignore_path_parameters: bool,
    headers: HeaderMutations,
    most_specific_wins: bool,
    to_tls: Route,
    stat_names: StatNames,
}

/// A compiled virtual host.
#[derive(Debug)]
pub struct VirtualHost {
    /// Its name.
    pub name: Box<str>,
    /// What the configuration says of it.
    pub metadata: Option<Metadata>,
    routes: Routes,
    require_tls: RequireTls,
    headers: HeaderMutations,
    virtual_clusters: VirtualClusters,
    /// Whether the upstream is told how many attempts were made.
    pub include_request_attempt_count: bool,
    /// Whether the client is.
    pub include_attempt_count_in_response: bool,
    /// What requests say of themselves to rate limits.
    pub rate_limits: RateLimits,
}

/// A compiled route.
#[derive(Debug)]
pub struct Route {
    /// Its name; empty: none.
    pub name: Box<str>,
    /// Where it stands in the configuration.
    pub place: Box<str>,
    /// What it does.
    pub action: Action,
    /// What the configuration says of it.
    pub metadata: Option<Metadata>,
    /// The HTTP filters that are on for it, and what they are told.
    pub filters: Arc<RouteFilters>,
    /// The same for each list of HTTP filters that an upgrade has of its own.
    pub upgrade_filters: Vec<Arc<RouteFilters>>,
    /// How much of a request body may be buffered; none: as elsewhere configured.
    pub request_body_buffer_limit_bytes: Option<u64>,
    path: PathMatcher,
    conditions: Conditions,
    headers: HeaderMutations,
    stats: Option<u32>,
}

/// The route that a request takes.
#[derive(Debug, Clone, Copy)]
pub struct Matched<'a> {
    /// The table.
    pub table: &'a RouteTable,
    /// The virtual host.
    pub virtual_host: &'a VirtualHost,
    /// The route.
    pub route: &'a Route,
}

impl RouteTable {
    /// Compiles a table; `resolve` knows the clusters.
    ///
    /// # Errors
    /// The first thing that is wrong. The configuration's own checks come before and report all.
    pub fn compile(
        config: &model::route::RouteConfiguration,
        resolve: Resolve<'_>,
    ) -> Result<Self, CompileError> {
        Self::compile_after(0, config, resolve)
    }

    /// The same for one of several tables; `first`: how many scopes of statistics stand before its own.
    fn compile_after(
        first: u32,
        config: &model::route::RouteConfiguration,
        resolve: Resolve<'_>,
    ) -> Result<Self, CompileError> {
        let in_table = |text| CompileError { place: format!("route configuration '{}'", config.name), text };
        let domains = (0..)
            .zip(&config.virtual_hosts)
            .flat_map(|(index, host)| host.domains.iter().map(move |domain| (domain.as_str(), index)));
        let mut stat_names = StatNames::after(first);
        Ok(RouteTable {
            name: config.name.as_str().into(),
            domains: Domains::compile(domains).map_err(in_table)?,
            virtual_hosts: config
                .virtual_hosts
                .iter()
                .map(|host| VirtualHost::compile(host, resolve, &mut stat_names))
                .collect::<Result<_, _>>()?,
            ignore_port: config.ignore_port_in_host_matching,
            vhost_header: config
                .vhost_header
                .as_deref()
                .map(crate::header_name::parse)
                .transpose()
                .map_err(in_table)?,
            ignore_path_parameters: config.ignore_path_parameters_in_path_matching,
            headers: HeaderMutations::compile(&config.headers).map_err(in_table)?,
            most_specific_wins: config.most_specific_header_mutations_wins,
            to_tls: Route::to_tls().map_err(in_table)?,
            stat_names,
        })
    }

    /// Works out which HTTP filters are on for each route, and what each is told there. `config` is what the table was
    /// compiled from.
    ///
    /// # Errors
    /// What is wrong with a filter's configuration on some level.
    pub fn set_filters(
        &mut self,
        config: &model::route::RouteConfiguration,
        filters: &HttpFilters,
        context: &FilterCompileContext<'_>,
    ) -> Result<(), String> {
        filter_levels::set(self, config, filters, context, false)
    }

    /// The same for the next list of HTTP filters that an upgrade has of its own.
    ///
    /// # Errors
    /// As `set_filters`.
    pub fn add_upgrade_filters(
        &mut self,
        config: &model::route::RouteConfiguration,
        filters: &HttpFilters,
        context: &FilterCompileContext<'_>,
    ) -> Result<(), String> {
        filter_levels::set(self, config, filters, context, true)
    }

    /// Opens the statistics of virtual clusters and routes; to be kept as long as the table is used.
    #[must_use]
    pub fn open_stats(&self, registry: &Registry) -> Vec<Scope<VirtualHostStats>> {
        self.virtual_hosts.iter().for_each(|host| host.routes.open_stats(registry));
        self.stat_names.open(registry)
    }

    /// The virtual host of a request.
    #[inline]
    #[must_use]
    pub fn find_virtual_host(&self, request: &HeaderBlock) -> Option<&VirtualHost> {
        let host = match &self.vhost_header {
            None => request.get(KnownName::Authority),
            Some(header) => request.get_name(header),
        };
        let host = host.map(|host| match port_start(host) {
            Some(colon) if self.ignore_port => host.get(..colon).unwrap_or(host),
            _ => host,
        });
        self.virtual_hosts.get(usize::try_from(self.domains.find(host)?).ok()?)
    }

    /// The route of a request in a virtual host: the first in the order of the configuration that matches.
    #[inline]
    #[must_use]
    pub fn find_route<'a>(
        &'a self,
        virtual_host: &'a VirtualHost,
        request: &HeaderBlock,
        known: Circumstances<'_>,
    ) -> Option<&'a Route> {
        let proto = request.get(KnownName::XForwardedProto).filter(|proto| !proto.is_empty())?;
        let wants_tls = match virtual_host.require_tls {
            RequireTls::None => false,
            RequireTls::All => true,
            RequireTls::ExternalOnly => request.get(KnownName::XEnvoyInternal) != Some(b"true"),
        };
        if wants_tls && proto != b"https" {
            return Some(&self.to_tls);
        }
        virtual_host.routes.find(request, known, self.ignore_path_parameters)
    }

    /// The virtual host and the route of a request. `random` is the stream's own number: with the same, a request takes the
    /// same route again.
    #[inline]
    #[must_use]
    pub fn find(&self, request: &HeaderBlock, random: u64) -> Option<Matched<'_>> {
        self.find_in(request, Circumstances { random, ..Circumstances::default() })
    }

    /// The same, where more is known than the head.
    #[inline]
    #[must_use]
    pub fn find_in(&self, request: &HeaderBlock, known: Circumstances<'_>) -> Option<Matched<'_>> {
        let virtual_host = self.find_virtual_host(request)?;
        let route = self.find_route(virtual_host, request, known)?;
        Some(Matched { table: self, virtual_host, route })
    }
}

impl VirtualHost {
    /// Where it stands in the configuration, which its routes know; empty: it has none.
    #[must_use]
    pub fn place(&self) -> &str {
        let place = self.routes.first().map_or("", |route| &*route.place);
        let index = place.find("virtual_hosts[").unwrap_or(place.len());
        let end = place.get(index..).and_then(|rest| rest.find(']')).map_or(0, |length| index + length + 1);
        place.get(..end).unwrap_or_default()
    }

    fn compile(
        model: &model::route::VirtualHost,
        resolve: Resolve<'_>,
        stat_names: &mut StatNames,
    ) -> Result<Self, CompileError> {
        let mut routes = Routes::compile(model, resolve)?;
        for (route, model_route) in routes.iter_mut().zip(route_list::models(model)) {
            route.stats = stat_names.add_route(&model.name, &model_route.stat_prefix);
        }
        let here = |text| CompileError { place: format!("virtual host '{}'", model.name), text };
        Ok(VirtualHost {
            name: model.name.as_str().into(),
            metadata: model.metadata.clone(),
            routes,
            require_tls: model.require_tls,
            headers: HeaderMutations::compile(&model.headers).map_err(here)?,
            virtual_clusters: VirtualClusters::compile(model, stat_names).map_err(here)?,
            include_request_attempt_count: model.include_request_attempt_count,
            include_attempt_count_in_response: model.include_attempt_count_in_response,
            rate_limits: RateLimits::compile(&model.rate_limits).map_err(here)?,
        })
    }
}

impl Route {
    fn compile(model: &model::route::Route, resolve: Resolve<'_>) -> Result<Self, CompileError> {
        let here = |text| CompileError { place: model.place.clone(), text };
        Ok(Route {
            name: model.name.as_str().into(),
            place: model.place.as_str().into(),
            metadata: model.metadata.clone(),
            action: Action::compile(&model.action, resolve).map_err(here)?,
            filters: Arc::default(),
            upgrade_filters: Vec::new(),
            request_body_buffer_limit_bytes: model.request_body_buffer_limit_bytes,
            path: PathMatcher::compile(&model.matching.path).map_err(here)?,
            conditions: Conditions::compile(&model.matching).map_err(here)?,
            headers: HeaderMutations::compile(&model.headers).map_err(here)?,
            stats: None,
        })
    }

    /// What a request gets that should have come over TLS.
    fn to_tls() -> Result<Self, String> {
        let everything = model::route::RouteMatch::of_path(model::route::PathMatch::Prefix {
            value: String::new(),
            case_sensitive: true,
        });
        Ok(Route {
            name: "".into(),
            place: "require_tls".into(),
            metadata: None,
            action: Action::Redirect(Box::new(Redirect::to_tls())),
            filters: Arc::default(),
            upgrade_filters: Vec::new(),
            request_body_buffer_limit_bytes: None,
            path: PathMatcher::compile(&everything.path)?,
            conditions: Conditions::compile(&everything)?,
            headers: HeaderMutations::compile(&model::route::HeaderMutations::default())?,
            stats: None,
        })
    }
}

impl<'a> Matched<'a> {
    /// What the configuration says of the route and its virtual host.
    #[must_use]
    pub fn metadata(&self) -> RouteMetadata<'a> {
        RouteMetadata {
            route: self.route.metadata.as_ref(),
            virtual_host: self.virtual_host.metadata.as_ref(),
        }
    }

    /// Where a request on this route is counted, and the name of its virtual cluster, unless that is `other`.
    #[inline]
    #[must_use]
    pub fn counted_in(&self, request: &HeaderBlock) -> (CountedIn, Option<&'a str>) {
        let (virtual_cluster, name) = self.virtual_host.virtual_clusters.find(request);
        (CountedIn { virtual_cluster, route: self.route.stats }, name)
    }

    /// The levels of header edits, in the order in which they are made: what comes later wins.
    fn levels(&self) -> [&'a HeaderMutations; 3] {
        let mut levels = [&self.route.headers, &self.virtual_host.headers, &self.table.headers];
        if self.table.most_specific_wins {
            levels.reverse();
        }
        levels
    }

    /// Makes the edits and rewrites of a route that forwards, right before the request goes upstream. `weighted` is the
    /// cluster's choice; `keep_original` is off under the router's `suppress_envoy_headers`.
    pub fn finalize_request(
        &self,
        request: &mut HeaderBlock,
        weighted: Option<&WeightedCluster>,
        context: &FormatContext<'_>,
        keep_original: bool,
        scratch: &mut MutationScratch,
    ) {
        let Action::Forward(action) = &self.route.action else { return };
        if let Some(weighted) = weighted {
            weighted.headers.apply_to_request(request, context, scratch);
            if let Some(host) = &weighted.host_rewrite {
                request.set(KnownName::Authority, host);
            }
        }
        for level in self.levels() {
            level.apply_to_request(request, context, scratch);
        }
        action.host_rewrite.apply(request, action.append_x_forwarded_host, keep_original);
        if let Some(format) = &action.host_format {
            format_rewrite::host(request, format, context, action.append_x_forwarded_host, keep_original);
        }
        let matched = self.matched_length(request);
        action.path_rewrite.apply(request, matched, keep_original);
        if let Some(format) = &action.path_format {
            format_rewrite::path(request, format, context, keep_original);
        }
    }

    /// Makes the edits of a response, also of one that the proxy answers itself on this route.
    pub fn finalize_response(
        &self,
        response: &mut HeaderBlock,
        weighted: Option<&WeightedCluster>,
        context: &FormatContext<'_>,
        scratch: &mut MutationScratch,
    ) {
        if matches!(&self.route.action, Action::Redirect(redirect) if redirect.is_tls) {
            return;
        }
        if let Some(weighted) = weighted {
            weighted.headers.apply_to_response(response, context, scratch);
        }
        for level in self.levels() {
            level.apply_to_response(response, context, scratch);
        }
    }

    /// Where a redirect of this route sends the client. The request's path is rewritten on the way, for the access log;
    /// `context` and `keep_original` as for `finalize_request`.
    #[must_use]
    pub fn redirect_location(
        &self,
        redirect: &Redirect,
        request: &mut HeaderBlock,
        context: &FormatContext<'_>,
        keep_original: bool,
    ) -> Vec<u8> {
        redirect.url(request, context, self.matched_length(request), keep_original)
    }

    fn matched_length(&self, request: &HeaderBlock) -> usize {
        self.route.path.matched_length(path_of(request.get(KnownName::Path).unwrap_or_default()))
    }
}

/// A text that is there and not empty, as bytes.
fn non_empty(text: Option<&str>) -> Option<Box<[u8]>> {
    text.filter(|text| !text.is_empty()).map(|text| text.as_bytes().into())
}

#[cfg(test)]
#[path = "route/tests.rs"]
mod tests;
