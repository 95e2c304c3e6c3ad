"""The filter that edits headers, trailers and query parameters (Envoy: `header_mutation.v3`)."""

from __future__ import annotations

from ferryman.config.model.format import Format
from ferryman.config.model.header import HeaderValueOption
from ferryman.config.model.matcher import StringMatcher
from ferryman.config.model.struct import Model, Tagged


class RemoveHeader(Tagged, tag="remove", frozen=True):
    """All headers of this name (lower case) go."""

    name: str


class RemoveHeadersOnMatch(Tagged, tag="remove_on_match", frozen=True):
    """All headers go whose name matches."""

    matcher: StringMatcher


class AppendHeader(Tagged, tag="append", frozen=True):
    """A header comes, as its `append_action` says."""

    option: HeaderValueOption


HeaderEdit = RemoveHeader | RemoveHeadersOnMatch | AppendHeader


class RemoveQueryParameter(Tagged, tag="remove", frozen=True):
    """All parameters of this name go."""

    key: str


class AppendQueryParameter(Tagged, tag="append", frozen=True):
    """A parameter comes, as its `append_action` says."""

    key: str
    value: Format
    append_action: str  # append_if_exists_or_add | add_if_absent | overwrite_if_exists[_or_add]


class Mutations(Model, frozen=True):
    """The edits of one level, each list in its order."""

    request: list[HeaderEdit]
    query_parameters: list[RemoveQueryParameter | AppendQueryParameter]
    request_trailers: list[HeaderEdit]
    response: list[HeaderEdit]
    response_trailers: list[HeaderEdit]


class HeaderMutation(Tagged, tag="header_mutation", frozen=True):
    """The filter's own edits, and in which order those of the route's levels follow."""

    mutations: Mutations
    most_specific_header_mutations_wins: bool


class HeaderMutationPerRoute(Tagged, tag="header_mutation", frozen=True):
    """The edits of a route's level."""

    mutations: Mutations
