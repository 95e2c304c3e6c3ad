"""The runtime: switches that may be changed while the process runs. Not built: only empty layers pass.

Owns LayeredRuntime and the refusal of every key in it.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/operations/runtime
"""

from __future__ import annotations

from typing import Any

from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields, refuse

_LAYERED_RUNTIME = Fields("envoy.config.bootstrap.v3.LayeredRuntime", checked={"layers": "without keys"})
_LAYER = Fields(
    "envoy.config.bootstrap.v3.RuntimeLayer",
    checked={"name": "any, once", "static_layer": "an empty one"},
    no_effect={"admin_layer": "it is empty at start, and the page that would fill it is not built"},
)
_FEATURE_FLAG = Fields(
    "envoy.config.core.v3.RuntimeFeatureFlag",
    "default_value",
    no_effect={"runtime_key": "there is no runtime that could override the default"},
)


def lower_feature_flag(cursor: Cursor, field: str, fields: dict[str, Any]) -> bool:
    """Whether a feature is on; it is when the flag is not set."""
    if field not in fields:
        return True
    flag = _FEATURE_FLAG.read(cursor.child(field))
    return bool(flag["default_value"].value) if "default_value" in flag else True


def check_layered_runtime(cursor: Cursor) -> None:
    """Refuse every layer that holds a key or could."""
    _LAYERED_RUNTIME.read(cursor)
    names: set[str] = set()
    has_admin_layer = False
    for layer in cursor.items("layers"):
        fields = _LAYER.read(layer)
        name = fields.get("name", "")
        if name in names:
            layer.problem(f"there is a layer `{name}` already", field="name", code="duplicate")
        names.add(name)
        if "admin_layer" in fields:
            if has_admin_layer:
                layer.problem("there is an admin layer already", field="admin_layer", code="duplicate")
            has_admin_layer = True
        if "static_layer" in fields:
            for key in sorted(fields["static_layer"].fields):
                refuse(layer.child("static_layer"), f"runtime key {key} is not supported yet", field=key)
