"""Match trees: `xds.type.matcher.v3.Matcher`, whatever its actions are.

Owns the tree: lists of predicates, maps, what is nested, what is left. Which inputs and actions may stand in
it is said by whoever has the tree, in a MatchContext. The predicates are `match_predicate.py`.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/intro/arch_overview/advanced/matching/matching_api
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from ferryman.config import match_input, model
from ferryman.config.address import lower_cidr_range
from ferryman.config.extensions import open_extension
from ferryman.config.fields import Fields
from ferryman.config.match_predicate import lower_predicate

if TYPE_CHECKING:
    from ferryman.config.cursor import Cursor

_MATCHER: Final = "xds.type.matcher.v3.Matcher"
_TREE = Fields(_MATCHER, "matcher_list matcher_tree on_no_match")
_LIST = Fields(f"{_MATCHER}.MatcherList", "matchers")
_FIELD_MATCHER = Fields(f"{_MATCHER}.MatcherList.FieldMatcher", "predicate on_match")
_MATCHER_TREE = Fields(f"{_MATCHER}.MatcherTree", "input exact_match_map prefix_match_map custom_match")
_MAP = Fields(f"{_MATCHER}.MatcherTree.MatchMap", "map")
_ON_MATCH = Fields(f"{_MATCHER}.OnMatch", "matcher action keep_matching")
_EXTENSION = Fields("xds.core.v3.TypedExtensionConfig", "typed_config", no_effect={"name": "a label"})
_IP = Fields("xds.type.matcher.v3.IPMatcher", "range_matchers")
_IP_RANGE = Fields("xds.type.matcher.v3.IPMatcher.IPRangeMatcher", "ranges on_match exclusive")
_SERVER_NAME = Fields("xds.type.matcher.v3.ServerNameMatcher", "domain_matchers")
_DOMAIN = Fields("xds.type.matcher.v3.ServerNameMatcher.DomainMatcher", "domains on_match")

Action = TypeVar("Action")


@dataclass(frozen=True)
class MatchContext(Generic[Action]):
    """What may stand in the trees of one place in the configuration."""

    input_category: str
    """`match_input.HTTP_CATEGORY` or `match_input.NETWORK_CATEGORY`."""
    inputs: Mapping[str, Callable[[Cursor], model.MatchInput]]
    """The inputs that Envoy takes here, by the type of their configuration."""
    lower_action: Callable[[Cursor], Action | None]
    """Lowers the TypedExtensionConfig of an action; None when it was refused."""
    keep_matching: bool = False
    """Whether Envoy takes `keep_matching` here."""
    refused_input: str = ""
    """What is wrong with an input that Envoy has and does not take here."""


def lower_match_tree(cursor: Cursor, context: MatchContext[Action]) -> tuple[model.MatchTree, list[Action]]:
    """The Matcher at `cursor`, and the actions that its numbers stand for."""
    work = _Work(context)
    return work.lower_tree(cursor), work.actions


class _Work(Generic[Action]):
    """The lowering of one tree."""

    def __init__(self, context: MatchContext[Action]) -> None:
        self._context = context
        self.actions: list[Action] = []

    def lower_tree(self, cursor: Cursor) -> model.MatchTree:
        fields = _TREE.read(cursor)
        on_no_match = self._on_match(cursor.child("on_no_match")) if "on_no_match" in fields else None
        if "matcher_list" in fields:
            items = self._list(cursor.child("matcher_list"))
            return model.MatcherList(matchers=items, on_no_match=on_no_match)
        if "matcher_tree" in fields:
            return self._tree(cursor.child("matcher_tree"), on_no_match)
        return model.EmptyMatcher(on_no_match=on_no_match)

    def _list(self, cursor: Cursor) -> list[model.FieldMatcher]:
        _LIST.read(cursor)
        lowered = []
        for item in cursor.items("matchers"):
            _FIELD_MATCHER.read(item)
            predicate = lower_predicate(item.child("predicate"), self._input)
            on_match = self._on_match(item.child("on_match"))
            if predicate is not None and on_match is not None:
                lowered.append(model.FieldMatcher(predicate=predicate, on_match=on_match))
        return lowered

    def _tree(self, cursor: Cursor, on_no_match: model.OnMatch | None) -> model.MatchTree:
        fields = _MATCHER_TREE.read(cursor)
        found = self._input(cursor.child("input")) or model.AbsentInput()
        if "exact_match_map" in fields:
            entries = self._map(cursor.child("exact_match_map"))
            return model.ExactMatchMap(input=found, map=entries, on_no_match=on_no_match)
        if "prefix_match_map" in fields:
            entries = self._map(cursor.child("prefix_match_map"))
            return model.PrefixMatchMap(input=found, map=entries, on_no_match=on_no_match)
        category = self._context.input_category.replace(".input", ".custom_matchers")
        opened = open_extension(cursor.child("custom_match"), category, CUSTOM)
        if opened is None:
            return model.EmptyMatcher(on_no_match=on_no_match)
        inner, lower = opened
        return lower(self, inner, found, on_no_match)

    def _map(self, cursor: Cursor) -> list[model.MapEntry]:
        _MAP.read(cursor)
        entries = [(key, self._on_match(item)) for key, item in cursor.map_items("map")]
        return [model.MapEntry(key=key, on_match=item) for key, item in entries if item is not None]

    def _ip(
        self, cursor: Cursor, found: model.MatchInput, on_no_match: model.OnMatch | None
    ) -> model.MatchTree:
        _IP.read(cursor)
        lowered = []
        for item in cursor.items("range_matchers"):
            fields = _IP_RANGE.read(item)
            ranges = [lower_cidr_range(cidr) for cidr in item.items("ranges")]
            on_match = self._on_match(item.child("on_match"))
            if on_match is not None:
                kept = [cidr for cidr in ranges if cidr is not None]
                exclusive = fields.get("exclusive", False)
                lowered.append(model.IpRangeMatcher(ranges=kept, exclusive=exclusive, on_match=on_match))
        return model.IpMatcher(input=found, range_matchers=lowered, on_no_match=on_no_match)

    def _server_name(
        self, cursor: Cursor, found: model.MatchInput, on_no_match: model.OnMatch | None
    ) -> model.MatchTree:
        _SERVER_NAME.read(cursor)
        lowered = []
        seen: set[str] = set()
        for item in cursor.items("domain_matchers"):
            domains = list(_DOMAIN.read(item).get("domains", ()))
            for place, domain in enumerate(domains):
                _check_domain(item, place, domain, seen)
            on_match = self._on_match(item.child("on_match"))
            if on_match is not None:
                lowered.append(model.DomainMatcher(domains=domains, on_match=on_match))
        return model.ServerNameMatcher(input=found, domain_matchers=lowered, on_no_match=on_no_match)

    def _on_match(self, cursor: Cursor) -> model.OnMatch | None:
        fields = _ON_MATCH.read(cursor)
        keep_matching: bool = fields.get("keep_matching", False)
        if keep_matching and not self._context.keep_matching:
            cursor.problem("has no place here", "remove it", "keep_matching")
        if "matcher" in fields:
            tree = self.lower_tree(cursor.child("matcher"))
            return model.OnMatchMatcher(matcher=tree, keep_matching=keep_matching)
        action = self._action(cursor, fields)
        if action is None:
            return None
        self.actions.append(action)
        return model.OnMatchAction(index=len(self.actions) - 1, keep_matching=keep_matching)

    def _action(self, cursor: Cursor, fields: dict[str, Any]) -> Action | None:
        if "action" not in fields:
            return None  # a rule of the schema reports it
        action = cursor.child("action")
        _EXTENSION.read(action)
        return self._context.lower_action(action)

    def _input(self, cursor: Cursor) -> model.MatchInput | None:
        """The input in a TypedExtensionConfig; None when it was refused."""
        _EXTENSION.read(cursor)
        inner = cursor.unpack("typed_config") if cursor.has("typed_config") else None
        if inner is not None:
            lower = self._context.inputs.get(inner.type_name) or match_input.COMMON.get(inner.type_name)
            if lower is not None:
                return lower(inner)
            known = inner.type_name in match_input.HTTP or inner.type_name in match_input.NETWORK
            if self._context.refused_input and known:
                cursor.problem(self._context.refused_input, field="typed_config")
                return None
        open_extension(cursor, self._context.input_category, {})
        return None


CUSTOM: Final[Mapping[str, Callable[..., model.MatchTree]]] = {
    _IP.message: _Work._ip,
    _SERVER_NAME.message: _Work._server_name,
}
"""The maps of their own kind that are built, by the type of their configuration."""


def _check_domain(cursor: Cursor, place: int, domain: str, seen: set[str]) -> None:
    """Envoy's rules for the domains of a ServerNameMatcher."""
    wild = domain[2:] if domain.startswith("*.") else domain
    if domain != "*" and ("*" in wild or not wild):
        text = f"`{domain}` is no domain" if domain else "is empty"
        cursor.problem(text, "write a domain, `*.` and a domain, or `*`", "domains", item=place)
    elif domain in seen:
        cursor.problem(f"`{domain}` stands twice in this matcher", None, "domains", "duplicate", place)
    seen.add(domain)
