//! The route tables of a connection manager, and which of them a request meets.
//!
//! Owns: the key that a request says and the search for its scope. Does not own: a table (`route`).
//! Follows Envoy's page "HTTP scoped routing". Without scopes there is one table for all requests.
//!
//! A key is never put together: its parts are hashed and compared where they stand in the request.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

use ferryman_codec::{HeaderBlock, HeaderName, KnownName};

use crate::filters::http::{FilterCompileContext, HttpFilters};
use crate::header_name;
use crate::model::http_connection_manager::HttpConnectionManager;
use crate::model::route as model;
use crate::stats::{Registry, Scope, VirtualHostStats};

use super::{CompileError, Resolve, RouteTable, VirtualHost};

/// The compiled tables.
#[derive(Debug)]
pub struct RouteTables {
    tables: Vec<RouteTable>,
    scopes: Option<Scopes>,
}

#[derive(Debug)]
struct Scopes {
    fragments: Vec<Fragment>,
    keys: Vec<Vec<Box<[u8]>>>,
    by_hash: HashMap<u64, Vec<usize>>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Fragment {
    header: HeaderName,
    separator: Box<[u8]>,
    element: Element,
}

#[derive(Debug)]
enum Element {
    Index(usize),
    Of { key: Box<[u8]>, separator: Box<[u8]> },
}

/// The tables' models, in the order of the tables.
fn configs(model: &HttpConnectionManager) -> impl Iterator<Item = &model::RouteConfiguration> {
    let plain = model.scoped_routes.is_none().then_some(&model.route_config);
    let scoped = model.scoped_routes.iter().flat_map(|routes| &routes.scopes);
    plain.into_iter().chain(scoped.map(|scope| &scope.route_config))
}

impl RouteTables {
    /// Compiles the tables of a connection manager; `resolve` knows the clusters.
    ///
    /// # Errors
    /// As `RouteTable::compile`.
    pub fn compile(model: &HttpConnectionManager, resolve: Resolve<'_>) -> Result<Self, CompileError> {
        let mut stats = 0;
        let mut tables = Vec::new();
        for config in configs(model) {
            let table = RouteTable::compile_after(stats, config, resolve)?;
            stats += table.stat_names.len();
            tables.push(table);
        }
        let scopes = model.scoped_routes.as_ref().map(Scopes::compile).transpose();
        let scopes = scopes.map_err(|text| CompileError { place: "scoped_routes".to_owned(), text })?;
        Ok(RouteTables { tables, scopes })
    }

    /// As `RouteTable::set_filters`.
    ///
    /// # Errors
    /// As there.
    pub fn set_filters(
        &mut self,
        model: &HttpConnectionManager,
        filters: &HttpFilters,
        context: &FilterCompileContext<'_>,
    ) -> Result<(), String> {
        self.for_each(model, |table, config| table.set_filters(config, filters, context))
    }

    /// As `RouteTable::add_upgrade_filters`.
    ///
    /// # Errors
    /// As there.
    pub fn add_upgrade_filters(
        &mut self,
        model: &HttpConnectionManager,
        filters: &HttpFilters,
        context: &FilterCompileContext<'_>,
    ) -> Result<(), String> {
        self.for_each(model, |table, config| table.add_upgrade_filters(config, filters, context))
    }

    /// Does something to each table, with what it was compiled from.
    fn for_each(
        &mut self,
        model: &HttpConnectionManager,
        change: impl Fn(&mut RouteTable, &model::RouteConfiguration) -> Result<(), String>,
    ) -> Result<(), String> {
        self.tables.iter_mut().zip(configs(model)).try_for_each(|(table, config)| change(table, config))
    }

    /// As `RouteTable::open_stats`, of all tables.
    #[must_use]
    pub fn open_stats(&self, registry: &Registry) -> Vec<Scope<VirtualHostStats>> {
        self.tables.iter().flat_map(|table| table.open_stats(registry)).collect()
    }

    /// The table that a request meets; `None`: its scope is not there.
    #[inline]
    #[must_use]
    pub fn of(&self, request: &HeaderBlock) -> Option<&RouteTable> {
        match &self.scopes {
            None => self.tables.first(),
            Some(scopes) => self.tables.get(scopes.find(request)?),
        }
    }

    /// The virtual host of a request.
    #[must_use]
    pub fn find_virtual_host(&self, request: &HeaderBlock) -> Option<&VirtualHost> {
        self.of(request)?.find_virtual_host(request)
    }
}

impl Scopes {
    fn compile(model: &model::ScopedRoutes) -> Result<Self, String> {
        let mut scopes = Scopes {
            fragments: model.fragments.iter().map(Fragment::compile).collect::<Result<_, _>>()?,
            keys: Vec::new(),
            by_hash: HashMap::new(),
            hasher: RandomState::new(),
        };
        for (index, scope) in model.scopes.iter().enumerate() {
            let key: Vec<Box<[u8]>> = scope.key.iter().map(|part| part.as_bytes().into()).collect();
            let hash = scopes.hash(key.iter().map(|part| Some(&**part)));
            scopes.by_hash.entry(hash.unwrap_or_default()).or_default().push(index);
            scopes.keys.push(key);
        }
        Ok(scopes)
    }

    fn hash<'a>(&self, mut parts: impl Iterator<Item = Option<&'a [u8]>>) -> Option<u64> {
        let mut hasher = self.hasher.build_hasher();
        parts.try_for_each(|part| {
            let part = part?;
            hasher.write_usize(part.len());
            hasher.write(part);
            Some(())
        })?;
        Some(hasher.finish())
    }

    fn find(&self, request: &HeaderBlock) -> Option<usize> {
        let parts = || self.fragments.iter().map(|fragment| fragment.value(request));
        let is_key = |&&index: &&usize| {
            self.keys.get(index).is_some_and(|key| parts().eq(key.iter().map(|part| Some(&**part))))
        };
        self.by_hash.get(&self.hash(parts())?)?.iter().find(is_key).copied()
    }
}

impl Fragment {
    fn compile(model: &model::ScopeKeyFragment) -> Result<Self, String> {
        let header = if model.header == "host" { ":authority" } else { &model.header };
        Ok(Fragment {
            header: header_name::parse(header)?,
            separator: model.element_separator.as_bytes().into(),
            element: match &model.key {
                None => Element::Index(model.index),
                Some(key) => Element::Of {
                    key: key.as_bytes().into(),
                    separator: model.key_separator.as_bytes().into(),
                },
            },
        })
    }

    fn value<'a>(&self, request: &'a HeaderBlock) -> Option<&'a [u8]> {
        let value = match request.get_name(&self.header) {
            None if self.header.as_bytes() == b":path" => request.get(KnownName::Path),
            value => value,
        }?;
        let mut elements = split(value, &self.separator);
        match &self.element {
            Element::Index(index) => elements.nth(*index),
            Element::Of { key, separator } => elements.find_map(|element| {
                let mut parts = split(element, separator);
                let found = parts.next()? == &**key;
                let behind = key.len() + separator.len();
                found.then(|| element.get(behind..).unwrap_or_default())
            }),
        }
    }
}

/// The elements of a text; without a separator it is one.
fn split<'a, 's>(text: &'a [u8], separator: &'s [u8]) -> impl Iterator<Item = &'a [u8]> + use<'a, 's> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = (!separator.is_empty()).then(|| memchr::memmem::find(text, separator)).flatten();
        rest = end.and_then(|end| text.get(end + separator.len()..));
        Some(end.and_then(|end| text.get(..end)).unwrap_or(text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragment(separator: &str, index: usize, key: Option<&str>) -> Fragment {
        Fragment::compile(&model::ScopeKeyFragment {
            header: "x-scope".to_owned(),
            element_separator: separator.to_owned(),
            index,
            key: key.map(str::to_owned),
            key_separator: "=".to_owned(),
        })
        .expect("fragment")
    }

    /// Judged by Envoy 1.40.
    #[test]
    fn elements_of_headers() {
        for (separator, index, key, value, expected) in [
            ("", 0, None, "a,b", Some("a,b")),
            (",", 0, None, "a,b", Some("a")),
            (",", 1, None, "a,b,c", Some("b")),
            (",", 1, None, "a,", Some("")),
            (",", 1, None, "a", None),
            ("::", 1, None, "a::b:c", Some("b:c")),
            (";", 0, Some("k"), "a=b;k=c;k=d", Some("c")),
            (";", 0, Some("k"), "k", Some("")),
            (";", 0, Some("k"), "k=", Some("")),
            (";", 0, Some("k"), "k=a=b", Some("a=b")),
            (";", 0, Some("k"), "kk=a; k=b", None),
        ] {
            let mut request = HeaderBlock::new();
            request.append_name(&HeaderName::new(b"x-scope").expect("name"), value.as_bytes());
            let found = fragment(separator, index, key);
            assert_eq!(found.value(&request), expected.map(str::as_bytes), "{value}");
        }
        assert_eq!(fragment("", 0, None).value(&HeaderBlock::new()), None);
    }
}
