"""String, header and query parameter matchers.

Owns StringMatcher and RegexMatcher (Envoy's and those of xDS, which are alike), HeaderMatcher and
QueryParameterMatcher, in the present and the deprecated spellings. Names of headers come out in lower case.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/type/matcher/v3/string.proto and
`config/route/v3/route_components.proto` (HeaderMatcher, QueryParameterMatcher).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ferryman.config import model
from ferryman.config.fields import Fields
from ferryman.config.native_checks import check_regex

if TYPE_CHECKING:
    from ferryman.config.cursor import Cursor

_STRING_MATCHERS: Final = {
    name: Fields(name, "exact prefix suffix safe_regex contains ignore_case")
    for name in ("envoy.type.matcher.v3.StringMatcher", "xds.type.matcher.v3.StringMatcher")
}
_REGEX_MATCHERS: Final = {
    name: Fields(name, "regex", no_effect={"google_re2": "RE2 syntax is the only one there is"})
    for name in ("envoy.type.matcher.v3.RegexMatcher", "xds.type.matcher.v3.RegexMatcher")
}
_REGEX_SUBSTITUTE = Fields("envoy.type.matcher.v3.RegexMatchAndSubstitute", "pattern substitution")
_HEADER_MATCHER = Fields(
    "envoy.config.route.v3.HeaderMatcher",
    "name exact_match safe_regex_match range_match present_match prefix_match suffix_match contains_match"
    " string_match invert_match treat_missing_header_as_empty",
)
_INT64_RANGE = Fields("envoy.type.v3.Int64Range", "start end")
_QUERY_PARAMETER_MATCHER = Fields(
    "envoy.config.route.v3.QueryParameterMatcher", "name string_match present_match"
)

_COOKIE_MATCHER = Fields("envoy.config.route.v3.CookieMatcher", "name string_match invert_match")

_Plain = type[model.ExactMatch | model.PrefixMatch | model.SuffixMatch | model.ContainsMatch]
_PLAIN: Final[dict[str, _Plain]] = {
    "exact": model.ExactMatch,
    "prefix": model.PrefixMatch,
    "suffix": model.SuffixMatch,
    "contains": model.ContainsMatch,
}
_NEVER: Final = model.ExactMatch(value="", ignore_case=False)


def lower_regex(cursor: Cursor) -> str:
    """The pattern of a RegexMatcher, checked with the data plane's engine."""
    regex: str = _REGEX_MATCHERS[cursor.type_name].read(cursor).get("regex", "")
    if regex:
        check_regex(cursor, regex)
    return regex


def lower_regex_rewrite(cursor: Cursor) -> model.RegexRewrite:
    """A RegexMatchAndSubstitute."""
    fields = _REGEX_SUBSTITUTE.read(cursor)
    regex = lower_regex(cursor.child("pattern")) if "pattern" in fields else ""
    return model.RegexRewrite(regex=regex, substitution=fields.get("substitution", ""))


def lower_string_matcher(cursor: Cursor) -> model.StringMatcher:
    """A StringMatcher; `ignore_case` does nothing to a regex, as in Envoy."""
    fields = _STRING_MATCHERS[cursor.type_name].read(cursor)
    if "safe_regex" in fields:
        return model.RegexMatch(regex=lower_regex(cursor.child("safe_regex")))
    for kind, made in _PLAIN.items():
        if kind in fields:
            return made(value=fields[kind], ignore_case=fields.get("ignore_case", False))
    return _NEVER


def lower_header_matcher(cursor: Cursor) -> model.HeaderMatcher:
    """A HeaderMatcher. Without a specifier it asks for presence."""
    fields = _HEADER_MATCHER.read(cursor)
    return model.HeaderMatcher(
        name=fields.get("name", "").lower(),
        match=_header_match(cursor, fields),
        invert_match=fields.get("invert_match", False),
        treat_missing_header_as_empty=fields.get("treat_missing_header_as_empty", False),
    )


def _header_match(
    cursor: Cursor, fields: dict[str, Any]
) -> model.HeaderPresent | model.HeaderRange | model.HeaderString:
    if "string_match" in fields:
        return model.HeaderString(matcher=lower_string_matcher(cursor.child("string_match")))
    if "range_match" in fields:
        limits = _INT64_RANGE.read(cursor.child("range_match"))
        return model.HeaderRange(start=limits.get("start", 0), end=limits.get("end", 0))
    if "safe_regex_match" in fields:
        regex = lower_regex(cursor.child("safe_regex_match"))
        return model.HeaderString(matcher=model.RegexMatch(regex=regex))
    for kind, made in _PLAIN.items():
        if f"{kind}_match" in fields:
            return model.HeaderString(matcher=made(value=fields[f"{kind}_match"], ignore_case=False))
    return model.HeaderPresent(present=fields.get("present_match", True))


def lower_cookie_matcher(cursor: Cursor) -> model.CookieMatcher:
    """A CookieMatcher."""
    fields = _COOKIE_MATCHER.read(cursor)
    matcher = lower_string_matcher(cursor.child("string_match")) if "string_match" in fields else _NEVER
    return model.CookieMatcher(
        name=fields.get("name", ""), match=matcher, invert_match=fields.get("invert_match", False)
    )


def lower_query_parameter_matcher(cursor: Cursor) -> model.QueryParameterMatcher:
    """A QueryParameterMatcher. Without a specifier it asks for presence."""
    fields = _QUERY_PARAMETER_MATCHER.read(cursor)
    matcher = lower_string_matcher(cursor.child("string_match")) if "string_match" in fields else None
    return model.QueryParameterMatcher(
        name=fields.get("name", ""), match=matcher, present=fields.get("present_match", True)
    )
