"""The basic authentication filter (Envoy: `basic_auth.v3`)."""

from __future__ import annotations

from ferryman.config.model.struct import Tagged


class BasicAuth(Tagged, tag="basic_auth", frozen=True):
    """`users`: names, and the SHA-1 of each password in base64. Headers are lower case; None: the usual."""

    users: list[tuple[str, str]]
    forward_username_header: str | None
    authentication_header: str | None
    allow_missing: bool
    realm: str | None  # None: the request's URL
    emit_dynamic_metadata: bool


class BasicAuthPerRoute(Tagged, tag="basic_auth", frozen=True):
    """The users of a route."""

    users: list[tuple[str, str]]
    realm: str | None
