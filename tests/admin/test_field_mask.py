from __future__ import annotations

from typing import Any

import pytest
from ferryman.admin.field_mask import FieldMask
from ferryman.api import schema

BOOTSTRAP = schema.find_descriptor(schema.BOOTSTRAP)


@pytest.mark.parametrize(
    "mask",
    [
        "node",
        "node.id",
        "node.locality.zone",
        "static_resources.clusters",
        "node,admin",
        "node.metadata.fields",
    ],
)
def test_masks_that_fit(mask: str) -> None:
    assert FieldMask.read(mask).fits(BOOTSTRAP)


@pytest.mark.parametrize(
    "mask",
    ["nope", "node.nope", "node.id.x", "static_resources.clusters.name", "node.metadata.fields.a", "node.",
     ".node", "node..id", " node", "headerPrefix", "node,nope"],
)  # fmt: skip
def test_masks_that_do_not(mask: str) -> None:
    assert not FieldMask.read(mask).fits(BOOTSTRAP)


def test_empty_paths_are_left_out() -> None:
    assert FieldMask.read(",node,,admin,").paths == ["node", "admin"]


def trimmed(mask: str) -> str:
    bootstrap: Any = schema.new_message(schema.BOOTSTRAP)
    bootstrap.node.id = "i"
    bootstrap.node.cluster = "c"
    bootstrap.node.locality.zone = "z"
    bootstrap.static_resources.clusters.add(name="a")
    bootstrap.static_resources.listeners.add(name="b")
    FieldMask.read(mask).trim(bootstrap)
    return " ".join(str(bootstrap).split())


def test_only_what_is_named_stays() -> None:
    assert trimmed("node.id") == 'node { id: "i" }'
    lists = 'node { locality { zone: "z" } } static_resources { listeners { name: "b" } }'
    assert trimmed("node.locality,static_resources.listeners") == lists


@pytest.mark.parametrize("mask", ["node.locality,node.locality.region", "node.locality.region,node.locality"])
def test_the_whole_wins_over_a_part(mask: str) -> None:
    assert trimmed(mask) == 'node { locality { zone: "z" } }'


def test_a_message_stays_even_when_nothing_in_it_does() -> None:
    assert trimmed("node.metadata") == "node { }"
    assert trimmed("admin.address") == ""


def test_below_and_whole() -> None:
    mask = FieldMask.read("cluster.name,last_updated,cluster.type")
    assert mask.names("cluster") and not mask.names("name")
    assert mask.below("cluster").paths == ["name", "type"]
    assert mask.below("last_updated").paths == [""]
    assert mask.with_whole("cluster").paths == ["last_updated", "cluster"]
