"""Match trees (Envoy: `xds.type.matcher.v3.Matcher`).

A tree's actions are numbers: whoever has a tree keeps the actions beside it, in a list. Where nothing is
found in what is nested, the search goes on with the next best and ends with `on_no_match`; None there:
nothing matches.
"""

from __future__ import annotations

from ferryman.config.model.address import CidrRange
from ferryman.config.model.matcher import StringMatcher, ValueMatcher
from ferryman.config.model.runtime import RuntimeFractionalPercent
from ferryman.config.model.struct import Model, Tagged


class HeaderInput(Tagged, tag="header", frozen=True):
    """A header or trailer (lower case); several values are joined with commas."""

    part: str  # request_headers | request_trailers | response_headers | response_trailers
    name: str


class QueryParameterInput(Tagged, tag="query_parameter", frozen=True):
    """The first query parameter of the name, decoded."""

    name: str


class ResponseInput(Tagged, tag="response", frozen=True):
    """What is known of the response."""

    fact: str  # status_code | status_code_class (such as 2xx) | local_reply (true or false)


class ConnectionInput(Tagged, tag="connection", frozen=True):
    """What is known of the downstream connection."""

    fact: str  # destination_ip | destination_port | source_ip | … as Envoy's inputs are called


class FilterStateInput(Tagged, tag="filter_state", frozen=True):
    """An object that filters left, as a text; `field`: one of its fields, empty: the whole."""

    key: str
    field: str


class DynamicMetadataInput(Tagged, tag="dynamic_metadata", frozen=True):
    """A value of the stream's dynamic metadata, of any type: only InputMetadata can match it."""

    namespace: str
    path: list[str]


class AbsentInput(Tagged, tag="absent", frozen=True):
    """Never has a value."""


MatchInput = (
    HeaderInput
    | QueryParameterInput
    | ResponseInput
    | ConnectionInput
    | FilterStateInput
    | DynamicMetadataInput
    | AbsentInput
)


class InputString(Tagged, tag="string", frozen=True):
    """The value matches as a text."""

    matcher: StringMatcher


class InputIp(Tagged, tag="ip", frozen=True):
    """The value is an address in one of the ranges. `stat_prefix`: where values are counted that are none."""

    ranges: list[CidrRange]
    stat_prefix: str


class InputConsistentHashing(Tagged, tag="consistent_hashing", frozen=True):
    """The remainder of the value's hash, divided by `modulo`, is at least `threshold`."""

    threshold: int
    modulo: int
    seed: int


class InputMetadata(Tagged, tag="metadata", frozen=True):
    """The value, of DynamicMetadataInput, or its absence matches; or does not if `invert`."""

    value: ValueMatcher
    invert: bool


class InputRuntimeFraction(Tagged, tag="runtime_fraction", frozen=True):
    """The value's hash falls into the fraction."""

    fraction: RuntimeFractionalPercent
    seed: int


class InputNothing(Tagged, tag="nothing", frozen=True):
    """Asks for a kind of value that the input never gives."""


InputMatcher = (
    InputString | InputIp | InputConsistentHashing | InputMetadata | InputRuntimeFraction | InputNothing
)


class SinglePredicate(Tagged, tag="single", frozen=True):
    """One input matches."""

    input: MatchInput
    match: InputMatcher


class OrPredicate(Tagged, tag="or", frozen=True):
    """One of two or more holds."""

    predicates: list[Predicate]


class AndPredicate(Tagged, tag="and", frozen=True):
    """All of two or more hold."""

    predicates: list[Predicate]


class NotPredicate(Tagged, tag="not", frozen=True):
    """Does not hold."""

    predicate: Predicate


Predicate = SinglePredicate | OrPredicate | AndPredicate | NotPredicate


class OnMatchAction(Tagged, tag="action", frozen=True):
    """The action of this number. `keep_matching`: it is noted, and the search goes on."""

    index: int
    keep_matching: bool


class OnMatchMatcher(Tagged, tag="matcher", frozen=True):
    """Another tree decides."""

    matcher: MatchTree
    keep_matching: bool


OnMatch = OnMatchAction | OnMatchMatcher


class FieldMatcher(Model, frozen=True):
    """One entry of a list."""

    predicate: Predicate
    on_match: OnMatch


class MapEntry(Model, frozen=True):
    """One entry of a map."""

    key: str
    on_match: OnMatch


class IpRangeMatcher(Model, frozen=True):
    """`exclusive`: counts only where no narrower range was tried before."""

    ranges: list[CidrRange]
    exclusive: bool
    on_match: OnMatch


class DomainMatcher(Model, frozen=True):
    """Domains, `*.` and a domain, or `*`; letters' case counts."""

    domains: list[str]
    on_match: OnMatch


class EmptyMatcher(Tagged, tag="empty", frozen=True):
    """Finds nothing."""

    on_no_match: OnMatch | None


class MatcherList(Tagged, tag="matcher_list", frozen=True):
    """The first entry whose predicate holds and whose tree finds something."""

    matchers: list[FieldMatcher]
    on_no_match: OnMatch | None


class ExactMatchMap(Tagged, tag="exact_match_map", frozen=True):
    """The entry whose key is the value. Entries come by key."""

    input: MatchInput
    map: list[MapEntry]
    on_no_match: OnMatch | None


class PrefixMatchMap(Tagged, tag="prefix_match_map", frozen=True):
    """The entry with the longest key that the value begins with. Entries come by key."""

    input: MatchInput
    map: list[MapEntry]
    on_no_match: OnMatch | None


class IpMatcher(Tagged, tag="ip_matcher", frozen=True):
    """The entry with the narrowest range that the address is in; of two alike, the first."""

    input: MatchInput
    range_matchers: list[IpRangeMatcher]
    on_no_match: OnMatch | None


class ServerNameMatcher(Tagged, tag="server_name_matcher", frozen=True):
    """The entry of the domain, else that of the longest wildcard."""

    input: MatchInput
    domain_matchers: list[DomainMatcher]
    on_no_match: OnMatch | None


MatchTree = EmptyMatcher | MatcherList | ExactMatchMap | PrefixMatchMap | IpMatcher | ServerNameMatcher
