"""The kinds of field rules: what each demands of one value, and how a violation is worded.

Owns the checks of single values: strings, numbers, enums, durations, lists and maps as a whole. A check
takes a value and gives the complaint, or None. Which rule stands at which field is `rules.py`.

Follows https://github.com/bufbuild/protoc-gen-validate (constraint rules).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import EnumDescriptor

Check = Callable[[Any], str | None]

_LIMITS = ("const", "lt", "lte", "gt", "gte", "in", "not_in", "ignore_empty")


class UnknownRule(Exception):
    """The schema has a rule that this interpreter does not know."""


def _refuse_others(rules: Any, known: tuple[str, ...]) -> None:
    for field, _ in rules.ListFields():
        if field.name not in known:
            raise UnknownRule(f"{rules.DESCRIPTOR.name}.{field.name}")


def _limits(rules: Any, show: Callable[[Any], str], key: Callable[[Any], Any]) -> list[Check]:
    """Checks for const, lt, lte, gt and gte; `key` makes values comparable, `show` readable."""
    low, high, words = None, None, []
    for name, sign in (("gt", ">"), ("gte", ">="), ("lt", "<"), ("lte", "<=")):
        if rules.HasField(name):
            bound = getattr(rules, name)
            words.append(f"{sign} {show(bound)}")
            if name in ("gt", "gte"):
                low = (key(bound), name == "gte")
            else:
                high = (key(bound), name == "lte")
    checks: list[Check] = []
    if rules.HasField("const"):
        checks.append(_constant(rules.const, show, key))
    if low is not None or high is not None:
        checks.append(_range(low, high, words, show, key))
    return checks


def _constant(wanted: Any, show: Callable[[Any], str], key: Callable[[Any], Any]) -> Check:
    wanted_key, text = key(wanted), f"must be {show(wanted)}"
    return lambda value: None if key(value) == wanted_key else f"{text}, not {show(value)}"


def _range(
    low: tuple[Any, bool] | None,
    high: tuple[Any, bool] | None,
    words: list[str],
    show: Callable[[Any], str],
    key: Callable[[Any], Any],
) -> Check:
    # A lower bound above the upper one means: outside of the two.
    inverted = low is not None and high is not None and low[0] > high[0]
    text = "must be " + (" or " if inverted else " and ").join(words)

    def check(value: Any) -> str | None:
        compared = key(value)
        above = low is None or compared > low[0] or (low[1] and compared == low[0])
        below = high is None or compared < high[0] or (high[1] and compared == high[0])
        fits = (above or below) if inverted else (above and below)
        return None if fits else f"{text}, not {show(value)}"

    return check


def _membership(rules: Any, show: Callable[[Any], str]) -> list[Check]:
    checks: list[Check] = []
    allowed, refused = frozenset(getattr(rules, "in")), frozenset(rules.not_in)
    if allowed:
        listed = ", ".join(show(value) for value in getattr(rules, "in"))
        checks.append(
            lambda value: None if value in allowed else f"must be one of {listed}, not {show(value)}"
        )
    if refused:
        checks.append(lambda value: f"must not be {show(value)}" if value in refused else None)
    return checks


def number_checks(rules: Any) -> list[Check]:
    """Checks for any of the integer and floating kinds."""
    _refuse_others(rules, _LIMITS)

    def show(value: Any) -> str:
        return f"{value:g}" if isinstance(value, float) else str(value)

    return _limits(rules, show, lambda value: value) + _membership(rules, show)


def bool_checks(rules: Any) -> list[Check]:
    """Checks for a bool."""
    _refuse_others(rules, ("const",))
    wanted = rules.const
    text = f"must be {str(wanted).lower()}"
    return [lambda value: None if value == wanted else text] if rules.HasField("const") else []


def enum_checks(rules: Any, enum_type: EnumDescriptor) -> list[Check]:
    """Checks for an enum."""
    _refuse_others(rules, ("const", "defined_only", "in", "not_in"))
    names = {value.number: value.name for value in enum_type.values}

    def show(value: Any) -> str:
        return names.get(value, str(value))

    checks = _membership(rules, show)
    if rules.HasField("const"):
        checks.append(_constant(rules.const, show, lambda value: value))
    if rules.defined_only:
        listed = ", ".join(list(names.values())[:12])
        checks.append(lambda value: None if value in names else f"must be one of {listed}, not {value}")
    return checks


def duration_text(value: Any) -> str:
    """A Duration as it is written: `1.5s`."""
    total = abs(value.seconds * 10**9 + value.nanos)
    sign = "-" if value.seconds < 0 or value.nanos < 0 else ""
    fraction = f".{total % 10**9:09}".rstrip("0").rstrip(".")
    return f"{sign}{total // 10**9}{fraction}s"


def duration_checks(rules: Any) -> list[Check]:
    """Checks for a Duration that is set."""
    _refuse_others(rules, ("required", *_LIMITS[:-1]))
    if getattr(rules, "in") or rules.not_in:
        raise UnknownRule("DurationRules.in")
    return _limits(rules, duration_text, lambda value: value.seconds * 10**9 + value.nanos)


def _length_checks(
    rules: Any, unit: str, size: Callable[[Any], int], names: tuple[str, str, str]
) -> list[Check]:
    checks: list[Check] = []
    low = getattr(rules, names[0]) if rules.HasField(names[0]) else 0
    if low == 1:
        checks.append(lambda value: None if value else "must not be empty")
    elif low:
        checks.append(lambda value: None if size(value) >= low else f"must have at least {low} {unit}")
    if rules.HasField(names[1]):
        high = getattr(rules, names[1])
        text = f"must have at most {high} {unit}"
        checks.append(lambda value: None if size(value) <= high else f"{text}, not {size(value)}")
    if rules.HasField(names[2]):
        exact = getattr(rules, names[2])
        checks.append(lambda value: None if size(value) == exact else f"must have {exact} {unit}")
    return checks


_STRING_RULES = (
    *("const", "len", "min_len", "max_len", "len_bytes", "min_bytes", "max_bytes", "pattern", "prefix"),
    *("suffix", "contains", "not_contains", "in", "not_in", "well_known_regex", "strict", "ignore_empty"),
)
_HEADER_NAME, _HEADER_VALUE = 1, 2


def _quote(value: Any) -> str:
    return f'"{value}"'


def string_checks(rules: Any) -> list[Check]:
    """Checks for a string."""
    _refuse_others(rules, _STRING_RULES)
    checks = _length_checks(rules, "characters", len, ("min_len", "max_len", "len"))
    in_bytes = ("min_bytes", "max_bytes", "len_bytes")
    checks += _length_checks(rules, "bytes", lambda value: len(value.encode()), in_bytes)
    checks += _membership(rules, _quote)
    if rules.HasField("const"):
        checks.append(_constant(rules.const, _quote, lambda value: value))
    if rules.HasField("pattern"):
        checks.append(_pattern(rules.pattern))
    if rules.HasField("prefix"):
        start = rules.prefix
        checks.append(lambda value: None if value.startswith(start) else f"must begin with {_quote(start)}")
    if rules.HasField("suffix"):
        end = rules.suffix
        checks.append(lambda value: None if value.endswith(end) else f"must end with {_quote(end)}")
    if rules.HasField("contains"):
        part = rules.contains
        checks.append(lambda value: None if part in value else f"must contain {_quote(part)}")
    if rules.HasField("not_contains"):
        bad = rules.not_contains
        checks.append(lambda value: f"must not contain {_quote(bad)}" if bad in value else None)
    if rules.HasField("well_known_regex"):
        checks.append(_header_check(rules.well_known_regex, rules.strict))
    return checks


def _pattern(pattern: str) -> Check:
    # RE2 matches the pattern anywhere, as Python's search does; its $ is the very end, as \Z is.
    expression = re.compile(re.sub(r"(?<!\\)\$", r"\\Z", pattern))
    return lambda value: None if expression.search(value) else f"must match {pattern}, not {_quote(value)}"


def _header_check(kind: int, strict: bool) -> Check:
    if not strict:
        lax = re.compile("[\0\r\n]")
        return lambda value: "must not have NUL, CR or LF in it" if lax.search(value) else None
    if kind == _HEADER_NAME:
        name = re.compile(r":?[0-9a-zA-Z!#$%&'*+.^_|~`-]+")
        return lambda value: None if name.fullmatch(value) else f"must be a header name, not {_quote(value)}"
    if kind == _HEADER_VALUE:
        control = re.compile("[\0-\x08\n-\x1f\x7f]")
        return lambda value: "must not have control characters in it" if control.search(value) else None
    raise UnknownRule(f"StringRules.well_known_regex {kind}")


def bytes_checks(rules: Any) -> list[Check]:
    """Checks for bytes."""
    _refuse_others(rules, ("len", "min_len", "max_len", "ignore_empty"))
    return _length_checks(rules, "bytes", len, ("min_len", "max_len", "len"))


def _items(count: int, word: str = "item") -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def list_checks(rules: Any) -> list[Check]:
    """Checks for a repeated field as a whole; its items have rules of their own."""
    _refuse_others(rules, ("min_items", "max_items", "unique", "items", "ignore_empty"))
    checks: list[Check] = []
    if rules.HasField("min_items"):
        low = rules.min_items
        checks.append(lambda value: None if len(value) >= low else f"must have at least {_items(low)}")
    if rules.HasField("max_items"):
        high = rules.max_items
        checks.append(
            lambda value: (
                None if len(value) <= high else f"must have at most {_items(high)}, not {len(value)}"
            )
        )
    if rules.unique:
        checks.append(_unique)
    return checks


def _unique(values: Any) -> str | None:
    seen = set()
    for value in values:
        if value in seen:
            return f"must not have the same item twice: {value}"
        seen.add(value)
    return None


def map_checks(rules: Any) -> list[Check]:
    """Checks for a map as a whole; its keys and values have rules of their own."""
    _refuse_others(rules, ("min_pairs", "max_pairs", "keys", "values", "ignore_empty"))
    checks: list[Check] = []
    if rules.HasField("min_pairs"):
        low = rules.min_pairs
        checks.append(lambda value: None if len(value) >= low else f"must have at least {_items(low)}")
    if rules.HasField("max_pairs"):
        high = rules.max_pairs
        checks.append(lambda value: None if len(value) <= high else f"must have at most {_items(high)}")
    return checks
