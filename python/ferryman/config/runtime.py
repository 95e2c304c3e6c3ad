"""The runtime: switches that may be changed while the process runs. Not built: only empty layers pass.

Owns LayeredRuntime and the refusal of every key in it.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/operations/runtime
"""

from __future__ import annotations

from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields, refuse

_LAYERED_RUNTIME = Fields("envoy.config.bootstrap.v3.LayeredRuntime", checked={"layers": "without keys"})
_LAYER = Fields(
    "envoy.config.bootstrap.v3.RuntimeLayer",
    checked={"name": "any, once", "static_layer": "an empty one"},
    no_effect={"admin_layer": "it is empty at start, and the page that would fill it is not built"},
)


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
