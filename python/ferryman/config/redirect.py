"""RedirectAction: of routes and of custom responses.

Owns one redirect. Does not own: where it may stand, and what may stand beside it there.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/route/v3/route_components.proto#config-route-v3-redirectaction
"""

from __future__ import annotations

from typing import Any, Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields
from ferryman.config.format import lower_format
from ferryman.config.matcher import lower_regex_rewrite

REDIRECT_ACTION: Final = "envoy.config.route.v3.RedirectAction"
_REDIRECT = Fields(
    REDIRECT_ACTION,
    "https_redirect scheme_redirect host_redirect port_redirect path_redirect prefix_rewrite regex_rewrite"
    " path_rewrite response_code strip_query",
)
_CODES: Final = (301, 302, 303, 307, 308)


def lower_redirect(cursor: Cursor, declared: Fields = _REDIRECT) -> model.RedirectAction:
    """A RedirectAction; `declared`: what may be set of it."""
    fields: dict[str, Any] = declared.read(cursor)
    port = fields.get("port_redirect", 0)
    if port > 65535:
        cursor.problem("must be at most 65535", field="port_redirect")
    code = fields.get("response_code", 0)
    rewrite = lower_regex_rewrite(cursor.child("regex_rewrite")) if "regex_rewrite" in fields else None
    path = fields.get("path_rewrite")
    return model.RedirectAction(
        https_redirect=fields.get("https_redirect", False),
        scheme_redirect=fields.get("scheme_redirect") or None,
        host_redirect=fields.get("host_redirect") or None,
        port_redirect=port or None,
        path_redirect=fields.get("path_redirect") or None,
        prefix_rewrite=fields.get("prefix_rewrite"),
        regex_rewrite=rewrite,
        path_rewrite=lower_format(cursor, path, "path_rewrite") if path else None,
        response_code=_CODES[code if code < len(_CODES) else 0],
        strip_query=fields.get("strip_query", False),
    )
