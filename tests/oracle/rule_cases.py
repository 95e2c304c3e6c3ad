"""Makes small bootstraps, each on the edge of one rule of the schema, by walking the schema itself.

A case is (name, tree): a bootstrap that is right but for one field, which is at, just below or just
beyond what its rule allows. Whether it must pass is not known here: both proxies are asked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from ferryman.api import schema
from ferryman.api.annotations import field_rules, oneof_required

Tree = dict[str, Any]
Wrap = Callable[[Any], Tree]

NUMBERS = ("float", "double", "int32", "int64", "uint32", "uint64")
WRAPPER_NAMES = ("DoubleValue", "FloatValue", "Int64Value", "UInt64Value", "Int32Value", "UInt32Value")


def is_map(field: Any) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def kind(rules: Any) -> tuple[str, Any]:
    name = rules.WhichOneof("type") if rules is not None else None
    return (name, getattr(rules, name)) if name else ("", None)


def number(rules: Any) -> float:
    if rules.HasField("gte"):
        return rules.gte
    if rules.HasField("gt"):
        return rules.gt + 1
    return (
        getattr(rules, "in")[0] if getattr(rules, "in") else min(1, rules.lte) if rules.HasField("lte") else 1
    )


def seconds(duration: Any, add_ns: int = 0) -> str:
    total = duration.seconds * 10**9 + duration.nanos + add_ns
    return f"{'-' if total < 0 else ''}{abs(total) // 10**9}.{abs(total) % 10**9:09}s"


def valid(field: Any, depth: int) -> Any:
    """A value that the field's rule allows."""
    rules = field_rules(field)
    name, kind_rules = kind(rules)
    if field.message_type is not None:
        type_name = field.message_type.full_name
        if type_name == "google.protobuf.Duration":
            if kind_rules is not None and name == "duration":
                if kind_rules.HasField("gte"):
                    return seconds(kind_rules.gte)
                if kind_rules.HasField("gt"):
                    return seconds(kind_rules.gt, 10**9)
            return "1s"
        if type_name.startswith("google.protobuf."):
            short = type_name.rpartition(".")[2]
            if short in WRAPPER_NAMES:
                return number(kind_rules) if kind_rules is not None else 1
            return {"BoolValue": True, "StringValue": "a"}.get(short, {})
        return minimal(field.message_type, depth + 1)
    if field.enum_type is not None:
        banned = kind_rules.not_in if kind_rules is not None and name == "enum" else ()
        return next(value.number for value in field.enum_type.values if value.number not in banned)
    if field.type == field.TYPE_STRING:
        return text(kind_rules) if name == "string" else "a"
    if field.type == field.TYPE_BOOL:
        return True
    if field.type == field.TYPE_BYTES:
        return "YQ=="
    return number(kind_rules) if name in NUMBERS else 1


def text(rules: Any) -> str:
    if getattr(rules, "in"):
        return getattr(rules, "in")[0]
    return rules.prefix + "a" * max(1, rules.min_len) + rules.suffix


def value_of(field: Any, depth: int) -> Any:
    if is_map(field):
        value_field = field.message_type.fields_by_name["value"]
        return {"a": valid(value_field, depth)}
    rules = field_rules(field)
    name, kind_rules = kind(rules)
    if field.is_repeated:
        item = item_of(
            field, kind_rules.items if name == "repeated" and kind_rules.HasField("items") else None, depth
        )
        return [item] * max(1, kind_rules.min_items if name == "repeated" else 1)
    return valid(field, depth)


def item_of(field: Any, rules: Any, depth: int) -> Any:
    name, kind_rules = kind(rules)
    if name == "string":
        return text(kind_rules)
    if name in NUMBERS:
        return number(kind_rules)
    return valid(field, depth)


def is_required(field: Any) -> bool:
    rules = field_rules(field)
    if rules is None or field.containing_oneof is not None:
        return False
    name, kind_rules = kind(rules)
    if field.message_type is not None and not field.is_repeated:
        return rules.message.required or (name in ("duration", "any") and kind_rules.required)
    if name in ("string", "bytes"):
        return bool(kind_rules.min_len or getattr(kind_rules, "in", ())) and not kind_rules.ignore_empty
    if name == "repeated":
        return bool(kind_rules.min_items)
    if name == "map":
        return bool(kind_rules.min_pairs)
    if name == "enum":
        return 0 in kind_rules.not_in
    if name in NUMBERS:
        return kind_rules.HasField("gt") or (kind_rules.HasField("gte") and kind_rules.gte > 0)
    return False


def minimal(descriptor: Any, depth: int = 0) -> Tree:
    """The smallest tree of a message that breaks no rule."""
    if depth > 12:
        return {}
    tree = {field.name: value_of(field, depth) for field in descriptor.fields if is_required(field)}
    for oneof in descriptor.oneofs:
        if oneof_required(oneof):
            field = min(oneof.fields, key=lambda member: cost(member, depth))
            tree[field.name] = value_of(field, depth)
    return tree


def cost(field: Any, depth: int) -> tuple[bool, bool, int]:
    recursive = field.message_type is not None and field.message_type is field.containing_type
    return (recursive, field.message_type is not None, field.number)


def variants(field: Any) -> Iterator[tuple[str, Any]]:
    """Values on both sides of each edge of the field's rule."""
    rules = field_rules(field)
    name, kind_rules = kind(rules)
    if kind_rules is None:
        return
    if name in NUMBERS:
        for bound in ("gt", "gte", "lt", "lte"):
            if kind_rules.HasField(bound):
                edge = getattr(kind_rules, bound)
                for step in (-1, 0, 1):
                    yield f"{bound}{step:+}", edge + step
        yield "zero", 0
    elif name == "duration":
        for bound in ("gt", "gte", "lt", "lte"):
            if kind_rules.HasField(bound):
                for step in (-1, 0, 1):
                    yield f"{bound}{step:+}", seconds(getattr(kind_rules, bound), step)
    elif name == "string":
        yield "empty", ""
        yield "plain", "a"
        yield "newline", "a\nb"
        yield "odd", 'a b"\x7f/é'
        for bound in ("min_len", "max_len", "min_bytes", "max_bytes"):
            if kind_rules.HasField(bound) and getattr(kind_rules, bound) < 100_000:
                for step in (-1, 0, 1):
                    yield f"{bound}{step:+}", "é" * max(0, getattr(kind_rules, bound) + step)
    elif name == "enum":
        yield "undefined", 1234
        for value in (*kind_rules.not_in, field.enum_type.values[0].number):
            yield f"value{value}", value
    elif name == "bool":
        yield "false", False
    elif name == "repeated":
        yield from list_variants(field, kind_rules)
    elif name == "map":
        yield "empty", {}


def list_variants(field: Any, rules: Any) -> Iterator[tuple[str, Any]]:
    item = item_of(field, rules.items if rules.HasField("items") else None, 0)
    yield "empty", []
    yield "one", [item]
    yield "twice", [item, item]
    if rules.HasField("max_items") and rules.max_items < 3000:
        yield "max", [item] * rules.max_items
        yield "max+1", [item] * (rules.max_items + 1)
    if rules.HasField("items") and rules.items.WhichOneof("type") == "string":
        for bad in ("", "a\nb"):
            yield f"item {bad!r}", [bad]


def deep_set(tree: Tree, name: str, value: Any) -> Tree:
    return {**tree, name: value}


def without_siblings(descriptor: Any, field: Any, tree: Tree) -> Tree:
    """The tree without other members of the field's oneof."""
    if field.containing_oneof is None:
        return tree
    members = {member.name for member in field.containing_oneof.fields}
    return {key: value for key, value in tree.items() if key not in members}


def contexts(root: str, wrap: Wrap) -> Iterator[tuple[Any, Wrap]]:
    """Every message type below a root, with a way to put a tree of that type into a whole bootstrap."""
    seen = {root}
    waiting: deque[tuple[Any, Wrap]] = deque([(schema.find_descriptor(root), wrap)])
    while waiting:
        descriptor, wrap_here = waiting.popleft()
        yield descriptor, wrap_here
        for field in descriptor.fields:
            child = field.message_type
            if child is None or is_map(field) or child.full_name in seen:
                continue
            if child.full_name.startswith("google.protobuf."):
                continue
            seen.add(child.full_name)
            waiting.append((child, inside(descriptor, field, wrap_here)))


def inside(descriptor: Any, field: Any, wrap: Wrap) -> Wrap:
    def put(tree: Any) -> Tree:
        value = [tree] if field.is_repeated else tree
        return wrap(deep_set(without_siblings(descriptor, field, minimal(descriptor)), field.name, value))

    return put


def cases(root: str, wrap: Wrap) -> Iterator[tuple[str, Tree]]:
    """All cases below a message type."""
    for descriptor, put in contexts(root, wrap):
        base = minimal(descriptor)
        for field in descriptor.fields:
            if is_required(field):
                yield f"{field.full_name} absent", put({k: v for k, v in base.items() if k != field.name})
            rest = without_siblings(descriptor, field, base)
            for name, value in variants(field):
                yield f"{field.full_name} {name}", put(deep_set(rest, field.name, value))
        for oneof in descriptor.oneofs:
            if oneof_required(oneof):
                members = {member.name for member in oneof.fields}
                kept = {key: value for key, value in base.items() if key not in members}
                yield f"{descriptor.full_name}.{oneof.name} absent", put(kept)


def in_listener(full_name: str) -> Wrap:
    """Puts a network filter's configuration into a listener."""

    def put(tree: Any) -> Tree:
        typed = {"@type": schema.url_of_type(full_name), **tree}
        address = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
        filters = [{"name": "f", "typed_config": typed}]
        return {
            "static_resources": {"listeners": [{"address": address, "filter_chains": [{"filters": filters}]}]}
        }

    return put


def all_cases() -> Iterator[tuple[str, Tree]]:
    """The cases of the bootstrap and of the two main network filters."""
    yield from cases(schema.BOOTSTRAP, lambda tree: tree)
    manager = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    tcp_proxy = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
    for full_name in (manager, tcp_proxy):
        yield from cases(full_name, in_listener(full_name))
