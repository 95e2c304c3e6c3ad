"""`unused-cluster`: a cluster that nothing in the configuration names.

Owns the rule. Silent where names come from elsewhere: from a control plane, a header, a script.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from ferryman.lint.rule import Finding, Rule
from ferryman.lint.subject import short_name, walk

if TYPE_CHECKING:
    from ferryman.config.cursor import Cursor
    from ferryman.lint.subject import Subject

_FROM_ELSEWHERE: Final = {
    "Rds": None,
    "ScopedRds": None,
    "ExtensionConfigSource": None,
    "RouteAction": ("cluster_header", "cluster_specifier_plugin", "inline_cluster_specifier_plugin"),
    "ClusterWeight": ("cluster_header",),
    "RequestMirrorPolicy": ("cluster_header",),
    "SniCluster": None,
    "FilterConfig": None,
    "DataSource": ("filename",),
    "DynamicModuleConfig": None,
    "PluginConfig": None,
}
"""Messages (or fields of them) through which a cluster may be named by what is not in the file."""


def _judge(subject: Subject) -> Iterator[Finding]:
    if not subject.is_bootstrap or _is_open_ended(subject):
        return
    everywhere = Counter(_strings(subject.messages))
    # A name may stand within a script, a format, an address.
    longer = "\n".join(text for text in everywhere if any(mark in text for mark in "\n %/"))
    for cluster in subject.clusters:
        name = cluster.get("name")
        own = Counter(_strings(list(walk(cluster))))
        if name and everywhere[name] <= own[name] and name not in longer:
            yield Finding(cluster, f"nothing names cluster `{name}`", "take it out, or route to it", "name")


def _is_open_ended(subject: Subject) -> bool:
    dynamic = subject.root.child("dynamic_resources").fields_set()
    from_control_plane = bool({"lds_config", "ads_config"} & set(dynamic))
    return from_control_plane or subject.is_unread or any(map(_is_from_elsewhere, subject.messages))


def _is_from_elsewhere(cursor: Cursor) -> bool:
    kind = short_name(cursor)
    if kind not in _FROM_ELSEWHERE:
        return False
    fields = _FROM_ELSEWHERE[kind]
    if kind == "DataSource":
        return str(cursor.get("filename")).endswith((".lua", ".wasm", ".so"))
    return fields is None or any(field in cursor.fields_set() for field in fields)


def _strings(messages: list[Cursor]) -> Iterator[str]:
    for cursor in messages:
        for _, value in cursor.message.ListFields():
            yield from _strings_of(value)


def _strings_of(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif hasattr(value, "items"):
        yield from (text for entry in value.items() for text in entry if isinstance(text, str))
    elif hasattr(value, "__iter__") and not isinstance(value, bytes):
        yield from (text for text in value if isinstance(text, str))


UNUSED_CLUSTER: Final = Rule("unused-cluster", "a cluster that nothing in the configuration names", _judge)
