"""Header edits (Envoy: `config.core.v3.HeaderValueOption`)."""

from __future__ import annotations

from ferryman.config.model.format import Format
from ferryman.config.model.struct import Model


class HeaderValueOption(Model, frozen=True):
    """One header to add; `name` is lower case. `append_action` is Envoy's word in lower case."""

    name: str
    value: Format
    append_action: str  # append_if_exists_or_add | add_if_absent | overwrite_if_exists[_or_add]
    keep_empty_value: bool


class HeaderMutations(Model, frozen=True):
    """What one level (route table, virtual host, route, weighted cluster) does to the headers."""

    request_headers_to_add: list[HeaderValueOption]
    request_headers_to_remove: list[str]
    response_headers_to_add: list[HeaderValueOption]
    response_headers_to_remove: list[str]
