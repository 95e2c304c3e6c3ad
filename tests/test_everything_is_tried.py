"""Every field and operator that is built stands in at least one oracle case or scenario.

Computed from the declarations beside the lowering functions and from the list of operators: what
is built and never set in any case is named, and the test fails.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from ferryman.api import schema
from ferryman.config import extensions, operators
from ferryman.config.fields import DECLARED
from ferryman.config.parse import parse_bootstrap
from ferryman.config.source import Source
from ferryman.lint.subject import walk
from harness.bootstrap import bootstrap_of, substitute
from harness.case import Area, load_area, load_folder
from oracle.udp_cases import CASES as DATAGRAMS
from oracle.udp_cases import bootstrap_of as bootstrap_of_datagrams

TESTS = Path(__file__).parent
TYPES = (
    "envoy.config.common.mutation_rules.",
    "envoy.config.rbac.",
    "envoy.config.route.v3.",
    "envoy.extensions.compression.",
    "envoy.extensions.filters.",
    "envoy.extensions.http.",
)
OPERATOR = re.compile(r"%([A-Z0-9_]+)(?:\([^%]*\))?(?::\d+)?%")
extensions.built_types()  # imports every lowering module, so that DECLARED is complete


def areas() -> Iterator[Area]:
    """The oracle's cases and the scenarios."""
    for path in sorted((TESTS / "oracle" / "cases").glob("*.yaml")):
        yield load_area(path)
    for path in sorted((TESTS / "scenarios").iterdir()):
        if path.is_dir():
            yield load_folder(path)


@cache
def configurations() -> list[Source]:
    """The configuration of each area; a port where a port stands, whatever its name."""
    made = []
    for area in areas():
        configuration = substitute(
            bootstrap_of(area), lambda name: "/tmp/x" if name in ("dir", "log") else "9"
        )
        made.append(Source(area.name, json.dumps(configuration), "json"))
    for name, case in DATAGRAMS.items():
        made.append(Source(name, json.dumps(bootstrap_of_datagrams(case, [9], Path("/tmp/x"))), "json"))
    return made


@cache
def tried_fields() -> dict[str, set[str]]:
    """The fields that are set in some configuration, by message type."""
    tried: dict[str, set[str]] = defaultdict(set)
    for source in configurations():
        cursor, _ = parse_bootstrap([source])
        for message in walk(cursor):
            tried[message.type_name].update(message.fields_set())
    return tried


def built_fields() -> dict[str, set[str]]:
    """The fields that are built, by message type."""
    built: dict[str, set[str]] = defaultdict(set)
    for (message, _), fields in DECLARED.items():
        if message.startswith(TYPES):
            built[message] |= fields.lowered
    return built


@pytest.mark.parametrize("message", sorted(built_fields()))
def test_every_field_is_tried(message: str) -> None:
    missing = built_fields()[message] - tried_fields()[message]
    assert not missing, f"built, and in no oracle case or scenario: {', '.join(sorted(missing))}"


def test_every_operator_is_tried() -> None:
    tried = {name for source in configurations() for name in OPERATOR.findall(source.text)}
    missing = operators.OPERATORS - operators.NOT_BUILT - tried
    assert not missing, f"built, and in no oracle case or scenario: {', '.join(sorted(missing))}"


def test_what_is_tried_is_of_the_schema() -> None:
    assert all(schema.find_descriptor(message) is not None for message in built_fields())
    assert {name for source in configurations() for name in OPERATOR.findall(source.text)} > {"PROTOCOL"}
