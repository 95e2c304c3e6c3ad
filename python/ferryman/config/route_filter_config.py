"""What routes say to HTTP filters: `typed_per_filter_config`, on each of its four levels.

Owns the map and FilterConfig, which may stand around a filter's own message. What that message means is the
filter's business (`config/filters/http`); that the most specific level wins is the data plane's.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/http_filters
"""

from __future__ import annotations

from typing import Any, Final

from ferryman.api import extensions as known
from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.extensions import refuse_type
from ferryman.config.fields import Fields
from ferryman.config.filters.http import BUILT, BUILT_PER_ROUTE, is_no_http_filter, set_metadata

_FILTER_CONFIG = Fields(
    "envoy.config.route.v3.FilterConfig",
    "config disabled",
    checked={
        "is_optional": "what Envoy skips is skipped; a filter that is not built is refused all the same",
    },
)
_CATEGORY: Final = "envoy.filters.http"
_UNREAD: Final = (set_metadata.TYPE,)
"""The filters that read nothing of what routes say to them, though it may be said."""


def lower_filter_configs(cursor: Cursor, fields: dict[str, Any]) -> list[model.RouteFilterConfig]:
    """The `typed_per_filter_config` of the message at `cursor`, whose set fields are `fields`."""
    if "typed_per_filter_config" not in fields:
        return []
    entries = cursor.map_items("typed_per_filter_config")
    lowered = [_lower_entry(name, entry) for name, entry in entries]
    return [config for config in lowered if config is not None]


def _lower_entry(name: str, entry: Cursor) -> model.RouteFilterConfig | None:
    inner = entry.unpack()
    if inner is None:
        if not entry.get("type_url"):
            entry.problem("has no @type", "it is what Envoy finds an extension by")
        return None
    if inner.type_name != _FILTER_CONFIG.message:
        return _with_config(name, entry, inner)
    fields = _FILTER_CONFIG.read(inner)
    if fields.get("disabled", False):
        # As in Envoy, what else it says is not looked at.
        return model.RouteFilterConfig(filter_name=name, disabled=True, config=None)
    if "config" not in fields:
        inner.problem("is empty", "set disabled: true, or config, or remove it")
        return None
    if "is_optional" in fields and is_no_http_filter(inner, fields, "config"):
        inner.warn("is skipped: its type is no HTTP filter", field="is_optional", code="skipped")
        return None
    config = inner.unpack("config")
    if config is None:
        # An empty Any says nothing but that the filter is on.
        return model.RouteFilterConfig(filter_name=name, disabled=False, config=None)
    return _with_config(name, inner, config)


def _with_config(name: str, holder: Cursor, config: Cursor) -> model.RouteFilterConfig | None:
    field = "config" if holder.type_name == _FILTER_CONFIG.message else None
    lower = BUILT_PER_ROUTE.get(config.type_name)
    if lower is not None:
        return model.RouteFilterConfig(filter_name=name, disabled=False, config=lower(config))
    if config.type_name in _UNREAD:
        hint = "Envoy 1.40 takes it here and goes by the filter's own all the same"
        holder.warn("has no effect", hint, field, "no-effect")
        return None
    if config.type_name in BUILT:
        owner = next(owner for owner in known.by_type()[config.type_name] if owner.category == _CATEGORY)
        holder.problem(
            f"{owner.name} takes no configuration on virtual hosts or routes", "remove it", field, "extension"
        )
        return None
    refuse_type(holder, _CATEGORY, config.type_name, field)
    return None
