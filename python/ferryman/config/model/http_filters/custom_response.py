"""The custom response filter (Envoy: `custom_response.v3`)."""

from __future__ import annotations

from ferryman.config.model.access_log import JsonLog, TextLog
from ferryman.config.model.header import HeaderValueOption
from ferryman.config.model.match_tree import MatchTree
from ferryman.config.model.redirect import RedirectAction
from ferryman.config.model.struct import Tagged


class LocalResponsePolicy(Tagged, tag="local_response", frozen=True):
    """A response in the place of another. `status_code` None: that of the other.

    `keeps_details`: the details stay as they are; else they are `details`.
    """

    status_code: int | None
    body: bytes
    body_format: TextLog | JsonLog | None
    response_headers_to_add: list[HeaderValueOption]
    keeps_details: bool
    details: str


class RedirectUri(Tagged, tag="uri", frozen=True):
    """A whole URL."""

    uri: str


class RedirectPolicy(Tagged, tag="redirect", frozen=True):
    """The response of another route in the place of one. `status_code` None: that of the other."""

    target: RedirectUri | RedirectAction
    status_code: int | None
    response_headers_to_add: list[HeaderValueOption]
    request_headers_to_add: list[HeaderValueOption]


class CustomResponse(Tagged, tag="custom_response", frozen=True):
    """Which responses are replaced; the tree's actions are places in `policies`. `matcher` None: none."""

    matcher: MatchTree | None
    policies: list[LocalResponsePolicy | RedirectPolicy]
