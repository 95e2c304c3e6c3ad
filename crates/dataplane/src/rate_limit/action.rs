//! Rate limit actions: each says one thing of a request.
//!
//! Owns: the compiled actions and what they look at. Does not own: the descriptor that they make together.
//! Follows Envoy's `RateLimit.Action`: query parameters are decoded, values of headers are not, and the first of several
//! counts.

use std::borrow::Cow;
use std::net::IpAddr;

use ferryman_codec::{HeaderName, KnownName};

use crate::format::{Formatter, Unset};
use crate::ip_range::{IpRange, network};
use crate::matcher::HeaderMatcher;
use crate::matcher::input::{Input, MatchingData};
use crate::matcher::query::decoded_parameter;
use crate::model::metadata::{Metadata, Value};
use crate::model::rate_limit::{MetadataSource, RateLimitAction as Model};
use crate::route::condition::QueryParameter;
use crate::stream_info::Address;
use crate::stream_info::address::write_ip;

use super::{Entry, RequestFacts};

/// What an action has to say.
pub(super) enum Said<'a> {
    /// An entry of the descriptor.
    Entry(Entry<'a>),
    /// Nothing, and the descriptor does without it.
    Skipped,
    /// Nothing, so there is no descriptor.
    Nothing,
}

/// A compiled action.
#[derive(Debug)]
pub(super) struct Action {
    key: Box<[u8]>,
    what: What,
    skip_if_absent: bool,
}

#[derive(Debug)]
enum What {
    SourceCluster,
    DestinationCluster,
    Header(HeaderName),
    QueryParameter(Box<[u8]>),
    RemoteAddress,
    Network { v4_prefix_len: u8, v6_prefix_len: u8 },
    Constant(Box<[u8]>),
    Headers { value: Box<[u8]>, expect_match: bool, matchers: Vec<HeaderMatcher> },
    QueryParameters { value: Box<[u8]>, expect_match: bool, matchers: Vec<QueryParameter> },
    AddressIn { value: Formatter, default: Formatter, ranges: Vec<IpRange>, invert: bool },
    Metadata { source: MetadataSource, namespace: Box<str>, path: Vec<String>, default: Box<[u8]> },
    Input(Input),
}

impl Action {
    pub(super) fn compile(model: &Model) -> Result<Self, String> {
        let (key, what, skip_if_absent) = match model {
            Model::SourceCluster {} => ("source_cluster", What::SourceCluster, false),
            Model::DestinationCluster {} => ("destination_cluster", What::DestinationCluster, false),
            Model::RequestHeader { header, key, skip_if_absent } => {
                (key.as_str(), What::Header(crate::header_name::parse(header)?), *skip_if_absent)
            }
            Model::QueryParameter { name, key, skip_if_absent } => {
                (key.as_str(), What::QueryParameter(name.as_bytes().into()), *skip_if_absent)
            }
            Model::RemoteAddress {} => ("remote_address", What::RemoteAddress, false),
            &Model::MaskedRemoteAddress { v4_prefix_len, v6_prefix_len } => {
                ("masked_remote_address", What::Network { v4_prefix_len, v6_prefix_len }, false)
            }
            Model::GenericKey { key, value } => {
                (key.as_str(), What::Constant(value.as_bytes().into()), false)
            }
            Model::HeaderValueMatch { key, value, expect_match, headers } => {
                let matchers = headers.iter().map(HeaderMatcher::compile).collect::<Result<_, _>>()?;
                let value = value.as_bytes().into();
                (key.as_str(), What::Headers { value, expect_match: *expect_match, matchers }, false)
            }
            Model::QueryValueMatch { key, value, expect_match, query_parameters } => {
                let matchers =
                    query_parameters.iter().map(QueryParameter::compile).collect::<Result<_, _>>()?;
                let value = value.as_bytes().into();
                (key.as_str(), What::QueryParameters { value, expect_match: *expect_match, matchers }, false)
            }
            Model::RemoteAddressMatch { key, value, default_value, ranges, invert } => {
                let value = Formatter::compile(value, Unset::Empty)?;
                let default = Formatter::compile(default_value, Unset::Empty)?;
                let ranges = ranges.iter().map(IpRange::compile).collect::<Result<_, _>>()?;
                (key.as_str(), What::AddressIn { value, default, ranges, invert: *invert }, false)
            }
            Model::Metadata { source, key, namespace, path, default_value, skip_if_absent } => {
                let default = default_value.as_bytes().into();
                let namespace = namespace.as_str().into();
                let what = What::Metadata { source: *source, namespace, path: path.clone(), default };
                (key.as_str(), what, *skip_if_absent)
            }
            Model::Input { key, input } => (key.as_str(), What::Input(Input::compile(input)), false),
        };
        Ok(Action { key: key.as_bytes().into(), what, skip_if_absent })
    }

    pub(super) fn describe<'a>(&'a self, facts: &RequestFacts<'a>) -> Said<'a> {
        match self.what.value(facts) {
            Some(value) => Said::Entry((&self.key, value)),
            None if self.skip_if_absent => Said::Skipped,
            None => Said::Nothing,
        }
    }
}

impl What {
    fn value<'a>(&'a self, facts: &RequestFacts<'a>) -> Option<Cow<'a, [u8]>> {
        let target = || facts.request.get(KnownName::Path).unwrap_or_default();
        match self {
            What::SourceCluster => Some(facts.node_cluster.as_bytes().into()),
            What::DestinationCluster => Some(facts.cluster?.as_bytes().into()),
            What::Header(name) => Some(facts.request.get_name(name)?.into()),
            What::QueryParameter(name) => decoded_parameter(target(), name),
            What::RemoteAddress => Some(address_text(remote(facts)?).into()),
            What::Network { v4_prefix_len, v6_prefix_len } => {
                let ip = remote(facts)?;
                let length = if ip.is_ipv4() { *v4_prefix_len } else { *v6_prefix_len };
                let mut text = address_text(network(ip, length));
                text.push(b'/');
                text.extend_from_slice(crate::decimal::Decimal::new(length.into()).as_bytes());
                Some(text.into())
            }
            What::Constant(value) => Some((&**value).into()),
            What::Headers { value, expect_match, matchers } => {
                let all = matchers.iter().all(|matcher| matcher.matches(facts.request));
                (all == *expect_match).then(|| (&**value).into())
            }
            What::QueryParameters { value, expect_match, matchers } => {
                let holds = |matcher: &QueryParameter| {
                    matcher.takes(decoded_parameter(target(), matcher.name()).as_deref())
                };
                (matchers.iter().all(holds) == *expect_match).then(|| (&**value).into())
            }
            What::AddressIn { value, default, ranges, invert } => {
                let ip = remote(facts)?;
                if ranges.iter().any(|range| range.contains(ip)) == *invert {
                    return None;
                }
                let context = facts.format_context();
                let mut text = Vec::new();
                value.write(&context, &mut text);
                if text.is_empty() {
                    default.write(&context, &mut text);
                }
                (!text.is_empty()).then(|| text.into())
            }
            What::Metadata { source, namespace, path, default } => {
                let of_source: Option<&Metadata> = match source {
                    MetadataSource::Dynamic => facts.stream.dynamic_metadata.all(),
                    MetadataSource::RouteEntry => facts.route_metadata.route,
                    MetadataSource::ClusterEntry => facts.cluster_metadata,
                };
                match of_source.and_then(|all| all.namespace(namespace)).and_then(|fields| fields.get(path)) {
                    Some(Value::String(text)) if !text.is_empty() => Some(text.as_slice().into()),
                    _ => (!default.is_empty()).then(|| (&**default).into()),
                }
            }
            What::Input(input) => {
                let data = MatchingData::of_stream(facts.request, facts.connection, facts.stream);
                let text = input.value(&data).with_text(<[u8]>::to_vec);
                text.filter(|text| !text.is_empty()).map(Cow::Owned)
            }
        }
    }
}

/// The client; a Unix domain socket has none.
fn remote(facts: &RequestFacts<'_>) -> Option<IpAddr> {
    match facts.stream.remote_address.as_ref().unwrap_or(&facts.connection.remote_address) {
        Address::Ip(address) => Some(address.ip()),
        Address::Pipe(_) | Address::Internal(_) => None,
    }
}

fn address_text(ip: IpAddr) -> Vec<u8> {
    let mut text = Vec::new();
    write_ip(ip, false, &mut text);
    text
}
