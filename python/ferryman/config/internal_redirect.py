"""Which redirects of an upstream the proxy follows itself.

Owns InternalRedirectPolicy with its predicates, and the two deprecated fields that say the same.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/intro/arch_overview/http/http_connection_management#internal-redirects
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ferryman.config import model
from ferryman.config.cursor import Cursor
from ferryman.config.extensions import open_extension
from ferryman.config.fields import Fields

_POLICY = Fields(
    "envoy.config.route.v3.InternalRedirectPolicy",
    "max_internal_redirects redirect_response_codes predicates allow_cross_scheme_redirect"
    " response_headers_to_copy",
)
_EXTENSION = Fields(
    "envoy.config.core.v3.TypedExtensionConfig",
    "typed_config",
    no_effect={"name": "a label"},
    where="of an internal redirect",
)
_PREDICATES: Final = "envoy.extensions.internal_redirect"
_SAFE = Fields(f"{_PREDICATES}.safe_cross_scheme.v3.SafeCrossSchemeConfig")
_ALLOW = Fields(f"{_PREDICATES}.allow_listed_routes.v3.AllowListedRoutesConfig", "allowed_route_names")
_PREVIOUS = Fields(f"{_PREDICATES}.previous_routes.v3.PreviousRoutesConfig")
_FILTER_STATE = Fields(
    f"{_PREDICATES}.filter_state.v3.FilterStateConfig", "redirect_enabled_key redirect_if_absent"
)

_CODES: Final = (301, 302, 303, 307, 308)
_HANDLE: Final = 1


def _safe(cursor: Cursor) -> model.InternalRedirectPredicate:
    _SAFE.read(cursor)
    return model.SafeCrossScheme()


def _allow(cursor: Cursor) -> model.InternalRedirectPredicate:
    return model.AllowListedRoutes(names=list(_ALLOW.read(cursor).get("allowed_route_names", ())))


def _previous(cursor: Cursor) -> model.InternalRedirectPredicate:
    _PREVIOUS.read(cursor)
    return model.PreviousRoutes()


def _filter_state(cursor: Cursor) -> model.InternalRedirectPredicate:
    fields = _FILTER_STATE.read(cursor)
    return model.RedirectsOfFilterState(
        key=fields.get("redirect_enabled_key", ""), if_absent=fields.get("redirect_if_absent", False)
    )


BUILT: Final[Mapping[str, Callable[[Cursor], model.InternalRedirectPredicate]]] = {
    _SAFE.message: _safe,
    _ALLOW.message: _allow,
    _PREVIOUS.message: _previous,
    _FILTER_STATE.message: _filter_state,
}
"""The predicates that are built, by the type of their configuration."""


def lower_internal_redirect(cursor: Cursor, fields: dict[str, Any]) -> model.InternalRedirectPolicy | None:
    """What the RouteAction at `cursor`, whose set fields are `fields`, says of redirects; None: nothing."""
    if "internal_redirect_policy" in fields:
        return _lower_policy(cursor.child("internal_redirect_policy"))
    if fields.get("internal_redirect_action") != _HANDLE:
        return None
    return model.InternalRedirectPolicy(
        max_internal_redirects=_most(fields),
        redirect_response_codes=[302],
        allow_cross_scheme_redirect=False,
        response_headers_to_copy=[],
        predicates=[],
    )


def _most(fields: dict[str, Any]) -> int:
    return int(fields["max_internal_redirects"].value) if "max_internal_redirects" in fields else 1


def _lower_policy(cursor: Cursor) -> model.InternalRedirectPolicy:
    fields = _POLICY.read(cursor)
    codes = [int(code) for code in fields.get("redirect_response_codes", ())]
    names = [name.lower() for name in fields.get("response_headers_to_copy", ())]
    for place, name in enumerate(names):
        if name.startswith(":") or name == "host":
            text = f"`{name}` cannot be copied to a request"
            cursor.problem(text, "name another header", "response_headers_to_copy", item=place)
    lowered = [_lower_predicate(item) for item in cursor.items("predicates")]
    return model.InternalRedirectPolicy(
        max_internal_redirects=_most(fields),
        redirect_response_codes=[code for code in codes if code in _CODES] if codes else [302],
        allow_cross_scheme_redirect=fields.get("allow_cross_scheme_redirect", False),
        response_headers_to_copy=names,
        predicates=[predicate for predicate in lowered if predicate is not None],
    )


def _lower_predicate(cursor: Cursor) -> model.InternalRedirectPredicate | None:
    _EXTENSION.read(cursor)
    opened = open_extension(cursor, "envoy.internal_redirect_predicates", BUILT)
    return opened[1](opened[0]) if opened is not None else None
