"""The runtime: values by key that may be changed while the process runs.

Owns LayeredRuntime with its layers, and FractionalPercent and the Runtime* messages wherever they stand: one
lowering each. What a value of a file or of admin can be read as is decided where these are read, in
`crates/dataplane/src/runtime/value.rs`.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/operations/runtime
"""

from __future__ import annotations

import math
import os
import re
from typing import Any, Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields

_LAYERED_RUNTIME = Fields("envoy.config.bootstrap.v3.LayeredRuntime", "layers")
_LAYER = Fields("envoy.config.bootstrap.v3.RuntimeLayer", "name static_layer disk_layer admin_layer")
_DISK = Fields(
    "envoy.config.bootstrap.v3.RuntimeLayer.DiskLayer", "symlink_root subdirectory append_service_cluster"
)
_FRACTION = Fields("envoy.type.v3.FractionalPercent", "numerator denominator")
_RUNTIME_FRACTION = Fields("envoy.config.core.v3.RuntimeFractionalPercent", "default_value runtime_key")
_RUNTIME_FLAG = Fields("envoy.config.core.v3.RuntimeFeatureFlag", "default_value runtime_key")
_RUNTIME_UINT32 = Fields("envoy.config.core.v3.RuntimeUInt32", "default_value runtime_key")
_RUNTIME_DOUBLE = Fields("envoy.config.core.v3.RuntimeDouble", "default_value runtime_key")

_DENOMINATORS: Final = (100, 10_000, 1_000_000)
_DENOMINATOR_NAMES: Final = {"HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": 1_000_000}
_DECIMAL: Final = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*")
_HEXADECIMAL: Final = re.compile(r"\s*[+-]?0[xX][0-9a-fA-F]+\s*")
_WITHOUT_EFFECT: Final = {
    "envoy.reloadable_features.": "Ferryman has no such switch",
    "envoy.restart_features.": "Ferryman has no such switch",
    "re2.max_program_size.": "regexes are limited by their compiled size, in another way",
    "upstream.weight_enabled": "Envoy 1.40 does not read it either",
}
"""How the keys begin that do nothing here, and why."""
_MAX_U32: Final = 2**32 - 1


def lower_layered_runtime(cursor: Cursor, service_cluster: str) -> list[model.RuntimeLayer]:
    """The layers of a LayeredRuntime; of a key that several have, the last one counts."""
    _LAYERED_RUNTIME.read(cursor)
    names: set[str] = set()
    layers: list[model.RuntimeLayer] = []
    for item in cursor.items("layers"):
        fields = _LAYER.read(item)
        name = fields.get("name", "")
        if name in names:
            item.problem(f"there is a layer `{name}` already", field="name", code="duplicate")
        names.add(name)
        if "static_layer" in fields:
            entries = _static_entries(item.child("static_layer"), fields["static_layer"])
            layers.append(model.StaticLayer(name=name, entries=entries))
        elif "disk_layer" in fields:
            layers.append(_lower_disk(item.child("disk_layer"), name, service_cluster))
        elif "admin_layer" in fields:
            if any(isinstance(layer, model.AdminLayer) for layer in layers):
                item.problem("there is an admin layer already", field="admin_layer", code="duplicate")
            layers.append(model.AdminLayer(name=name))
    return layers


def _lower_disk(cursor: Cursor, name: str, service_cluster: str) -> model.DiskLayer:
    fields = _DISK.read(cursor)
    root: str = fields.get("symlink_root", "")
    parent = os.path.dirname(root) or "."
    if not root or root.endswith("/"):
        cursor.problem("symlink_root must be the path of a symbolic link", field="symlink_root")
    elif not os.path.isdir(parent):
        cursor.problem(f"cannot watch {root}: there is no folder {parent}", field="symlink_root")
    folder = f"{root}/{fields.get('subdirectory', '')}"
    if fields.get("append_service_cluster"):
        folder = f"{folder}/{service_cluster}"
    return model.DiskLayer(name=name, symlink_root=root, folder=folder)


def _static_entries(cursor: Cursor, struct: Any) -> list[model.RuntimeEntry]:
    """The keys of a static layer; messages in it are parts of keys, unless they are fractional percents."""
    found: dict[str, model.RuntimeEntry] = {}
    for name in sorted(struct.fields):
        _add_entries(cursor, name, name, struct.fields[name], found)
    return [found[key] for key in sorted(found)]


def _add_entries(
    cursor: Cursor, field: str, key: str, value: Any, found: dict[str, model.RuntimeEntry]
) -> None:
    kind = value.WhichOneof("kind")
    if kind == "struct_value" and _is_path(value.struct_value):
        for name in sorted(value.struct_value.fields):
            _add_entries(cursor, field, f"{key}.{name}", value.struct_value.fields[name], found)
        return
    if kind in (None, "null_value", "list_value"):
        cursor.problem(f"runtime key {key} has no value", "it must be a number, a string or a boolean", field)
        return
    for start, why in _WITHOUT_EFFECT.items():
        if key.startswith(start):
            cursor.warn(f"runtime key {key} has no effect", why, field)
    found[key] = _entry(key, kind, value)


def _is_path(struct: Any) -> bool:
    """Whether its fields are parts of keys."""
    return bool(struct.fields) and "numerator" not in struct.fields and "denominator" not in struct.fields


def _entry(key: str, kind: str, value: Any) -> model.RuntimeEntry:
    text, number, flag, fraction = "", None, None, None
    if kind == "bool_value":
        flag = value.bool_value
        text = "true" if flag else "false"
    elif kind == "number_value":
        number = value.number_value
        text = f"{number:g}"
    elif kind == "string_value":
        text = value.string_value
        number = _number_in(text)
    else:
        text = _text_of(value.struct_value)
        fraction = _fraction_in(value.struct_value)
    return model.RuntimeEntry(key=key, text=text, number=number, flag=flag, fraction=fraction)


def _text_of(struct: Any) -> str:
    """As Envoy prints it, in the order of the names."""
    return "".join(str(type(struct)(fields={name: struct.fields[name]})) for name in sorted(struct.fields))


def _number_in(text: str) -> float | None:
    if _DECIMAL.fullmatch(text):
        number = float(text)
        return number if math.isfinite(number) else None
    return float(int(text, 16)) if _HEXADECIMAL.fullmatch(text) else None


def _fraction_in(struct: Any) -> model.FractionalPercent | None:
    """As Envoy reads it: what is no number is 0, what is negative is very large, another field spoils it."""
    numerator, denominator = 0, 100
    for name, value in struct.fields.items():
        if name == "numerator":
            number = int(value.number_value) if math.isfinite(value.number_value) else 0
            numerator = number if 0 <= number <= _MAX_U32 else _MAX_U32
        elif name == "denominator" and value.string_value in _DENOMINATOR_NAMES:
            denominator = _DENOMINATOR_NAMES[value.string_value]
        else:
            return None
    return model.FractionalPercent(numerator=numerator, denominator=denominator)


def lower_fractional_percent(cursor: Cursor) -> model.FractionalPercent:
    """A FractionalPercent; an unset one is 0 of 100."""
    fields = _FRACTION.read(cursor)
    number = fields.get("denominator", 0)
    denominator = _DENOMINATORS[number] if number < len(_DENOMINATORS) else _DENOMINATORS[0]
    return model.FractionalPercent(numerator=fields.get("numerator", 0), denominator=denominator)


def lower_runtime_fraction(cursor: Cursor) -> model.RuntimeFractionalPercent:
    """A RuntimeFractionalPercent."""
    fields = _RUNTIME_FRACTION.read(cursor)
    default = lower_fractional_percent(cursor.child("default_value"))
    return model.RuntimeFractionalPercent(default_value=default, runtime_key=fields.get("runtime_key", ""))


def lower_feature_flag(cursor: Cursor, field: str, fields: dict[str, Any]) -> model.RuntimeFeatureFlag:
    """A RuntimeFeatureFlag in a field; it is on when it is not set."""
    if field not in fields:
        return model.RuntimeFeatureFlag(default_value=True, runtime_key="")
    flag = _RUNTIME_FLAG.read(cursor.child(field))
    default = flag["default_value"].value if "default_value" in flag else True
    return model.RuntimeFeatureFlag(default_value=default, runtime_key=flag.get("runtime_key", ""))


def lower_runtime_uint32(cursor: Cursor) -> model.RuntimeUInt32:
    """A RuntimeUInt32."""
    fields = _RUNTIME_UINT32.read(cursor)
    return model.RuntimeUInt32(
        default_value=fields.get("default_value", 0), runtime_key=fields.get("runtime_key", "")
    )


def lower_runtime_double(cursor: Cursor) -> model.RuntimeDouble:
    """A RuntimeDouble."""
    fields = _RUNTIME_DOUBLE.read(cursor)
    return model.RuntimeDouble(
        default_value=fields.get("default_value", 0.0), runtime_key=fields.get("runtime_key", "")
    )
