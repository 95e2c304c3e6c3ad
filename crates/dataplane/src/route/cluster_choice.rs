//! Which cluster a route forwards a request to.
//!
//! Owns: the choice by name, header, weight or match tree. Does not own: the clusters, nor what happens when there is none
//! of the name.
//! Follows Envoy's `RouteAction.cluster_specifier` and `envoy.router.cluster_specifier_plugin.matcher`.

use std::borrow::Cow;

use ferryman_codec::{HeaderBlock, HeaderName};

use crate::decimal;
use crate::filters::http::RouteFilters;
use crate::header_mutation::HeaderMutations;
use crate::header_name;
use crate::matcher::input::MatchingData;
use crate::matcher::tree::{MatchTree, Outcome};
use crate::model;
use crate::runtime::RuntimeKey;
use crate::stats::Registry;

use super::Resolve;
use super::condition::Circumstances;

/// A cluster that the configuration names, with its place among the snapshot's clusters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterName {
    /// The name.
    pub name: Box<str>,
    /// The place; none when there is no such cluster.
    pub slot: Option<u32>,
}

impl ClusterName {
    fn resolve(name: &str, resolve: Resolve<'_>) -> Self {
        ClusterName { name: name.into(), slot: resolve(name) }
    }
}

/// One of a route's weighted clusters.
#[derive(Debug)]
pub struct WeightedCluster {
    /// Which cluster; empty where a header names it.
    pub cluster: ClusterName,
    header: Option<HeaderName>,
    weight: u32,
    /// The sum of the weights up to this one.
    weights_so_far: u64,
    /// Where the runtime may set another weight.
    runtime_weight: RuntimeKey,
    pub(super) headers: HeaderMutations,
    pub(super) host_rewrite: Option<Box<[u8]>>,
    /// The HTTP filters that are on for it, and what they are told, where that differs from the route's.
    pub filters: Option<RouteFilters>,
    /// The same for each list of HTTP filters that an upgrade has of its own.
    pub upgrade_filters: Vec<Option<RouteFilters>>,
}

/// What was chosen for one request.
#[derive(Debug, Clone)]
pub struct ClusterChoice<'a> {
    /// The cluster's name; empty when a header was to name it and is not there.
    pub name: Cow<'a, str>,
    /// Its place among the snapshot's clusters. A name that came in a header is still to be looked up.
    pub slot: Option<u32>,
    /// Whether the name came in a header.
    pub from_header: bool,
    /// The weighted cluster with its own header edits, if it was one.
    pub weighted: Option<&'a WeightedCluster>,
}

#[derive(Debug)]
pub(super) enum ClusterSpecifier {
    Cluster(ClusterName),
    ClusterHeader(HeaderName),
    WeightedClusters(WeightedClusters),
    Matcher(MatchTree, Vec<ClusterName>),
    /// What was to choose is not there.
    Nothing,
}

/// Several clusters, each taken as often as its weight says.
#[derive(Debug)]
pub(super) struct WeightedClusters {
    pub(super) clusters: Vec<WeightedCluster>,
    header: Option<HeaderName>,
    /// Whether the runtime may set weights.
    from_runtime: bool,
}

impl WeightedClusters {
    fn compile(
        clusters: &[model::route::WeightedCluster],
        header_name: Option<&str>,
        runtime_key_prefix: &str,
        resolve: Resolve<'_>,
    ) -> Result<Self, String> {
        let total: u64 = clusters.iter().map(|cluster| u64::from(cluster.weight)).sum();
        if total == 0 || total > u64::from(u32::MAX) {
            return Err(format!("the weights' sum is {total}; it must be from 1 to {}", u32::MAX));
        }
        let from_runtime = !runtime_key_prefix.is_empty();
        let mut weights_so_far = 0;
        let compile = |cluster: &model::route::WeightedCluster| {
            weights_so_far += u64::from(cluster.weight);
            let key =
                if from_runtime { format!("{runtime_key_prefix}.{}", cluster.name) } else { String::new() };
            Ok(WeightedCluster {
                cluster: ClusterName::resolve(&cluster.name, resolve),
                header: cluster.cluster_header.as_deref().map(header_name::parse).transpose()?,
                weight: cluster.weight,
                weights_so_far,
                runtime_weight: RuntimeKey::new(&key),
                headers: HeaderMutations::compile(&cluster.headers)?,
                host_rewrite: super::non_empty(cluster.host_rewrite_literal.as_deref()),
                filters: None,
                upgrade_filters: Vec::new(),
            })
        };
        Ok(WeightedClusters {
            clusters: clusters.iter().map(compile).collect::<Result<_, String>>()?,
            header: header_name.map(header_name::parse).transpose()?,
            from_runtime,
        })
    }

    #[inline]
    fn choose(&self, request: &HeaderBlock, random: u64) -> Option<&WeightedCluster> {
        let number = self.header.as_ref().and_then(|header| only_number(request, header)).unwrap_or(random);
        if self.from_runtime {
            return self.choose_by_runtime(number);
        }
        let total = self.clusters.last().map_or(1, |last| last.weights_so_far);
        let chosen = number.checked_rem(total).unwrap_or_default();
        self.clusters.get(self.clusters.partition_point(|cluster| cluster.weights_so_far <= chosen))
    }

    /// By the weights as they are now.
    fn choose_by_runtime(&self, number: u64) -> Option<&WeightedCluster> {
        let weights = || self.clusters.iter().map(WeightedCluster::weight);
        let total = weights().fold(0, u64::saturating_add);
        if total > u64::from(u32::MAX) {
            return None;
        }
        let mut chosen = number.checked_rem(total)?;
        self.clusters.iter().zip(weights()).find_map(|(cluster, weight)| {
            let is_chosen = chosen < weight;
            chosen = chosen.saturating_sub(weight);
            is_chosen.then_some(cluster)
        })
    }
}

impl WeightedCluster {
    fn weight(&self) -> u64 {
        self.runtime_weight.integer(self.weight.into())
    }
}

impl ClusterSpecifier {
    pub(super) fn compile(
        specifier: &model::route::ClusterSpecifier,
        resolve: Resolve<'_>,
    ) -> Result<Self, String> {
        use model::route::ClusterSpecifier as Model;
        Ok(match specifier {
            Model::Cluster { name } => Self::Cluster(ClusterName::resolve(name, resolve)),
            Model::ClusterHeader { name } => Self::ClusterHeader(header_name::parse(name)?),
            Model::WeightedClusters { clusters, header_name, runtime_key_prefix } => {
                let header_name = header_name.as_deref();
                let clusters = WeightedClusters::compile(clusters, header_name, runtime_key_prefix, resolve)?;
                Self::WeightedClusters(clusters)
            }
            Model::Matcher { tree, clusters } => {
                let clusters = clusters.iter().map(|name| ClusterName::resolve(name, resolve)).collect();
                Self::Matcher(MatchTree::compile(tree)?, clusters)
            }
            Model::None {} => Self::Nothing,
        })
    }

    /// Opens the statistics that its matchers have.
    pub(super) fn open_stats(&self, registry: &Registry) {
        if let Self::Matcher(tree, _) = self {
            tree.open_stats(registry);
        }
    }

    /// Weighted clusters share out all values of the random number. None, when the runtime took all weights away or made
    /// their sum too large, and where nothing is there that could choose.
    #[inline]
    pub(super) fn choose(
        &self,
        request: &HeaderBlock,
        known: Circumstances<'_>,
    ) -> Option<ClusterChoice<'_>> {
        Some(match self {
            Self::Cluster(cluster) => ClusterChoice::fixed(cluster, None),
            Self::ClusterHeader(header) => ClusterChoice::named_by(header, request, None),
            Self::WeightedClusters(clusters) => {
                let weighted = clusters.choose(request, known.random)?;
                match &weighted.header {
                    Some(header) => ClusterChoice::named_by(header, request, Some(weighted)),
                    None => ClusterChoice::fixed(&weighted.cluster, Some(weighted)),
                }
            }
            Self::Matcher(tree, clusters) => match found(tree, request, known) {
                Some(place) => ClusterChoice::fixed(clusters.get(place)?, None),
                None => ClusterChoice::of_no_name(),
            },
            Self::Nothing => return None,
        })
    }
}

impl<'a> ClusterChoice<'a> {
    fn named_by(header: &HeaderName, request: &HeaderBlock, weighted: Option<&'a WeightedCluster>) -> Self {
        let name = String::from_utf8_lossy(request.get_name(header).unwrap_or_default()).into_owned();
        ClusterChoice { name: Cow::Owned(name), slot: None, from_header: true, weighted }
    }

    /// As a header names that is not there, but nothing is looked up.
    fn of_no_name() -> Self {
        ClusterChoice { name: Cow::Borrowed(""), slot: None, from_header: false, weighted: None }
    }

    fn fixed(cluster: &'a ClusterName, weighted: Option<&'a WeightedCluster>) -> Self {
        ClusterChoice { name: Cow::Borrowed(&cluster.name), slot: cluster.slot, from_header: false, weighted }
    }
}

/// The place of the cluster that the tree finds.
fn found(tree: &MatchTree, request: &HeaderBlock, known: Circumstances<'_>) -> Option<usize> {
    let data = MatchingData {
        request_headers: Some(request),
        connection: known.connection,
        ..MatchingData::default()
    };
    match tree.find(&data, &mut |_| ()) {
        Outcome::Action(place) => Some(place),
        Outcome::NoMatch | Outcome::InsufficientData => None,
    }
}

/// The number in the header, when there is exactly one such field.
fn only_number(request: &HeaderBlock, header: &HeaderName) -> Option<u64> {
    let mut values = request.get_all(header);
    let value = values.next()?;
    values.next().is_none().then(|| decimal::parse(value))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::route::{ClusterSpecifier as Model, HeaderMutations as NoEdits};

    fn resolve(name: &str) -> Option<u32> {
        ["a", "b", "c"].iter().position(|known| *known == name).and_then(|slot| u32::try_from(slot).ok())
    }

    fn weighted(weights: &[(&str, u32)], header_name: Option<&str>) -> Result<ClusterSpecifier, String> {
        let cluster = |&(name, weight): &(&str, u32)| crate::model::route::WeightedCluster {
            name: name.to_owned(),
            cluster_header: None,
            weight,
            headers: NoEdits::default(),
            host_rewrite_literal: None,
            filter_config: Vec::new(),
        };
        let clusters = weights.iter().map(cluster).collect();
        let header_name = header_name.map(str::to_owned);
        ClusterSpecifier::compile(
            &Model::WeightedClusters { clusters, header_name, runtime_key_prefix: String::new() },
            &resolve,
        )
    }

    fn of(random: u64) -> Circumstances<'static> {
        Circumstances { random, ..Circumstances::default() }
    }

    fn request(fields: &[(&str, &str)]) -> HeaderBlock {
        let mut request = HeaderBlock::new();
        for (name, value) in fields {
            assert!(request.append_name(&HeaderName::new(name.as_bytes()).expect("name"), value.as_bytes()));
        }
        request
    }

    #[test]
    fn by_name_and_by_header() {
        let named =
            ClusterSpecifier::compile(&Model::Cluster { name: "b".to_owned() }, &resolve).expect("named");
        let choice = named.choose(&HeaderBlock::new(), of(7)).expect("choice");
        assert_eq!((&*choice.name, choice.slot, choice.from_header), ("b", Some(1), false));
        let by_header =
            ClusterSpecifier::compile(&Model::ClusterHeader { name: "X-Cluster".to_owned() }, &resolve)
                .expect("header");
        let head = request(&[("x-cluster", "c"), ("x-cluster", "d")]);
        let choice = by_header.choose(&head, of(7)).expect("choice");
        assert_eq!((&*choice.name, choice.slot, choice.from_header), ("c", None, true));
        assert_eq!(by_header.choose(&HeaderBlock::new(), of(7)).expect("choice").name, "");
    }

    #[test]
    fn by_weight() {
        let clusters = weighted(&[("a", 1), ("b", 0), ("c", 3)], None).expect("weights");
        let none = HeaderBlock::new();
        let names: Vec<_> = (0..8)
            .map(|random| clusters.choose(&none, of(random)).expect("choice").name.into_owned())
            .collect();
        assert_eq!(names.join(""), "acccaccc");
        assert_eq!(
            clusters.choose(&none, of(1)).expect("choice").weighted.map(|cluster| cluster.cluster.slot),
            Some(Some(2))
        );
        assert!(weighted(&[("a", 0)], None).is_err());
        assert!(weighted(&[("a", u32::MAX), ("b", 1)], None).is_err());
    }

    #[test]
    fn the_header_chooses_when_it_is_one_number() {
        let clusters = weighted(&[("a", 1), ("b", 1)], Some("x-random")).expect("weights");
        for (fields, expected) in [
            (&[("x-random", "1")][..], "b"),
            (&[("x-random", "2")], "a"),
            (&[("x-random", "two")], "a"),
            (&[("x-random", "1"), ("x-random", "1")], "a"),
            (&[], "a"),
        ] {
            assert_eq!(
                clusters.choose(&request(fields), of(0)).expect("choice").name,
                expected,
                "{fields:?}"
            );
        }
    }

    #[test]
    fn by_a_match_tree() {
        let tree = serde_json::json!({
            "kind": "exact_match_map",
            "input": {"kind": "header", "part": "request_headers", "name": "x-c"},
            "map": [{"key": "one", "on_match": {"kind": "action", "index": 0, "keep_matching": false}},
                    {"key": "two", "on_match": {"kind": "action", "index": 1, "keep_matching": false}}],
            "on_no_match": null,
        });
        let tree = serde_json::from_value(tree).expect("tree");
        let clusters = vec!["b".to_owned(), "nowhere".to_owned()];
        let chooser =
            ClusterSpecifier::compile(&Model::Matcher { tree, clusters }, &resolve).expect("plugin");
        for (fields, expected) in [
            (&[("x-c", "one")][..], ("b", Some(1))),
            (&[("x-c", "two")], ("nowhere", None)),
            (&[], ("", None)),
        ] {
            let choice = chooser.choose(&request(fields), of(0)).expect("choice");
            assert_eq!((&*choice.name, choice.slot), expected, "{fields:?}");
            assert!(!choice.from_header);
        }
        let skipped = ClusterSpecifier::compile(&Model::None {}, &resolve).expect("nothing");
        assert!(skipped.choose(&request(&[]), of(0)).is_none());
    }
}
