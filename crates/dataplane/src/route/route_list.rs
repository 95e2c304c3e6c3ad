//! Where a virtual host looks for a request's route: in a list, or in the one of several lists that a match tree names.
//!
//! Owns: the choice of the list and the search in it. Does not own: what a route asks of a request (`path_match`,
//! `condition`), nor match trees (`matcher::tree`).
//! Follows Envoy's `VirtualHost.routes` and `VirtualHost.matcher`, whose actions are `Route` and `RouteList`: a route that
//! the tree leads to is taken only if its own conditions hold, and nothing else is looked for then.

use ferryman_codec::{HeaderBlock, KnownName};

use crate::matcher::input::MatchingData;
use crate::matcher::tree::{MatchTree, Outcome};
use crate::model::route as model;
use crate::stats::Registry;

use super::condition::Circumstances;
use super::path_index::PathIndex;
use super::path_match::{path_of, without_parameters};
use super::{Action, CompileError, Resolve, Route};

/// The routes of a virtual host.
#[derive(Debug)]
pub(super) enum Routes {
    List(RouteList),
    Tree(MatchTree, Vec<RouteList>),
}

/// Routes of which the first that matches is taken.
#[derive(Debug)]
pub(super) struct RouteList {
    routes: Vec<Route>,
    index: PathIndex,
    /// Those that take requests without a path.
    connect: Vec<usize>,
}

/// The routes of a virtual host's model, in the order of `Routes::iter_mut`.
pub(super) fn models(host: &model::VirtualHost) -> impl Iterator<Item = &model::Route> {
    let of_tree = host.matcher.iter().flat_map(|matcher| matcher.actions.iter().flatten());
    host.routes.iter().chain(of_tree)
}

impl RouteList {
    fn compile(models: &[model::Route], resolve: Resolve<'_>) -> Result<Self, CompileError> {
        let routes: Vec<_> =
            models.iter().map(|model| Route::compile(model, resolve)).collect::<Result<_, _>>()?;
        let index = PathIndex::compile(&routes.iter().map(|route| &route.path).collect::<Vec<_>>());
        let is_connect = |(_, route): &(usize, &Route)| route.path.is_connect();
        let connect = routes.iter().enumerate().filter(is_connect).map(|(place, _)| place).collect();
        Ok(RouteList { routes, index, connect })
    }

    #[inline]
    fn find(
        &self,
        request: &HeaderBlock,
        known: Circumstances<'_>,
        ignore_parameters: bool,
    ) -> Option<&Route> {
        let Some(target) = request.get(KnownName::Path) else { return self.find_connect(request, known) };
        let path = path_of(target);
        if ignore_parameters {
            if let Some(kept) = without_parameters(path) {
                return self.find_by_path(request, target, &kept, known);
            }
        }
        self.find_by_path(request, target, path, known)
    }

    /// The route of a request without a path.
    #[cold]
    fn find_connect(&self, request: &HeaderBlock, known: Circumstances<'_>) -> Option<&Route> {
        let mut routes = self.connect.iter().filter_map(|&place| self.routes.get(place));
        routes.find(|route| route.conditions.hold(request, b"", known))
    }

    #[inline]
    fn find_by_path(
        &self,
        request: &HeaderBlock,
        target: &[u8],
        path: &[u8],
        known: Circumstances<'_>,
    ) -> Option<&Route> {
        let candidates = self.index.candidates(path);
        let tested = candidates.are_tested();
        candidates.filter_map(|index| self.routes.get(usize::try_from(index).ok()?)).find(|route| {
            let path_matches = (tested && !route.path.is_regex()) || route.path.matches(path);
            path_matches && route.conditions.hold(request, target, known)
        })
    }
}

impl Routes {
    pub(super) fn compile(model: &model::VirtualHost, resolve: Resolve<'_>) -> Result<Self, CompileError> {
        let Some(matcher) = &model.matcher else {
            return Ok(Routes::List(RouteList::compile(&model.routes, resolve)?));
        };
        let here = |text| CompileError { place: format!("virtual host '{}'", model.name), text };
        let tree = MatchTree::compile(&matcher.tree).map_err(here)?;
        let lists = matcher.actions.iter().map(|routes| RouteList::compile(routes, resolve));
        Ok(Routes::Tree(tree, lists.collect::<Result<_, _>>()?))
    }

    /// All routes, in the order of the configuration.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Route> {
        let lists = match self {
            Routes::List(list) => std::slice::from_mut(list),
            Routes::Tree(_, lists) => lists,
        };
        lists.iter_mut().flat_map(|list| &mut list.routes)
    }

    /// The first route; none: there is no route at all.
    pub(super) fn first(&self) -> Option<&Route> {
        let lists = match self {
            Routes::List(list) => std::slice::from_ref(list),
            Routes::Tree(_, lists) => lists,
        };
        lists.iter().find_map(|list| list.routes.first())
    }

    pub(super) fn open_stats(&self, registry: &Registry) {
        let lists = match self {
            Routes::List(list) => std::slice::from_ref(list),
            Routes::Tree(tree, lists) => {
                tree.open_stats(registry);
                lists
            }
        };
        for route in lists.iter().flat_map(|list| &list.routes) {
            if let Action::Forward(action) = &route.action {
                action.clusters.open_stats(registry);
            }
        }
    }

    #[inline]
    pub(super) fn find(
        &self,
        request: &HeaderBlock,
        known: Circumstances<'_>,
        ignore_parameters: bool,
    ) -> Option<&Route> {
        match self {
            Routes::List(list) => list.find(request, known, ignore_parameters),
            Routes::Tree(tree, lists) => {
                let data = MatchingData {
                    request_headers: Some(request),
                    connection: known.connection,
                    ..MatchingData::default()
                };
                match tree.find(&data, &mut |_| ()) {
                    Outcome::Action(index) => lists.get(index)?.find(request, known, ignore_parameters),
                    Outcome::NoMatch | Outcome::InsufficientData => None,
                }
            }
        }
    }
}
