"""SubstitutionFormatString: a text or JSON format, and the extensions that add command operators to it.

Owns the message and the formatters that are built. What a format string means is `format.py`; whether the
result has a content type is the business of whoever has a body to send.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/core/v3/substitution_format_string.proto
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ferryman.config import model, operators
from ferryman.config.cursor import Cursor
from ferryman.config.data_source import read_data_source
from ferryman.config.extensions import open_extension
from ferryman.config.fields import Fields
from ferryman.config.format import lower_format, lower_json_format

SUBSTITUTION_FORMAT: Final = "envoy.config.core.v3.SubstitutionFormatString"
LogFormat = model.TextLog | model.JsonLog

_OF_LINES = Fields(
    SUBSTITUTION_FORMAT,
    "text_format json_format text_format_source omit_empty_values formatters",
    no_effect={
        "content_type": "access logs have none",
        "json_format_options": "fields are always sorted, as in Envoy 1.40",
    },
)
_FORMATTER = Fields(
    "envoy.config.core.v3.TypedExtensionConfig",
    "typed_config",
    no_effect={"name": "the type of typed_config says which formatter it is"},
    where="of a formatter",
)
_REQ_WITHOUT_QUERY = Fields("envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery")
_METADATA = Fields("envoy.extensions.formatter.metadata.v3.Metadata")
_FILE_CONTENT = Fields("envoy.extensions.formatter.file_content.v3.FileContent")

BUILT: Final[Mapping[str, tuple[Fields, str]]] = {
    _REQ_WITHOUT_QUERY.message: (_REQ_WITHOUT_QUERY, "REQ_WITHOUT_QUERY"),
    _METADATA.message: (_METADATA, "METADATA"),
    _FILE_CONTENT.message: (_FILE_CONTENT, operators.FILE_CONTENT),
}
"""The formatters that are built, by the type of their configuration, and the operator that each adds."""


def lower_substitution_format(cursor: Cursor, declared: Fields = _OF_LINES) -> LogFormat:
    """The format at the cursor. `declared`: what of it has a meaning there."""
    fields = declared.read(cursor)
    added = lower_formatters(cursor)
    omit = fields.get("omit_empty_values", False)
    if "json_format" in fields:
        root = lower_json_format(cursor, fields["json_format"], "json_format", added)
        return model.JsonLog(root=root, omit_empty_values=omit)
    if "text_format_source" in fields:
        source = cursor.child("text_format_source")
        text = (read_data_source(source) or b"").decode("utf-8", "replace")
        return model.TextLog(format=lower_format(source, text, None, added), omit_empty_values=omit)
    text = fields.get("text_format", "")
    return model.TextLog(format=lower_format(cursor, text, "text_format", added), omit_empty_values=omit)


def lower_formatters(cursor: Cursor) -> frozenset[str]:
    """The names of the operators that the `formatters` add."""
    added = set()
    for item in cursor.items("formatters"):
        _FORMATTER.read(item)
        opened = open_extension(item, "envoy.formatter", BUILT)
        if opened is not None:
            inner, (fields, operator) = opened
            fields.read(inner)
            added.add(operator)
    return frozenset(added)
