//! Cross-origin resource sharing: answers preflights and says which origins may read (Envoy: `envoy.filters.http.cors`).
//!
//! Owns: the decision by the policies of the route's levels. Follows Envoy's page "CORS" and the Fetch standard's
//! "HTTP-CORS protocol".

use ferryman_codec::{HeaderBlock, HeaderName, KnownName};

use crate::local_reply::LocalReply;
use crate::matcher::StringMatcher;
use crate::model::http_filters::cors as model;
use crate::runtime::RuntimeFractionalPercent;
use crate::stats::{CorsStat, CorsStats, Scope};

use super::{Answer, BuiltInFilter, FilterCompileContext, FilterContext, Phase, RouteConfigs};

/// The filter.
#[derive(Debug)]
pub struct Cors {
    stats: Scope<CorsStats>,
    names: Names,
}

/// Fields that have no known name.
#[derive(Debug)]
struct Names {
    allow_methods: HeaderName,
    allow_headers: HeaderName,
    allow_credentials: HeaderName,
    allow_private_network: HeaderName,
    expose_headers: HeaderName,
    max_age: HeaderName,
}

/// Who may do what; of each setting the most specific level counts that has it.
#[derive(Debug)]
pub struct CorsPolicy {
    allow_origins: Vec<StringMatcher>,
    allow_methods: Box<[u8]>,
    allow_headers: Box<[u8]>,
    expose_headers: Box<[u8]>,
    max_age: Box<[u8]>,
    allow_credentials: Option<bool>,
    enabled: Option<RuntimeFractionalPercent>,
    shadow_enabled: Option<RuntimeFractionalPercent>,
    allow_private_network_access: Option<bool>,
    forward_not_matching_preflights: Option<bool>,
}

/// What one stream keeps: whether its response tells the origin.
#[derive(Debug, Default)]
pub struct CorsState {
    origin: Option<Vec<u8>>,
}

impl CorsPolicy {
    pub(super) fn compile(model: &model::CorsPolicy) -> Result<Self, String> {
        let bytes = |text: &String| text.as_bytes().into();
        Ok(CorsPolicy {
            allow_origins: model
                .allow_origins
                .iter()
                .map(StringMatcher::compile)
                .collect::<Result<_, _>>()?,
            allow_methods: bytes(&model.allow_methods),
            allow_headers: bytes(&model.allow_headers),
            expose_headers: bytes(&model.expose_headers),
            max_age: bytes(&model.max_age),
            allow_credentials: model.allow_credentials,
            enabled: model.filter_enabled.as_ref().map(RuntimeFractionalPercent::from),
            shadow_enabled: model.shadow_enabled.as_ref().map(RuntimeFractionalPercent::from),
            allow_private_network_access: model.allow_private_network_access,
            forward_not_matching_preflights: model.forward_not_matching_preflights,
        })
    }

    /// Without the setting it is on.
    fn is_enabled(&self, random: u64) -> bool {
        self.enabled.is_none_or(|enabled| enabled.holds(random))
    }
}

fn name(text: &'static [u8]) -> Result<HeaderName, String> {
    HeaderName::new(text).map_err(|_| "a header name of CORS is none".to_owned())
}

/// The policies of the levels, the most specific first.
#[derive(Clone, Copy)]
struct Policies<'a>(RouteConfigs<'a>);

impl<'a> Policies<'a> {
    fn all(self) -> impl Iterator<Item = &'a CorsPolicy> {
        self.0.all().rev()
    }

    /// The first text that is not empty.
    fn text(self, get: impl Fn(&'a CorsPolicy) -> &'a [u8]) -> &'a [u8] {
        self.all().map(get).find(|text| !text.is_empty()).unwrap_or_default()
    }

    /// The first answer.
    fn setting(self, default: bool, get: impl Fn(&CorsPolicy) -> Option<bool>) -> bool {
        self.all().find_map(get).unwrap_or(default)
    }

    fn allows(self, origin: &[u8]) -> bool {
        let allowed = self.all().map(|policy| &policy.allow_origins).find(|origins| !origins.is_empty());
        allowed
            .is_some_and(|origins| origins.iter().any(|known| known.matches(b"*") || known.matches(origin)))
    }
}

impl Cors {
    fn add_origin(&self, policies: Policies<'_>, origin: Option<&[u8]>, response: &mut HeaderBlock) {
        if let Some(origin) = origin {
            response.set(KnownName::AccessControlAllowOrigin, origin);
        }
        if policies.setting(false, |policy| policy.allow_credentials) {
            response.set_name(&self.names.allow_credentials, b"true");
        }
    }

    /// The answer to a preflight; `origin` none: from one that may not ask.
    fn preflight(
        &self,
        policies: Policies<'_>,
        origin: Option<&[u8]>,
        request: &HeaderBlock,
    ) -> LocalReply<'static> {
        let mut headers = HeaderBlock::new();
        self.add_origin(policies, origin, &mut headers);
        for (name, value) in [
            (&self.names.allow_methods, policies.text(|policy| &policy.allow_methods)),
            (&self.names.allow_headers, policies.text(|policy| &policy.allow_headers)),
            (&self.names.max_age, policies.text(|policy| &policy.max_age)),
        ] {
            if !value.is_empty() {
                headers.set_name(name, value);
            }
        }
        let asks = request.get_bytes(b"access-control-request-private-network") == Some(b"true");
        if asks && policies.setting(false, |policy| policy.allow_private_network_access) {
            headers.set_name(&self.names.allow_private_network, b"true");
        }
        LocalReply {
            status: 200,
            details: "cors_response".into(),
            headers: Some(Box::new(headers)),
            ..LocalReply::default()
        }
    }
}

impl BuiltInFilter for Cors {
    type Model = model::Cors;
    type State = CorsState;
    const KEEPS_ROUTE: bool = true;

    fn compile(_model: &Self::Model, context: &FilterCompileContext<'_>) -> Result<Self, String> {
        Ok(Cors {
            stats: context.process.registry.filter(&context.stats_scope("cors")),
            names: Names {
                allow_methods: name(b"access-control-allow-methods")?,
                allow_headers: name(b"access-control-allow-headers")?,
                allow_credentials: name(b"access-control-allow-credentials")?,
                allow_private_network: name(b"access-control-allow-private-network")?,
                expose_headers: name(b"access-control-expose-headers")?,
                max_age: name(b"access-control-max-age")?,
            },
        })
    }

    fn takes_part_in(&self, phase: Phase, route: RouteConfigs<'_>) -> bool {
        matches!(phase, Phase::RequestHeaders | Phase::ResponseHeaders)
            && route.all::<CorsPolicy>().next().is_some()
    }

    fn on_request_headers(&self, state: &mut CorsState, context: &mut FilterContext<'_>) -> Answer {
        if context.cluster.is_none() {
            // As in Envoy, a route that does not forward has no policy.
            return Answer::Continue;
        }
        let origin = context.request.get(KnownName::Origin).unwrap_or_default();
        let policies = Policies(context.route_configs);
        let Some(policy) = policies.all().next().filter(|_| !origin.is_empty()) else {
            return Answer::Continue;
        };
        let random = || context.worker.random.next();
        let enabled = policy.is_enabled(random());
        if !enabled && !policy.shadow_enabled.is_some_and(|shadow| shadow.holds(random())) {
            return Answer::Continue;
        }
        let is_preflight = context.request.get(KnownName::Method) == Some(b"OPTIONS")
            && context
                .request
                .get(KnownName::AccessControlRequestMethod)
                .is_some_and(|method| !method.is_empty());
        if !policies.allows(origin) {
            self.stats.inc_on(context.worker.index, CorsStat::OriginInvalid);
            let forwards = policies.setting(true, |policy| policy.forward_not_matching_preflights);
            if !is_preflight || forwards || !enabled {
                return Answer::Continue;
            }
            return Answer::Respond(self.preflight(policies, None, context.request));
        }
        self.stats.inc_on(context.worker.index, CorsStat::OriginValid);
        if !enabled {
            return Answer::Continue;
        }
        state.origin = Some(origin.to_vec());
        if is_preflight {
            return Answer::Respond(self.preflight(policies, Some(origin), context.request));
        }
        Answer::Continue
    }

    fn on_response_headers(&self, state: &mut CorsState, context: &mut FilterContext<'_>) -> Answer {
        let Some(origin) = &state.origin else { return Answer::Continue };
        let policies = Policies(context.route_configs);
        self.add_origin(policies, Some(origin), context.response);
        let exposed = policies.text(|policy| &policy.expose_headers);
        if !exposed.is_empty() {
            context.response.set_name(&self.names.expose_headers, exposed);
        }
        Answer::Continue
    }
}
