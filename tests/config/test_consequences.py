"""One mistake, one error: what follows from a list that stands at the wrong place is not told as well."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ferryman.config.pipeline import check_bootstrap
from ferryman.config.source import Source

from config.small_bootstrap import bootstrap


def whole() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(bootstrap({}))
    return made


def errors_of(configuration: dict[str, Any]) -> list[str]:
    found = check_bootstrap([Source.from_text(json.dumps(configuration), "e.json", "json")]).errors
    return [f"{error.path_text}: {error.hint}" for error in found]


BELOW = "it belongs under static_resources: check the indentation"


@pytest.mark.parametrize("lists", [("clusters",), ("listeners",), ("clusters", "listeners")])
def test_lists_at_the_root(lists: tuple[str, ...]) -> None:
    configuration = whole()
    for name in lists:
        configuration[name] = configuration["static_resources"].pop(name)
    assert errors_of(configuration) == [f"{name}: {BELOW}" for name in lists]


def test_clusters_within_a_listener() -> None:
    configuration = whole()
    resources = configuration["static_resources"]
    resources["listeners"][0]["clusters"] = resources.pop("clusters")
    [error] = errors_of(configuration)
    assert error.startswith("static_resources.listeners[0].clusters: ")


def test_a_misspelt_root() -> None:
    configuration = whole()
    configuration["static_resource"] = {"clusters": configuration["static_resources"].pop("clusters")}
    assert errors_of(configuration) == ["static_resource: did you mean static_resources?"]


def test_a_cluster_that_is_not_there_is_still_told_beside_another_mistake() -> None:
    configuration = whole()
    configuration["static_resources"]["clusters"][0] |= {"name": "other", "connect_timeout": "x"}
    assert any("route.cluster" in error for error in errors_of(configuration))
