"""The custom response filter (Envoy: `custom_response.v3`)."""

from __future__ import annotations

from ferryman.config.model.access_log import JsonLog, TextLog
from ferryman.config.model.header import HeaderValueOption
from ferryman.config.model.match_tree import MatchTree
from ferryman.config.model.struct import Model, Tagged


class LocalResponsePolicy(Model, frozen=True):
    """A response in the place of another. `status_code` None: that of the other.

    `keeps_details`: the details stay as they are; else they are `details`.
    """

    status_code: int | None
    body: bytes
    body_format: TextLog | JsonLog | None
    response_headers_to_add: list[HeaderValueOption]
    keeps_details: bool
    details: str


class CustomResponse(Tagged, tag="custom_response", frozen=True):
    """Which responses are replaced; the tree's actions are places in `policies`. `matcher` None: none."""

    matcher: MatchTree | None
    policies: list[LocalResponsePolicy]
