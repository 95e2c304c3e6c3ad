"""String, header and query parameter matchers (Envoy: `type.matcher.v3`, `config.route.v3.HeaderMatcher`)."""

from __future__ import annotations

from ferryman.config.model.address import CidrRange
from ferryman.config.model.struct import Model, Tagged


class RegexMatch(Tagged, tag="regex", frozen=True):
    """The whole value matches; RE2 syntax, checked with the data plane's own engine."""

    regex: str


class ExactMatch(Tagged, tag="exact", frozen=True):
    """The whole value is equal."""

    value: str
    ignore_case: bool


class PrefixMatch(Tagged, tag="prefix", frozen=True):
    """The value starts so."""

    value: str
    ignore_case: bool


class SuffixMatch(Tagged, tag="suffix", frozen=True):
    """The value ends so."""

    value: str
    ignore_case: bool


class ContainsMatch(Tagged, tag="contains", frozen=True):
    """The value has it inside."""

    value: str
    ignore_case: bool


StringMatcher = ExactMatch | PrefixMatch | SuffixMatch | ContainsMatch | RegexMatch


class HeaderPresent(Tagged, tag="present", frozen=True):
    """Whether the header is there at all (`present`: true, wanted; false, unwanted)."""

    present: bool


class HeaderRange(Tagged, tag="range", frozen=True):
    """A decimal integer with start <= value < end."""

    start: int
    end: int


class HeaderString(Tagged, tag="string", frozen=True):
    """A string match on the value."""

    matcher: StringMatcher


class HeaderMatcher(Model, frozen=True):
    """One header condition of a route. `name` is lower case."""

    name: str
    match: HeaderPresent | HeaderRange | HeaderString
    invert_match: bool
    treat_missing_header_as_empty: bool


class CookieMatcher(Model, frozen=True):
    """One cookie condition; the first cookie of the name counts, one that is not there matches nothing."""

    name: str
    match: StringMatcher
    invert_match: bool


class QueryParameterMatcher(Model, frozen=True):
    """One query parameter condition; `match` None asks for presence only (`present`)."""

    name: str
    match: StringMatcher | None
    present: bool


class MatchNull(Tagged, tag="null", frozen=True):
    """The value is null."""


class MatchNumber(Tagged, tag="number", frozen=True):
    """The value is this number."""

    value: float


class MatchRange(Tagged, tag="range", frozen=True):
    """The value is a number from `start`, below `end`."""

    start: float
    end: float


class MatchText(Tagged, tag="string", frozen=True):
    """The value is a text that matches."""

    matcher: StringMatcher


class MatchBool(Tagged, tag="bool", frozen=True):
    """The value is this."""

    value: bool


class MatchPresent(Tagged, tag="present", frozen=True):
    """Whether there is a value."""

    present: bool


class MatchOneOf(Tagged, tag="one_of", frozen=True):
    """The value is a list of which one matches."""

    matcher: ValueMatcher


class MatchAnyValue(Tagged, tag="or", frozen=True):
    """Any of these matches; of none, nothing does."""

    matchers: list[ValueMatcher]


ValueMatcher = (
    MatchNull | MatchNumber | MatchRange | MatchText | MatchBool | MatchPresent | MatchOneOf | MatchAnyValue
)


class MetadataMatcher(Model, frozen=True):
    """The value at the end of `path` in a namespace matches, or does not under `invert`."""

    namespace: str
    path: list[str]
    value: ValueMatcher
    invert: bool


class StateText(Tagged, tag="string", frozen=True):
    """The object, as a text, matches."""

    matcher: StringMatcher


class StateAddress(Tagged, tag="address", frozen=True):
    """The object is an IP address in one of the ranges, or under `invert` in none."""

    ranges: list[CidrRange]
    invert: bool


class StateNothing(Tagged, tag="nothing", frozen=True):
    """No object matches."""


class FilterStateMatcher(Model, frozen=True):
    """There is an object of this name in the filter state, and it matches."""

    key: str
    value: StateText | StateAddress | StateNothing


class RegexRewrite(Model, frozen=True):
    r"""`\N` in `substitution` is the Nth group."""

    regex: str
    substitution: str
