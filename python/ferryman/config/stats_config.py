"""How statistics are tagged and which buckets histograms have.

Owns StatsConfig, TagSpecifier and HistogramBucketSettings. Tags without a value of their own are Envoy's
default tags, whose regular expressions the data plane has.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/metrics/v3/stats.proto
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields
from ferryman.config.matcher import lower_string_matcher
from ferryman.config.native_checks import check_regex

_STATS_CONFIG = Fields(
    "envoy.config.metrics.v3.StatsConfig",
    "stats_tags use_all_default_tags histogram_bucket_settings stats_matcher allow_default_tag_overrides",
)
_TAG_SPECIFIER = Fields("envoy.config.metrics.v3.TagSpecifier", "tag_name regex fixed_value")
_HISTOGRAM = Fields(
    "envoy.config.metrics.v3.HistogramBucketSettings",
    "match buckets",
    no_effect={"bins": "it is how much memory a histogram begins with"},
)
_STATS_MATCHER = Fields("envoy.config.metrics.v3.StatsMatcher", "reject_all exclusion_list inclusion_list")
_STRINGS = Fields("envoy.type.matcher.v3.ListStringMatcher", "patterns")

_DEFAULT_TAGS: Final = """
cipher_suite envoy.clientssl_prefix envoy.cluster_name envoy.connection_limit_prefix
envoy.dns_filter_prefix envoy.dynamo_operation envoy.dynamo_partition_id envoy.dynamo_table
envoy.ext_authz_prefix envoy.fault_downstream_cluster envoy.google_grpc_client_prefix
envoy.grpc_bridge_method envoy.grpc_bridge_service envoy.health_check_name envoy.http_conn_manager_prefix
envoy.http_user_agent envoy.listener_address envoy.local_http_ratelimit_prefix
envoy.local_listener_ratelimit_prefix envoy.local_network_ratelimit_prefix envoy.mongo_callsite
envoy.mongo_cmd envoy.mongo_collection envoy.mongo_prefix envoy.proxy_protocol_prefix
envoy.proxy_protocol_version envoy.ratelimit_prefix envoy.rbac_http_prefix envoy.rbac_policy_name
envoy.rbac_prefix envoy.rds_route_config envoy.redis_prefix envoy.response_code envoy.response_code_class
envoy.route envoy.scoped_rds_config envoy.ssl_cipher envoy.ssl_curve envoy.ssl_sigalg envoy.ssl_version
envoy.tcp_prefix envoy.thrift_prefix envoy.tls_certificate envoy.udp_prefix envoy.virtual_cluster
envoy.virtual_host envoy.worker_id envoy.xds_resource_name
"""
DEFAULT_TAGS: Final = frozenset(_DEFAULT_TAGS.split())
"""The names of Envoy's default tags."""


def lower_stats_config(
    cursor: Cursor, universal_tags: Iterable[tuple[str, str]] = (), *, deferred_creation: bool = False
) -> model.StatsConfig:
    """A StatsConfig; an empty one when it is not set. `universal_tags` come from the command line."""
    fields = _STATS_CONFIG.read(cursor)
    use_defaults = fields.get("use_all_default_tags")
    universal = [
        model.TagSpecifier(tag_name=name, regex=None, fixed_value=value) for name, value in universal_tags
    ]
    specified = [_lower_tag(item) for item in cursor.items("stats_tags")]
    tags = universal + [tag for tag in specified if tag.tag_name]
    return model.StatsConfig(
        tags=tags,
        use_all_default_tags=True if use_defaults is None else use_defaults.value,
        allow_default_tag_overrides=bool(cursor.wrapped("allow_default_tag_overrides")),
        matcher=lower_stats_matcher(cursor) if "stats_matcher" in fields else None,
        deferred_creation=deferred_creation,
        histogram_buckets=[_lower_histogram(item) for item in cursor.items("histogram_bucket_settings")],
    )


def lower_stats_matcher(cursor: Cursor) -> model.StatsMatcher:
    """The `stats_matcher` of the message at the cursor."""
    matcher = cursor.child("stats_matcher")
    fields = _STATS_MATCHER.read(matcher)
    if "reject_all" in fields:
        return model.AllStats(accepted=not fields["reject_all"])
    if "inclusion_list" in fields:
        return model.IncludedStats(patterns=_lower_strings(matcher.child("inclusion_list")))
    return model.ExcludedStats(patterns=_lower_strings(matcher.child("exclusion_list")))


def _lower_strings(cursor: Cursor) -> list[model.StringMatcher]:
    _STRINGS.read(cursor)
    return [lower_string_matcher(item) for item in cursor.items("patterns")]


def _lower_tag(cursor: Cursor) -> model.TagSpecifier:
    fields = _TAG_SPECIFIER.read(cursor)
    name = fields.get("tag_name", "")
    regex = fields.get("regex") or None
    if not name and "fixed_value" in fields:
        cursor.warn("has no effect: a tag without a name")
    elif not name:
        cursor.problem("is required", field="tag_name", code="required")
    elif regex is not None:
        check_regex(cursor, regex)
    elif "fixed_value" not in fields and name not in DEFAULT_TAGS:
        _report_unknown_tag(cursor, name)
    return model.TagSpecifier(tag_name=name, regex=regex, fixed_value=fields.get("fixed_value"))


def _report_unknown_tag(cursor: Cursor, name: str) -> None:
    near = difflib.get_close_matches(name, DEFAULT_TAGS, n=1)
    hint = f"did you mean {near[0]}?" if near else "give it a regex or a fixed_value"
    cursor.problem(f"`{name}` is none of the default tags", hint, "tag_name")


def _lower_histogram(cursor: Cursor) -> model.HistogramBuckets:
    fields: dict[str, Any] = _HISTOGRAM.read(cursor)
    return model.HistogramBuckets(
        match=lower_string_matcher(cursor.child("match")), buckets=sorted(fields.get("buckets", ()))
    )
