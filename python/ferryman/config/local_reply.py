"""What becomes of the proxy's own answers: mappers of their status, body and headers, and formats of bodies.

Owns LocalReplyConfig. The filters are those of access logs, the formats theirs too, but with a content type.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_conn_man/local_reply
"""

from __future__ import annotations

from typing import Any, Final

from ferryman.config import model
from ferryman.config.access_log_filter import lower_access_log_filter
from ferryman.config.cursor import Cursor
from ferryman.config.data_source import read_data_source
from ferryman.config.fields import Fields
from ferryman.config.header import lower_header_options
from ferryman.config.substitution_format import SUBSTITUTION_FORMAT, lower_substitution_format

_TYPE: Final = "envoy.extensions.filters.network.http_connection_manager.v3"
_CONFIG = Fields(f"{_TYPE}.LocalReplyConfig", "mappers body_format")
_MAPPER = Fields(f"{_TYPE}.ResponseMapper", "filter status_code body body_format_override headers_to_add")
_BODY_FORMAT = Fields(
    SUBSTITUTION_FORMAT,
    "text_format json_format text_format_source omit_empty_values formatters content_type",
    no_effect={"json_format_options": "fields are always sorted, as in Envoy 1.40"},
    where="of a body",
)


def lower_local_reply_config(cursor: Cursor, fields: dict[str, Any]) -> model.LocalReplyConfig:
    """The `local_reply_config` of the message at `cursor`, whose set fields are `fields`."""
    if "local_reply_config" not in fields:
        return model.LocalReplyConfig(mappers=[], body_format=None)
    config = cursor.child("local_reply_config")
    read = _CONFIG.read(config)
    mappers = [_lower_mapper(item) for item in config.items("mappers")]
    return model.LocalReplyConfig(
        mappers=[mapper for mapper in mappers if mapper is not None],
        body_format=lower_body_format(config, "body_format") if "body_format" in read else None,
    )


def _lower_mapper(cursor: Cursor) -> model.LocalReplyMapper | None:
    fields = _MAPPER.read(cursor)
    chosen_by = lower_access_log_filter(cursor.child("filter"))
    if chosen_by is None:
        return None
    override = "body_format_override"
    return model.LocalReplyMapper(
        filter=chosen_by,
        status_code=fields["status_code"].value if "status_code" in fields else None,
        has_body="body" in fields,
        body=(read_data_source(cursor.child("body")) or b"") if "body" in fields else b"",
        body_format=lower_body_format(cursor, override) if override in fields else None,
        headers_to_add=lower_header_options(cursor, "headers_to_add"),
    )


def lower_body_format(cursor: Cursor, field: str, type_of_text: str = "text/plain") -> model.BodyFormat:
    """The SubstitutionFormatString of a body, with the content type that it has unless it says another."""
    at = cursor.child(field)
    lowered = lower_substitution_format(at, _BODY_FORMAT)
    default = "application/json" if isinstance(lowered, model.JsonLog) else type_of_text
    return model.BodyFormat(format=lowered, content_type=at.get("content_type") or default)
