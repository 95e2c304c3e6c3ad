//! Which filter chain a connection takes.
//!
//! Owns: the criteria, compiled, and their order; or the match tree in their place. Does not own: the chains' filters, the
//! default chain, what happens to a connection that no chain takes (`listener`).
//! Follows Envoy's `FilterChainMatch`: destination port, destination IP, server name, transport protocol, application
//! protocols, direct source IP, source type, source IP, source port. At each step the most specific choice is taken, and
//! there is no way back when a later step finds nothing.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr};

use crate::ip_range::{IpRange, NarrowestRange};
use crate::matcher::VisibleState;
use crate::matcher::input::{ConnectionData, MatchingData};
use crate::matcher::tree::{MatchTree, Outcome};
use crate::model::address::CidrRange;
use crate::model::listener::{FilterChain, FilterChainMatcher as TreeModel, SourceType};
use crate::stats::Registry;
use crate::stream_info::{Address, FilterState};

mod server_names;

use server_names::ByServerName;

/// What stands for the IP address of a Unix domain socket.
const NO_IP: IpAddr = IpAddr::V4(Ipv4Addr::BROADCAST);

/// What is known of a connection when its chain is chosen.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionFacts<'a> {
    /// Where the client believes it is connected to.
    pub local: &'a Address,
    /// The client.
    pub remote: &'a Address,
    /// The peer of the socket.
    pub direct_remote: &'a Address,
    /// What listener filters found; `raw_buffer` without any.
    pub transport_protocol: &'a str,
    /// SNI; empty: none.
    pub server_name: &'a str,
    /// ALPN.
    pub application_protocols: &'a [&'a str],
    /// What listener filters left for others.
    pub filter_state: &'a FilterState,
}

/// Finds the chain of a connection; places are those in the list that was compiled.
#[derive(Debug)]
pub struct FilterChainMatcher(Chains);

#[derive(Debug)]
enum Chains {
    /// One chain that takes everything.
    Only,
    Matched(Box<ByPort>),
    Tree(Box<Tree>),
}

/// A match tree that chooses by name.
#[derive(Debug)]
struct Tree {
    tree: MatchTree,
    /// The place of each name; none: no chain is called so.
    places: Vec<Option<usize>>,
}

/// What is found for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The chain of this place.
    Chain(usize),
    /// No chain is meant for it: it is the default chain's.
    Default,
    /// A chain that does not exist.
    Nowhere,
}

type ByPort = Exact<u16, ByAddress<ByServerName<ByTransport>>>;
type ByTransport = Exact<Box<str>, ByApplicationProtocol>;
type ByApplicationProtocol = Exact<Box<str>, ByAddress<BySourceType>>;
type BySource = ByAddress<BySourcePort>;
type BySourcePort = Exact<u16, Option<usize>>;

/// A value for some keys, and one for the rest.
#[derive(Debug)]
struct Exact<K, T> {
    exact: HashMap<K, T>,
    any: Option<T>,
}

/// A value for some ranges of addresses, and one for the rest.
#[derive(Debug)]
struct ByAddress<T> {
    ranges: NarrowestRange<T>,
    any: Option<T>,
}

#[derive(Debug, Default)]
struct BySourceType {
    local: Option<BySource>,
    external: Option<BySource>,
    any: Option<BySource>,
}

impl<K, T> Default for Exact<K, T> {
    fn default() -> Self {
        Exact { exact: HashMap::new(), any: None }
    }
}

impl<K: Hash + Eq, T: Default> Exact<K, T> {
    fn entry(&mut self, key: Option<K>) -> &mut T {
        match key {
            Some(key) => self.exact.entry(key).or_default(),
            None => self.any.get_or_insert_default(),
        }
    }

    fn find<Q: Hash + Eq + ?Sized>(&self, key: Option<&Q>) -> Option<&T>
    where
        K: std::borrow::Borrow<Q>,
    {
        key.and_then(|key| self.exact.get(key)).or(self.any.as_ref())
    }
}

impl<T: Default> Exact<Box<str>, T> {
    /// Of the first key that there is.
    fn find_any(&self, keys: &[&str]) -> Option<&T> {
        keys.iter().find_map(|key| self.exact.get(*key)).or(self.any.as_ref())
    }
}

impl<T> Default for ByAddress<T> {
    fn default() -> Self {
        ByAddress { ranges: NarrowestRange::default(), any: None }
    }
}

impl<T: Default> ByAddress<T> {
    fn entry(&mut self, range: Option<IpRange>) -> &mut T {
        match range {
            Some(range) => self.ranges.entry(range),
            None => self.any.get_or_insert_default(),
        }
    }

    /// No range at all goes before a range of everything, as in Envoy.
    fn find(&self, address: &Address) -> Option<&T> {
        let ip = match address {
            Address::Ip(address) => address.ip(),
            Address::Pipe(_) | Address::Internal(_) => NO_IP,
        };
        self.ranges.find(ip, 1).or(self.any.as_ref()).or_else(|| self.ranges.find(ip, 0))
    }
}

impl BySourceType {
    fn entry(&mut self, source_type: SourceType) -> &mut BySource {
        let place = match source_type {
            SourceType::Any => &mut self.any,
            SourceType::SameIpOrLoopback => &mut self.local,
            SourceType::External => &mut self.external,
        };
        place.get_or_insert_default()
    }

    fn find(&self, facts: &ConnectionFacts<'_>) -> Option<&BySource> {
        let by_type = match (&self.local, &self.external) {
            (None, None) => None,
            (local, external) => if is_same_ip_or_loopback(facts) { local } else { external }.as_ref(),
        };
        by_type.or(self.any.as_ref())
    }
}

/// Envoy knows one loopback address of each family.
fn is_same_ip_or_loopback(facts: &ConnectionFacts<'_>) -> bool {
    match (facts.remote, facts.local) {
        (Address::Pipe(_), _) => true,
        (Address::Internal(_), _) => false,
        (Address::Ip(remote), local) => {
            let is_loopback = match remote.ip() {
                IpAddr::V4(ip) => ip == Ipv4Addr::LOCALHOST,
                IpAddr::V6(ip) => ip.is_loopback(),
            };
            is_loopback || matches!(local, Address::Ip(local) if local.ip() == remote.ip())
        }
    }
}

impl FilterChainMatcher {
    /// Compiles the criteria of all chains but the default one.
    ///
    /// # Errors
    /// An address that is none, or two chains that would take the same connection.
    pub fn compile(chains: &[FilterChain]) -> Result<Self, String> {
        let mut ports = ByPort::default();
        for (place, chain) in chains.iter().enumerate() {
            add(&mut ports, chain, place).map_err(|text| match chain.name.as_str() {
                "" => format!("filter chain {}: {text}", place + 1),
                name => format!("filter chain '{name}': {text}"),
            })?;
        }
        let only = chains.len() == 1 && chains.iter().all(takes_everything);
        Ok(FilterChainMatcher(if only { Chains::Only } else { Chains::Matched(Box::new(ports)) }))
    }

    /// Compiles a tree in the place of criteria, which then do not count.
    ///
    /// # Errors
    /// An address or a pattern that is none.
    pub fn compile_tree(
        model: &TreeModel,
        chains: &[FilterChain],
        registry: &Registry,
    ) -> Result<Self, String> {
        let place = |name: &String| chains.iter().position(|chain| chain.name == *name);
        let tree = MatchTree::compile(&model.tree)?;
        tree.open_stats(registry);
        let places = model.names.iter().map(place).collect();
        Ok(FilterChainMatcher(Chains::Tree(Box::new(Tree { tree, places }))))
    }

    /// The connection's chain.
    #[inline]
    #[must_use]
    pub fn find(&self, facts: &ConnectionFacts<'_>) -> Found {
        match &self.0 {
            Chains::Only => Found::Chain(0),
            Chains::Matched(ports) => find(ports, facts).map_or(Found::Default, Found::Chain),
            Chains::Tree(tree) => tree.find(facts),
        }
    }
}

impl Tree {
    fn find(&self, facts: &ConnectionFacts<'_>) -> Found {
        let protocols: Vec<_> = facts.application_protocols.iter().map(|name| format!("'{name}'")).collect();
        let connection = ConnectionData {
            local: facts.local,
            remote: facts.remote,
            direct_remote: facts.direct_remote,
            server_name: facts.server_name,
            transport_protocol: facts.transport_protocol,
            application_protocols: &protocols.join(","),
            filter_state: VisibleState { stream: None, connection: Some(facts.filter_state) },
            tls: None,
        };
        let data = MatchingData { connection: Some(connection), ..MatchingData::default() };
        match self.tree.find(&data, &mut |_| ()) {
            Outcome::Action(index) => {
                self.places.get(index).copied().flatten().map_or(Found::Nowhere, Found::Chain)
            }
            Outcome::NoMatch | Outcome::InsufficientData => Found::Default,
        }
    }
}

fn find(ports: &ByPort, facts: &ConnectionFacts<'_>) -> Option<usize> {
    ports
        .find(facts.local.port().as_ref())?
        .find(facts.local)?
        .find(facts.server_name)?
        .find(Some(facts.transport_protocol))?
        .find_any(facts.application_protocols)?
        .find(facts.direct_remote)?
        .find(facts)?
        .find(facts.remote)?
        .find(facts.remote.port().as_ref())
        .copied()?
}

fn takes_everything(chain: &FilterChain) -> bool {
    let matching = &chain.matching;
    matching.destination_port.is_none()
        && matching.prefix_ranges.is_empty()
        && matching.direct_source_prefix_ranges.is_empty()
        && matching.source_type == SourceType::Any
        && matching.source_prefix_ranges.is_empty()
        && matching.source_ports.is_empty()
        && matching.transport_protocol.is_empty()
        && matching.server_names.is_empty()
        && matching.application_protocols.is_empty()
}

fn add(ports: &mut ByPort, chain: &FilterChain, place: usize) -> Result<(), String> {
    let matching = &chain.matching;
    let destinations = ports.entry(matching.destination_port);
    let protocol = Some(matching.transport_protocol.as_str()).filter(|protocol| !protocol.is_empty());
    let direct_sources = ranges(&matching.direct_source_prefix_ranges)?;
    let sources = ranges(&matching.source_prefix_ranges)?;
    let source_ports = alternatives(matching.source_ports.iter().copied());
    let server_names = texts(&matching.server_names);
    let application_protocols = texts(&matching.application_protocols);
    for destination in ranges(&matching.prefix_ranges)? {
        let by_name = destinations.entry(destination);
        for name in &server_names {
            let by_transport = by_name.entry(*name).entry(protocol.map(Box::from));
            for application_protocol in &application_protocols {
                let by_direct = by_transport.entry(application_protocol.map(Box::from));
                for direct_source in &direct_sources {
                    let by_source = by_direct.entry(*direct_source).entry(matching.source_type);
                    take(by_source, &sources, &source_ports, place)?;
                }
            }
        }
    }
    Ok(())
}

fn take(
    by_source: &mut BySource,
    sources: &[Option<IpRange>],
    ports: &[Option<u16>],
    place: usize,
) -> Result<(), String> {
    for source in sources {
        for port in ports {
            let taken = by_source.entry(*source).entry(*port);
            if taken.is_some() {
                return Err("its matching rules overlap with those of a chain before it".to_owned());
            }
            *taken = Some(place);
        }
    }
    Ok(())
}

/// The empty text stands for any.
fn texts(texts: &[String]) -> Vec<Option<&str>> {
    let texts = texts.iter().map(String::as_str).map(|text| Some(text).filter(|text| !text.is_empty()));
    let mut texts: Vec<_> = texts.collect();
    if texts.is_empty() {
        texts.push(None);
    }
    texts
}

/// The values that will do: each of them, or none where anything will.
fn alternatives<T>(values: impl Iterator<Item = T>) -> Vec<Option<T>> {
    let mut alternatives: Vec<_> = values.map(Some).collect();
    if alternatives.is_empty() {
        alternatives.push(None);
    }
    alternatives
}

fn ranges(ranges: &[CidrRange]) -> Result<Vec<Option<IpRange>>, String> {
    let ranges: Vec<_> = ranges.iter().map(IpRange::compile).collect::<Result<_, _>>()?;
    Ok(alternatives(ranges.into_iter()))
}

#[cfg(test)]
#[path = "filter_chain_tests.rs"]
mod tests;
