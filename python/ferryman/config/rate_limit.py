"""Rate limit actions: what a request says of itself to rate limits.

Owns RateLimit, of routes and virtual hosts and of filters that have their own, with its actions. What becomes
of the descriptors is the business of the filters.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/route/v3/route_components.proto#config-route-v3-ratelimit
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ferryman.config import match_input, model
from ferryman.config.extensions import open_extension
from ferryman.config.fields import Fields, refuse, word
from ferryman.config.filter_state_matcher import lower_address_matcher
from ferryman.config.format import lower_format
from ferryman.config.matcher import lower_header_matcher, lower_query_parameter_matcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from ferryman.config.cursor import Cursor

_TYPE: Final = "envoy.config.route.v3.RateLimit"
_SERVICE: Final = "it is told to the rate limit service, whose filter is refused"
_STAY: Final = "Envoy 1.40 takes it as it is, without formats"

_OF_ROUTE = Fields(
    _TYPE,
    "stage disable_key actions x_ratelimit_option",
    no_effect={
        "limit": _SERVICE,
        "hits_addend": "Envoy 1.40 reads it in filters alone",
        "apply_on_stream_done": "Envoy 1.40 reads it in filters alone",
    },
    where="of a route",
)
_NOWHERE: Final = "nothing: only routes and virtual hosts have it"
_OF_FILTER = Fields(
    _TYPE,
    "actions hits_addend apply_on_stream_done x_ratelimit_option",
    checked=dict.fromkeys(("stage", "disable_key", "limit"), _NOWHERE),
    where="of a filter",
)
_HITS = Fields(
    f"{_TYPE}.HitsAddend",
    "number format",
    no_effect={"is_negative_hits": "the local rate limit gives no hits back"},
)
_ACTION = Fields(
    f"{_TYPE}.Action",
    "source_cluster destination_cluster request_headers query_parameters remote_address generic_key"
    " header_value_match metadata extension masked_remote_address query_parameter_value_match"
    " remote_address_match",
)
_PLAIN: Final[dict[str, tuple[Fields, model.RateLimitAction]]] = {
    "source_cluster": (Fields(f"{_TYPE}.Action.SourceCluster"), model.SourceCluster()),
    "destination_cluster": (Fields(f"{_TYPE}.Action.DestinationCluster"), model.DestinationCluster()),
    "remote_address": (Fields(f"{_TYPE}.Action.RemoteAddress"), model.RemoteAddress()),
}
_HEADERS = Fields(f"{_TYPE}.Action.RequestHeaders", "header_name descriptor_key skip_if_absent")
_QUERY = Fields(f"{_TYPE}.Action.QueryParameters", "query_parameter_name descriptor_key skip_if_absent")
_MASKED = Fields(f"{_TYPE}.Action.MaskedRemoteAddress", "v4_prefix_mask_len v6_prefix_mask_len")
_GENERIC = Fields(
    f"{_TYPE}.Action.GenericKey", "descriptor_value descriptor_key", no_effect={"default_value": _STAY}
)
_HEADER_MATCH = Fields(
    f"{_TYPE}.Action.HeaderValueMatch",
    "descriptor_value descriptor_key expect_match headers",
    no_effect={"default_value": _STAY},
)
_QUERY_MATCH = Fields(
    f"{_TYPE}.Action.QueryParameterValueMatch",
    "descriptor_value descriptor_key expect_match query_parameters",
    no_effect={"default_value": _STAY},
)
_ADDRESS_MATCH = Fields(
    f"{_TYPE}.Action.RemoteAddressMatch", "descriptor_value default_value descriptor_key address_matcher"
)
_METADATA = Fields(
    f"{_TYPE}.Action.MetaData", "descriptor_key metadata_key default_value source skip_if_absent"
)
_METADATA_KEY = Fields("envoy.type.metadata.v3.MetadataKey", "key path")
_METADATA_STEP = Fields("envoy.type.metadata.v3.MetadataKey.PathSegment", "key")
_EXTENSION = Fields("envoy.config.core.v3.TypedExtensionConfig", "name typed_config", where="of a rate limit")

_OPTIONS: Final[dict[int, bool | None]] = {0: None, 1: False, 2: True}
_SOURCES: Final = ("dynamic", "route_entry", "cluster_entry")


def lower_route_rate_limits(cursor: Cursor, fields: dict[str, Any]) -> list[model.RateLimit]:
    """The `rate_limits` of a route or virtual host."""
    items = cursor.items("rate_limits") if "rate_limits" in fields else []
    return [_lower(item, _OF_ROUTE.read(item), {}) for item in items]


def lower_filter_rate_limits(cursor: Cursor, fields: dict[str, Any]) -> list[model.RateLimit]:
    """The `rate_limits` of a filter; those that count when the stream is done do nothing in a local one."""
    lowered = []
    for item in cursor.items("rate_limits") if "rate_limits" in fields else []:
        read = _OF_FILTER.read(item)
        for name in {"stage", "disable_key", "limit"} & read.keys():
            item.problem("has no place here", "only routes and virtual hosts have it", name)
        limit = _lower(item, read, read)
        if not read.get("apply_on_stream_done", False):
            lowered.append(limit)
    return lowered


def _lower(cursor: Cursor, fields: dict[str, Any], with_hits: dict[str, Any]) -> model.RateLimit:
    hits, hits_format = 1, None
    if "hits_addend" in with_hits:
        hits, hits_format = _hits(cursor.child("hits_addend"))
    actions = [_action(item) for item in cursor.items("actions")]
    return model.RateLimit(
        stage=fields["stage"].value if "stage" in fields else 0,
        disable_key=fields.get("disable_key", ""),
        actions=[action for action in actions if action is not None],
        hits=hits,
        hits_format=hits_format,
        x_ratelimit_headers=_OPTIONS.get(fields.get("x_ratelimit_option", 0)),
    )


def _hits(cursor: Cursor) -> tuple[int, model.Format | None]:
    fields = _HITS.read(cursor)
    if ("number" in fields) == ("format" in fields):
        cursor.problem("either number or format must be set", "without hits_addend, each request is one hit")
        return 1, None
    if "number" in fields:
        return fields["number"].value, None
    parts = lower_format(cursor, fields["format"], "format")
    if len(parts) != 1:
        cursor.problem("must be one command operator, and nothing else", field="format")
    return 1, parts


def _action(cursor: Cursor) -> model.RateLimitAction | None:
    fields = _ACTION.read(cursor)
    for name, (declared, action) in _PLAIN.items():
        if name in fields:
            declared.read(cursor.child(name))
            return action
    for name, lower in _LOWER.items():
        if name in fields:
            return lower(cursor.child(name))
    return None  # refused, or a rule of the schema reports it


def _request_headers(cursor: Cursor) -> model.RateLimitAction:
    fields = _HEADERS.read(cursor)
    return model.RequestHeader(
        header=fields.get("header_name", "").lower(),
        key=fields.get("descriptor_key", ""),
        skip_if_absent=fields.get("skip_if_absent", False),
    )


def _query_parameters(cursor: Cursor) -> model.RateLimitAction:
    fields = _QUERY.read(cursor)
    return model.QueryParameter(
        name=fields.get("query_parameter_name", ""),
        key=fields.get("descriptor_key", ""),
        skip_if_absent=fields.get("skip_if_absent", False),
    )


def _masked_remote_address(cursor: Cursor) -> model.RateLimitAction:
    fields = _MASKED.read(cursor)
    v4, v6 = fields.get("v4_prefix_mask_len"), fields.get("v6_prefix_mask_len")
    return model.MaskedRemoteAddress(
        v4_prefix_len=32 if v4 is None else v4.value, v6_prefix_len=128 if v6 is None else v6.value
    )


def _generic_key(cursor: Cursor) -> model.RateLimitAction:
    fields = _GENERIC.read(cursor)
    return model.GenericKey(
        key=fields.get("descriptor_key") or "generic_key", value=fields.get("descriptor_value", "")
    )


def _expect_match(fields: dict[str, Any]) -> bool:
    return fields["expect_match"].value if "expect_match" in fields else True


def _header_value_match(cursor: Cursor) -> model.RateLimitAction:
    fields = _HEADER_MATCH.read(cursor)
    return model.HeaderValueMatch(
        key=fields.get("descriptor_key") or "header_match",
        value=fields.get("descriptor_value", ""),
        expect_match=_expect_match(fields),
        headers=[lower_header_matcher(item) for item in cursor.items("headers")],
    )


def _query_value_match(cursor: Cursor) -> model.RateLimitAction:
    fields = _QUERY_MATCH.read(cursor)
    return model.QueryValueMatch(
        key=fields.get("descriptor_key") or "query_match",
        value=fields.get("descriptor_value", ""),
        expect_match=_expect_match(fields),
        query_parameters=[lower_query_parameter_matcher(item) for item in cursor.items("query_parameters")],
    )


def _remote_address_match(cursor: Cursor) -> model.RateLimitAction:
    fields = _ADDRESS_MATCH.read(cursor)
    address = lower_address_matcher(cursor.child("address_matcher"))
    return model.RemoteAddressMatch(
        key=fields.get("descriptor_key") or "remote_address_match",
        value=lower_format(cursor, fields.get("descriptor_value", ""), "descriptor_value"),
        default_value=lower_format(cursor, fields.get("default_value", ""), "default_value"),
        ranges=address.ranges,
        invert=address.invert,
    )


def _metadata(cursor: Cursor) -> model.RateLimitAction | None:
    fields = _METADATA.read(cursor)
    source = fields.get("source", 0)
    if source >= len(_SOURCES):
        refuse(cursor, "source CLUSTER_LOCALITY_ENTRY is not supported yet", field="source")
        return None
    key = cursor.child("metadata_key")
    read = _METADATA_KEY.read(key) if "metadata_key" in fields else {}
    steps = key.items("path") if "path" in read else []
    return model.MetadataAction(
        source=word(cursor, "source", _SOURCES),
        key=fields.get("descriptor_key", ""),
        namespace=read.get("key", ""),
        path=[_METADATA_STEP.read(step).get("key", "") for step in steps],
        default_value=fields.get("default_value", ""),
        skip_if_absent=fields.get("skip_if_absent", False),
    )


def _extension(cursor: Cursor) -> model.RateLimitAction | None:
    fields = _EXTENSION.read(cursor)
    inputs = {**match_input.HTTP, **match_input.COMMON}
    opened = open_extension(cursor, match_input.HTTP_CATEGORY, inputs)
    if opened is None:
        return None
    inner, lower = opened
    return model.InputAction(key=fields.get("name", ""), input=lower(inner))


_LOWER: Final[dict[str, Callable[[Cursor], model.RateLimitAction | None]]] = {
    "request_headers": _request_headers,
    "query_parameters": _query_parameters,
    "masked_remote_address": _masked_remote_address,
    "generic_key": _generic_key,
    "header_value_match": _header_value_match,
    "query_parameter_value_match": _query_value_match,
    "remote_address_match": _remote_address_match,
    "metadata": _metadata,
    "extension": _extension,
}
