"""Who the client is, by extensions that read it from the request's head.

Owns the extensions `xff` and `custom_header`, and that they do not stand beside the manager's own fields.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_conn_man/headers#x-forwarded-for
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ferryman.config import model
from ferryman.config.address import lower_cidr_range
from ferryman.config.cursor import Cursor
from ferryman.config.extensions import open_extension
from ferryman.config.fields import Fields

_EXTENSION = Fields(
    "envoy.config.core.v3.TypedExtensionConfig",
    "typed_config",
    no_effect={"name": "the type of typed_config says which extension it is"},
    where="of IP detection",
)
_XFF = Fields(
    "envoy.extensions.http.original_ip_detection.xff.v3.XffConfig",
    "xff_num_trusted_hops xff_trusted_cidrs skip_xff_append",
)
_TRUSTED_CIDRS = Fields("envoy.extensions.http.original_ip_detection.xff.v3.XffTrustedCidrs", "cidrs")
_CUSTOM_HEADER = Fields(
    "envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig",
    "header_name allow_extension_to_set_address_as_trusted reject_with_status",
)
_STATUS = Fields("envoy.type.v3.HttpStatus", "code", where="of IP detection")
_FIELD: Final = "original_ip_detection_extensions"
_FORBIDDEN: Final = 403
_FIRST_ERROR: Final = 400


def _xff(cursor: Cursor) -> model.XffDetection:
    fields = _XFF.read(cursor)
    skip = fields["skip_xff_append"].value if "skip_xff_append" in fields else True
    return model.XffDetection(
        xff_num_trusted_hops=fields.get("xff_num_trusted_hops", 0),
        xff_trusted_cidrs=_trusted_cidrs(cursor, fields),
        skip_xff_append=skip,
    )


def _trusted_cidrs(cursor: Cursor, fields: dict[str, Any]) -> list[model.CidrRange]:
    """The ranges of trusted proxies; an empty list is the same as none."""
    if "xff_trusted_cidrs" not in fields:
        return []
    if fields.get("xff_num_trusted_hops"):
        text = "xff_num_trusted_hops and xff_trusted_cidrs cannot both be set"
        cursor.problem(text, "remove one", "xff_trusted_cidrs")
    trusted = cursor.child("xff_trusted_cidrs")
    _TRUSTED_CIDRS.read(trusted)
    ranges = [lower_cidr_range(item) for item in trusted.items("cidrs")]
    return [cidr for cidr in ranges if cidr is not None]


def _custom_header(cursor: Cursor) -> model.CustomHeaderDetection:
    fields = _CUSTOM_HEADER.read(cursor)
    status = None
    if "reject_with_status" in fields:
        code = _STATUS.read(cursor.child("reject_with_status")).get("code", 0)
        status = code if code >= _FIRST_ERROR else _FORBIDDEN
    return model.CustomHeaderDetection(
        header_name=fields.get("header_name", "").lower(),
        trusted=fields.get("allow_extension_to_set_address_as_trusted", False),
        reject_status=status,
    )


BUILT: Final[Mapping[str, Callable[[Cursor], model.IpDetection]]] = {
    _XFF.message: _xff,
    _CUSTOM_HEADER.message: _custom_header,
}
"""The extensions that are built, by the type of their configuration."""


def lower_ip_detection(cursor: Cursor, fields: dict[str, Any]) -> list[model.IpDetection]:
    """The extensions of the manager at `cursor`, whose set fields are `fields`."""
    if _FIELD not in fields:
        return []
    for other in ("use_remote_address", "xff_num_trusted_hops"):
        value = fields.get(other)
        if getattr(value, "value", value):
            cursor.problem(f"{other} and {_FIELD} cannot both be set", "remove one", other)
    lowered = []
    for item in cursor.items(_FIELD):
        _EXTENSION.read(item)
        opened = open_extension(item, "envoy.http.original_ip_detection", BUILT)
        if opened is not None:
            inner, lower = opened
            lowered.append(lower(inner))
    return lowered
