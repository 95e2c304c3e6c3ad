"""How the lines of the process's own log look: `application_log_config`.

Owns ApplicationLogConfig, of which a pattern is made in the language of `--log-format`: the text as it
stands, or JSON whose texts are patterns, its fields by name.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/bootstrap/v3/bootstrap.proto#config-bootstrap-v3-bootstrap-applicationlogconfig
"""

from __future__ import annotations

import json
from typing import Any, Final

from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields

_CONFIG = Fields("envoy.config.bootstrap.v3.Bootstrap.ApplicationLogConfig", "log_format")
_FORMAT = Fields(
    "envoy.config.bootstrap.v3.Bootstrap.ApplicationLogConfig.LogFormat", "json_format text_format"
)
_NOT_ESCAPED: Final = ("%v", "%_")


def lower_application_log(cursor: Cursor, *, is_set_by_flag: bool) -> str | None:
    """The pattern of a line; None: what the command line says. The cursor stands on the configuration."""
    if "log_format" not in _CONFIG.read(cursor):
        return None
    log_format = cursor.child("log_format")
    fields = _FORMAT.read(log_format)
    if is_set_by_flag:
        cursor.problem("log_format and --log-format cannot both be set", "remove one", "log_format")
    if "json_format" not in fields:
        return fields.get("text_format") or None
    text = json.dumps(_plain_struct(fields["json_format"]), separators=(",", ":"), ensure_ascii=False)
    for conversion in _NOT_ESCAPED:
        if conversion in text:
            hint = "write %j, which escapes the message"
            log_format.problem(f"{conversion} cannot be used in JSON", hint, "json_format", "format")
    return text


def _plain_struct(struct: Any) -> dict[str, Any]:
    return {name: _plain(struct.fields[name]) for name in sorted(struct.fields)}


def _plain(value: Any) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return _plain_struct(value.struct_value)
    if kind == "list_value":
        return [_plain(item) for item in value.list_value.values]
    if kind == "number_value":
        return int(value.number_value) if value.number_value.is_integer() else value.number_value
    return None if kind in (None, "null_value") else getattr(value, kind)
