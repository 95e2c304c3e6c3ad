//! Refuses requests that change something and come from another site's page (Envoy: `envoy.filters.http.csrf`).
//!
//! Owns: which requests are looked at, and where they come from. Follows Envoy's page "CSRF".

use ferryman_codec::KnownName;

use crate::local_reply::LocalReply;
use crate::matcher::StringMatcher;
use crate::model::http_filters::csrf as model;
use crate::runtime::RuntimeFractionalPercent;
use crate::stats::{CsrfStat, CsrfStats, Scope};

use super::{Answer, BuiltInFilter, FilterCompileContext, FilterContext, Phase, RouteConfigs};

/// The filter.
#[derive(Debug)]
pub struct Csrf {
    policy: CsrfPolicy,
    stats: Scope<CsrfStats>,
}

/// What counts as another site; a route may have its own.
#[derive(Debug)]
pub struct CsrfPolicy {
    enabled: RuntimeFractionalPercent,
    shadow_enabled: Option<RuntimeFractionalPercent>,
    additional_origins: Vec<StringMatcher>,
}

impl CsrfPolicy {
    pub(super) fn compile(model: &model::CsrfPolicy) -> Result<Self, String> {
        Ok(CsrfPolicy {
            enabled: RuntimeFractionalPercent::from(&model.filter_enabled),
            shadow_enabled: model.shadow_enabled.as_ref().map(RuntimeFractionalPercent::from),
            additional_origins: model
                .additional_origins
                .iter()
                .map(StringMatcher::compile)
                .collect::<Result<_, _>>()?,
        })
    }
}

/// Host and port of a URL; what is no URL stands for itself.
fn host_of(url: &[u8]) -> &[u8] {
    let rest = [&b"http://"[..], b"https://"].iter().find_map(|scheme| {
        let (start, rest) = url.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    });
    let Some(rest) = rest else { return url };
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    rest.get(..end).unwrap_or_default()
}

impl BuiltInFilter for Csrf {
    type Model = model::CsrfPolicy;
    type State = ();

    fn compile(model: &Self::Model, context: &FilterCompileContext<'_>) -> Result<Self, String> {
        Ok(Csrf {
            policy: CsrfPolicy::compile(model)?,
            stats: context.process.registry.filter(&context.stats_scope("csrf")),
        })
    }

    fn takes_part_in(&self, phase: Phase, _route: RouteConfigs<'_>) -> bool {
        phase == Phase::RequestHeaders
    }

    fn on_request_headers(&self, _state: &mut (), context: &mut FilterContext<'_>) -> Answer {
        let policy = context.route_config().unwrap_or(&self.policy);
        let random = || context.worker.random.next();
        let enabled = policy.enabled.holds(random());
        let shadow = policy.shadow_enabled.is_some_and(|shadow| shadow.holds(random()));
        let method = context.request.get(KnownName::Method).unwrap_or_default();
        if (!enabled && !shadow) || !matches!(method, b"POST" | b"PUT" | b"DELETE" | b"PATCH") {
            return Answer::Continue;
        }
        let source = [KnownName::Origin, KnownName::Referer]
            .into_iter()
            .filter_map(|name| context.request.get(name))
            .find(|source| !source.is_empty())
            .filter(|source| *source != b"null")
            .map(host_of)
            .unwrap_or_default();
        let target = context.request.get(KnownName::Authority).map(host_of).unwrap_or_default();
        let known = || policy.additional_origins.iter().any(|origin| origin.matches(source));
        if source.is_empty() {
            self.stats.inc_on(context.worker.index, CsrfStat::MissingSourceOrigin);
        } else if source == target || known() {
            self.stats.inc_on(context.worker.index, CsrfStat::RequestValid);
            return Answer::Continue;
        } else {
            self.stats.inc_on(context.worker.index, CsrfStat::RequestInvalid);
        }
        if !enabled {
            return Answer::Continue;
        }
        Answer::Respond(LocalReply {
            status: 403,
            body: b"Invalid origin".into(),
            details: "csrf_origin_mismatch".into(),
            ..LocalReply::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::host_of;

    #[test]
    fn origins_are_reduced_to_their_hosts() {
        for (url, host) in [
            ("http://a.com", "a.com"),
            ("HTTPS://a.com:8443/path?q", "a.com:8443"),
            ("http://a.com?q", "a.com"),
            ("a.com", "a.com"),
            ("null", "null"),
            ("ftp://a.com/", "ftp://a.com/"),
            ("", ""),
        ] {
            assert_eq!(host_of(url.as_bytes()), host.as_bytes(), "{url}");
        }
    }
}
