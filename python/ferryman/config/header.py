"""Header edits: what a route table, virtual host, route or weighted cluster adds and removes.

Owns HeaderValueOption and the four lists of edits, and Envoy's restrictions on them: pseudo-headers and
`host` are neither modified nor removed. Values are formats (`format.py`).

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_conn_man/headers#custom-request-response-headers
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ferryman.config import model
from ferryman.config.fields import Fields, refuse, word
from ferryman.config.format import lower_format

if TYPE_CHECKING:
    from ferryman.config.cursor import Cursor

FIELDS: Final = (
    "request_headers_to_add request_headers_to_remove response_headers_to_add response_headers_to_remove"
)
"""For the declarations of the messages that carry the four lists."""

_HEADER_VALUE_OPTION = Fields(
    "envoy.config.core.v3.HeaderValueOption", "header append append_action keep_empty_value"
)
_HEADER_VALUE = Fields(
    "envoy.config.core.v3.HeaderValue", "key value raw_value", partly={"raw_value": "only UTF-8 text"}
)

APPEND_ACTIONS: Final = (
    "append_if_exists_or_add",
    "add_if_absent",
    "overwrite_if_exists_or_add",
    "overwrite_if_exists",
)
_NO_MUTATIONS: Final = model.HeaderMutations(
    request_headers_to_add=[],
    request_headers_to_remove=[],
    response_headers_to_add=[],
    response_headers_to_remove=[],
)


def lower_header_mutations(cursor: Cursor, fields: dict[str, Any]) -> model.HeaderMutations:
    """The four lists of edits of the message at `cursor`, whose set fields are `fields`."""
    if fields.keys().isdisjoint(_NO_MUTATIONS.__struct_fields__):
        return _NO_MUTATIONS
    return model.HeaderMutations(
        request_headers_to_add=lower_header_options(cursor, "request_headers_to_add"),
        request_headers_to_remove=_to_remove(cursor, "request_headers_to_remove"),
        response_headers_to_add=lower_header_options(cursor, "response_headers_to_add"),
        response_headers_to_remove=_to_remove(cursor, "response_headers_to_remove"),
    )


def lower_header_options(cursor: Cursor, field: str) -> list[model.HeaderValueOption]:
    """The headers to add in a repeated field."""
    lowered = [lower_header_value_option(item) for item in cursor.items(field)]
    return [option for option in lowered if option is not None]


def _to_remove(cursor: Cursor, field: str) -> list[str]:
    names = [name.lower() for name in cursor.get(field)]
    for name in names:
        if is_protected(name):
            cursor.problem(f"`{name}` cannot be removed", "it is part of every message", field)
    return names


def is_protected(name: str) -> bool:
    """Whether a header is part of every message, so that it is neither changed nor removed."""
    return name.startswith(":") or name == "host"


def lower_header_value_option(
    cursor: Cursor, added: frozenset[str] = frozenset()
) -> model.HeaderValueOption | None:
    """A HeaderValueOption; None with a problem. `added`: operators that formatters add."""
    fields = _HEADER_VALUE_OPTION.read(cursor)
    if "header" not in fields:
        return None
    header = cursor.child("header")
    parts = _HEADER_VALUE.read(header)
    name = parts.get("key", "").lower()
    if is_protected(name):
        is_host = name in ("host", ":authority")
        hint = "host_rewrite_literal of the route changes the host" if is_host else None
        header.problem(f"`{name}` cannot be modified", hint, "key")
    return model.HeaderValueOption(
        name=name,
        value=_value(header, parts, added),
        append_action=_append_action(cursor, fields),
        keep_empty_value=fields.get("keep_empty_value", False),
    )


def _value(header: Cursor, parts: dict[str, Any], added: frozenset[str]) -> model.Format:
    if "value" in parts or "raw_value" not in parts:
        return lower_format(header, parts.get("value", ""), "value", added)
    try:
        return lower_format(header, parts["raw_value"].decode(), "raw_value", added)
    except UnicodeDecodeError:
        refuse(header, "a raw_value that is not UTF-8 is not supported yet", field="raw_value")
        return []


def _append_action(cursor: Cursor, fields: dict[str, Any]) -> str:
    action = word(cursor, "append_action", APPEND_ACTIONS)
    if "append" not in fields:
        return action
    if "append_action" in fields:
        cursor.problem("append and append_action cannot both be set", "remove append", "append")
    return APPEND_ACTIONS[0] if fields["append"].value else APPEND_ACTIONS[2]
