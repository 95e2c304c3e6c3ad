"""Which cluster a route forwards to: by name, by a header, by weight, or as a plugin says.

Owns the oneof `cluster_specifier` of RouteAction, WeightedCluster and ClusterSpecifierPlugin. That the
clusters exist is checked by `references.py`, unless the route table says otherwise; those of a plugin need
not.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/route/v3/route_components.proto#config-route-v3-routeaction
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from ferryman.api import extensions as known
from ferryman.config import header, match_input, model
from ferryman.config.extensions import open_extension
from ferryman.config.fields import Fields
from ferryman.config.match_tree import MatchContext, lower_match_tree
from ferryman.config.route_filter_config import lower_filter_configs

if TYPE_CHECKING:
    from ferryman.config.cursor import Cursor
    from ferryman.config.references import References

FIELDS: Final = (
    "cluster cluster_header weighted_clusters cluster_specifier_plugin inline_cluster_specifier_plugin"
)
"""The fields of a RouteAction that are read here."""
CATEGORY: Final = "envoy.router.cluster_specifier_plugin"

_WEIGHTED = Fields(
    "envoy.config.route.v3.WeightedCluster",
    "clusters header_name runtime_key_prefix",
    no_effect={
        "total_weight": "Envoy 1.40 takes the sum of the weights",
        "use_hash_policy": "hash_policy, which it reads, is refused; without one, chance decides",
    },
)
_CLUSTER_WEIGHT = Fields(
    "envoy.config.route.v3.WeightedCluster.ClusterWeight",
    f"name cluster_header weight host_rewrite_literal typed_per_filter_config {header.FIELDS}",
    no_effect={"metadata_match": "subset load balancing, which reads it, is not built"},
)
_PLUGIN = Fields(
    "envoy.config.route.v3.ClusterSpecifierPlugin",
    "extension is_optional",
    partly={"is_optional": "what Envoy skips is skipped; a plugin that is not built is refused all the same"},
)
_EXTENSION = Fields(
    "envoy.config.core.v3.TypedExtensionConfig",
    "name typed_config",
    where="of a cluster specifier plugin",
)
_PLUGINS: Final = "envoy.extensions.router.cluster_specifiers"
_MATCHER = Fields(f"{_PLUGINS}.matcher.v3.MatcherClusterSpecifier", "cluster_matcher")
_CLUSTER_ACTION = Fields(f"{_PLUGINS}.matcher.v3.ClusterAction", "cluster")
_MAX_WEIGHT: Final = 2**32 - 1

Plugins = Mapping[str, model.ClusterSpecifier]
"""The plugins of a route table, by the name of their extension."""


def _lower_matcher(cursor: Cursor) -> model.ClusterSpecifier:
    """A match tree whose actions are clusters."""
    _MATCHER.read(cursor)

    def lower_action(action: Cursor) -> str | None:
        opened = open_extension(action, "envoy.matching.action", CLUSTER_ACTIONS)
        return None if opened is None else str(opened[1].read(opened[0]).get("cluster", ""))

    context = MatchContext(match_input.HTTP_CATEGORY, match_input.HTTP, lower_action)
    tree, clusters = lower_match_tree(cursor.child("cluster_matcher"), context)
    return model.ClusterMatcher(tree=tree, clusters=clusters)


BUILT: Final[Mapping[str, Callable[[Cursor], model.ClusterSpecifier]]] = {_MATCHER.message: _lower_matcher}
"""The plugins that are built, by the type of their configuration."""
CLUSTER_ACTIONS: Final = {_CLUSTER_ACTION.message: _CLUSTER_ACTION}
"""The actions of the match trees that choose clusters."""


def lower_plugins(cursor: Cursor) -> Plugins:
    """The plugins of the route table at the cursor; of two with one name the first counts."""
    plugins: dict[str, model.ClusterSpecifier] = {}
    for item in cursor.items("cluster_specifier_plugins"):
        lowered = _lower_plugin(item)
        plugins.setdefault(item.child("extension").get("name"), lowered)
    return plugins


def _lower_plugin(cursor: Cursor) -> model.ClusterSpecifier:
    fields = _PLUGIN.read(cursor)
    extension = cursor.child("extension")
    _EXTENSION.read(extension)
    if fields.get("is_optional", False) and _is_no_plugin(extension):
        extension.warn(
            "is skipped: its type is no cluster specifier plugin", field="typed_config", code="skipped"
        )
        return model.NoCluster()
    opened = open_extension(extension, CATEGORY, BUILT)
    return model.NoCluster() if opened is None else opened[1](opened[0])


def _is_no_plugin(extension: Cursor) -> bool:
    """Whether Envoy knows the type, and not as a plugin."""
    inner = extension.unpack("typed_config") if extension.has("typed_config") else None
    if inner is None:
        return False
    return all(owner.category != CATEGORY for owner in known.by_type().get(inner.type_name, ()))


def lower_cluster_specifier(
    cursor: Cursor, fields: dict[str, Any], references: References | None, plugins: Plugins
) -> model.ClusterSpecifier:
    """What the RouteAction at the cursor, whose set fields are `fields`, says; no `references`: unchecked."""
    if "weighted_clusters" in fields:
        return _weighted_clusters(cursor.child("weighted_clusters"), references)
    if "cluster_header" in fields:
        return model.ClusterHeader(name=fields["cluster_header"].lower())
    if "inline_cluster_specifier_plugin" in fields:
        return _lower_plugin(cursor.child("inline_cluster_specifier_plugin"))
    if "cluster_specifier_plugin" in fields:
        return _named_plugin(cursor, fields["cluster_specifier_plugin"], plugins)
    name: str = fields.get("cluster", "")
    if references is not None:
        references.use_cluster(name, cursor, "cluster")
    return model.ClusterName(name=name)


def _named_plugin(cursor: Cursor, name: str, plugins: Plugins) -> model.ClusterSpecifier:
    plugin = plugins.get(name)
    if plugin is not None:
        return plugin
    listed = ", ".join(f"`{known_name}`" for known_name in plugins)
    cursor.problem(
        f"there is no cluster specifier plugin `{name}`",
        f"the route configuration lists {listed}" if listed else "list it under cluster_specifier_plugins",
        "cluster_specifier_plugin",
        "reference",
    )
    return model.NoCluster()


def _weighted_clusters(cursor: Cursor, references: References | None) -> model.WeightedClusters:
    fields = _WEIGHTED.read(cursor)
    clusters = [_cluster_weight(item, references) for item in cursor.items("clusters")]
    total = sum(cluster.weight for cluster in clusters)
    if clusters and total == 0:
        cursor.problem("the weights must be more than 0 in sum", field="clusters")
    elif total > _MAX_WEIGHT:
        cursor.problem(f"the weights must be at most {_MAX_WEIGHT} in sum", field="clusters")
    header_name = fields.get("header_name", "").lower() or None
    return model.WeightedClusters(
        clusters=clusters,
        header_name=header_name,
        runtime_key_prefix=fields.get("runtime_key_prefix", ""),
    )


def _cluster_weight(cursor: Cursor, references: References | None) -> model.WeightedCluster:
    fields = _CLUSTER_WEIGHT.read(cursor)
    name = fields.get("name", "")
    if name and "cluster_header" in fields:
        cursor.problem("name and cluster_header cannot both be set", "remove one", "name")
    elif not name and "cluster_header" not in fields:
        cursor.problem("name is required", field="name", code="required")
    if "weight" not in fields:
        cursor.problem("weight is required", field="weight", code="required")
    if references is not None:
        references.use_cluster(name, cursor, "name")
    return model.WeightedCluster(
        name=name,
        cluster_header=fields["cluster_header"].lower() if "cluster_header" in fields else None,
        weight=fields["weight"].value if "weight" in fields else 1,
        headers=header.lower_header_mutations(cursor, fields),
        host_rewrite_literal=fields.get("host_rewrite_literal") or None,
        filter_config=lower_filter_configs(cursor, fields),
    )
