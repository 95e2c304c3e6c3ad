"""Redirects (Envoy: `config.route.v3.RedirectAction`), of routes and of custom responses."""

from __future__ import annotations

from ferryman.config.model.format import Format
from ferryman.config.model.matcher import RegexRewrite
from ferryman.config.model.struct import Tagged


class RedirectAction(Tagged, tag="redirect", frozen=True):
    """Answer with a Location."""

    https_redirect: bool
    scheme_redirect: str | None
    host_redirect: str | None
    port_redirect: int | None
    path_redirect: str | None
    prefix_rewrite: str | None
    regex_rewrite: RegexRewrite | None
    path_rewrite: Format | None
    response_code: int  # 301 | 302 | 303 | 307 | 308
    strip_query: bool
