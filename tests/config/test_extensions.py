"""The 380 configuration messages of Envoy's extensions are known; what is not built is refused by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from ferryman.api import extensions as known
from ferryman.api import schema
from ferryman.config.extensions import built_types

from config.small_bootstrap import ROUTER, problems

Changes = Mapping[str, Mapping[str, Any]]
BUILT = built_types()

PLACES: dict[str, Callable[[dict[str, Any]], Changes]] = {
    "envoy.access_loggers": lambda it: {"manager": {"access_log": [it]}},
    "envoy.access_loggers.extension_filters": lambda it: {
        "tcp": {"access_log": [log({"extension_filter": it})]}
    },
    "envoy.clusters": lambda it: {"cluster": {"cluster_type": it, "load_assignment": None}},
    "envoy.filters.http": lambda it: {"manager": {"http_filters": [it, ROUTER]}},
    "envoy.filters.http.upstream": lambda it: {
        "manager": {
            "http_filters": [
                {**ROUTER, "typed_config": {**ROUTER["typed_config"], "upstream_http_filters": [it]}}
            ]
        }
    },
    "envoy.filters.listener": lambda it: {"listener": {"listener_filters": [it]}},
    "envoy.filters.network": lambda it: {"chain": {"filters": [it]}},
    "envoy.formatter": lambda it: {"manager": {"access_log": [log({}, formatters=[it])]}},
    "envoy.http.early_header_mutation": lambda it: {"manager": {"early_header_mutation_extensions": [it]}},
    "envoy.http.header_validators": lambda it: {"manager": {"typed_header_validation_config": it}},
    "envoy.http.original_ip_detection": lambda it: {"manager": {"original_ip_detection_extensions": [it]}},
    "envoy.load_balancing_policies": lambda it: {
        "cluster": {"load_balancing_policy": {"policies": [{"typed_extension_config": it}]}}
    },
    "envoy.request_id": lambda it: {
        "manager": {"request_id_extension": {"typed_config": it["typed_config"]}}
    },
    "envoy.transport_sockets.downstream": lambda it: {"chain": {"transport_socket": it}},
    "envoy.transport_sockets.upstream": lambda it: {"cluster": {"transport_socket": it}},
    "envoy.upstream_options": lambda it: {
        "cluster": {"typed_extension_protocol_options": {it["name"]: it["typed_config"]}}
    },
}
"""Where the extensions of a category stand in a configuration; in all others the field itself is refused."""


def log(chosen: dict[str, Any], **format_options: Any) -> dict[str, Any]:
    typed_config = {
        "@type": schema.url_of_type("envoy.extensions.access_loggers.stream.v3.StdoutAccessLog"),
        "log_format": {"text_format_source": {"inline_string": "x"}, **format_options},
    }
    return {"name": "log", "typed_config": typed_config} | ({"filter": chosen} if chosen else {})


def named(extension: known.Extension, full_name: str) -> dict[str, Any]:
    return {"name": extension.name, "typed_config": {"@type": schema.url_of_type(full_name)}}


@pytest.mark.parametrize("category", PLACES)
def test_what_is_not_built_is_refused_by_name(category: str) -> None:
    wrong = []
    for extension in known.in_category(category).values():
        for full_name in set(extension.types) - BUILT.get(category, frozenset()):
            found = problems(PLACES[category](named(extension, full_name)))
            owners = [it.name for it in known.by_type()[full_name] if it.category == category]
            told = [problem.text for problem in found.errors if problem.code == "not-supported"]
            if not any(text.endswith(f"{owner} is not supported yet") for owner in owners for text in told):
                wrong.append(f"{extension.name}, {full_name}: {found}")
    assert not wrong, "\n".join(wrong)


def test_every_message_is_known() -> None:
    """As an HTTP filter each is refused as not built, or as what it is instead."""
    assert len(known.by_type()) == 380
    wrong = []
    for full_name, owners in known.by_type().items():
        if full_name in BUILT["envoy.filters.http"]:
            continue
        found = problems(PLACES["envoy.filters.http"](named(owners[0], full_name)))
        told = {(problem.text, problem.hint) for problem in found.errors}
        fitting = {(f"{owner.name} is not supported yet", None) for owner in owners}
        fitting |= {
            (f"{full_name} is no extension of envoy.filters.http", f"it belongs to {owner.category}")
            for owner in owners
        }
        if not fitting & told:
            wrong.append(f"{full_name}: {found}")
    assert not wrong, "\n".join(wrong)
