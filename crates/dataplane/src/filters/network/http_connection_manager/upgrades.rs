//! Which other protocols a request may ask for (`upgrade_configs`).
//!
//! Owns: what the connection manager and the route say about a type together, and the types that are not looked at
//! (`ignore_http_11_upgrade`). Does not own: the bytes of the other protocol (`http_stream/exchange.rs`).
//! Follows Envoy's page "Upgrades"; RFC 9110 section 7.8.
//!
//! A type is the `upgrade` field whole, in any case of letters, or `CONNECT` for that method.

use ferryman_codec::{ErrorKind, HeaderBlock, KnownName};

use crate::filters::http::{FilterCompileContext, HttpFilters};
use crate::matcher::StringMatcher;
use crate::model::http_connection_manager::{HttpConnectionManager, UpgradeConfig};
use crate::route::{RouteTables, RouteUpgrade};

/// A type that the connection manager knows.
#[derive(Debug)]
struct Upgrade {
    name: Box<[u8]>,
    enabled: bool,
    /// Its own list, and which of the lists of that kind it is.
    filters: Option<(usize, HttpFilters)>,
}

/// The connection manager's word on upgrades, compiled.
#[derive(Debug)]
pub struct Upgrades {
    known: Vec<Upgrade>,
    ignored: Vec<StringMatcher>,
}

/// That an upgrade may be made.
#[derive(Debug, Clone, Copy)]
pub struct Allowed<'a> {
    /// The HTTP filters of the type, where it has its own.
    pub filters: Option<&'a (usize, HttpFilters)>,
}

impl Upgrades {
    /// Compiles the types and their filters; what the routes say to these is noted in the table.
    ///
    /// # Errors
    /// What is wrong with a filter or a matcher.
    pub fn compile(
        model: &HttpConnectionManager,
        routes: &mut RouteTables,
        context: &FilterCompileContext<'_>,
    ) -> Result<Self, String> {
        let mut lists = 0;
        let known = |upgrade: &UpgradeConfig| {
            let mut filters = None;
            if !upgrade.filters.is_empty() {
                let own = HttpFilters::compile(&upgrade.filters, context)
                    .map_err(|text| format!("upgrade_configs: '{}': {text}", upgrade.upgrade_type))?;
                routes.add_upgrade_filters(model, &own, context)?;
                filters = Some((lists, own));
                lists += 1;
            }
            let name = upgrade.upgrade_type.as_bytes().into();
            Ok(Upgrade { name, enabled: upgrade.enabled, filters })
        };
        Ok(Upgrades {
            known: model.upgrade_configs.iter().map(known).collect::<Result<_, String>>()?,
            ignored: model.ignored_upgrades.iter().map(StringMatcher::compile).collect::<Result<_, _>>()?,
        })
    }

    /// Whether a type is allowed: the route's word counts more.
    #[must_use]
    pub fn allow(&self, wanted: &[u8], of_route: &[RouteUpgrade]) -> Option<Allowed<'_>> {
        let route = of_route.iter().find(|upgrade| upgrade.name.eq_ignore_ascii_case(wanted));
        let known = self.known.iter().find(|upgrade| upgrade.name.eq_ignore_ascii_case(wanted));
        let allowed = match route {
            Some(route) => route.enabled,
            None => known.is_some_and(|upgrade| upgrade.enabled),
        };
        allowed.then(|| Allowed { filters: known.and_then(|upgrade| upgrade.filters.as_ref()) })
    }

    /// Takes the types that are not looked at out of a request that asks for an upgrade. Answers whether it still does.
    ///
    /// # Errors
    /// `connection` names what it may not.
    pub fn settle(&self, request: &mut HeaderBlock) -> Result<bool, ErrorKind> {
        if self.ignored.is_empty() {
            return Ok(true);
        }
        let asked = request.get(KnownName::Upgrade).unwrap_or_default();
        let is_ignored = |token: &[u8]| self.ignored.iter().any(|matcher| matcher.matches(token));
        let tokens = asked.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
        let left: Vec<_> = tokens.filter(|token| !token.is_empty() && !is_ignored(token)).collect();
        if left.is_empty() {
            request.remove(KnownName::Upgrade);
            request.remove_connection_options()?;
            return Ok(false);
        }
        let left = left.join(&b","[..]);
        request.set(KnownName::Upgrade, &left);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::matcher::StringMatcher as Model;

    fn upgrades(known: &[(&str, bool)], ignored: &[&str]) -> Upgrades {
        let exact = |text: &&str| Model::Exact { value: (*text).to_owned(), ignore_case: false };
        let known = known.iter().map(|(name, enabled)| Upgrade {
            name: name.as_bytes().into(),
            enabled: *enabled,
            filters: None,
        });
        let ignored = ignored.iter().map(|text| StringMatcher::compile(&exact(text)).expect("matcher"));
        Upgrades { known: known.collect(), ignored: ignored.collect() }
    }

    fn of_route(name: &str, enabled: bool) -> Vec<RouteUpgrade> {
        vec![RouteUpgrade { name: name.as_bytes().into(), enabled, connect: None }]
    }

    /// Envoy's matrix of the page "Upgrades".
    #[test]
    fn the_route_counts_more() {
        let general = upgrades(&[("websocket", true), ("foo", false)], &[]);
        for (wanted, route, expected) in [
            ("websocket", vec![], true),
            ("WebSocket", vec![], true),
            ("websocket", of_route("WEBSOCKET", false), false),
            ("foo", vec![], false),
            ("foo", of_route("foo", true), true),
            ("bar", vec![], false),
            ("bar", of_route("bar", true), true),
            ("bar", of_route("websocket", true), false),
            ("websocket, foo", vec![], false),
        ] {
            assert_eq!(general.allow(wanted.as_bytes(), &route).is_some(), expected, "{wanted}");
        }
    }

    #[test]
    fn ignored_types_are_taken_out() {
        let ignoring = upgrades(&[], &["TLS/1.0", "foo"]);
        let mut request = HeaderBlock::new();
        request.append(KnownName::Connection, b"upgrade");
        request.append(KnownName::Upgrade, b"TLS/1.0, websocket ,foo");
        assert_eq!(ignoring.settle(&mut request), Ok(true));
        assert_eq!(request.get(KnownName::Upgrade), Some(&b"websocket"[..]));
        request.set(KnownName::Upgrade, b"foo");
        assert_eq!(ignoring.settle(&mut request), Ok(false));
        assert_eq!(request.get(KnownName::Upgrade), None);
    }
}
