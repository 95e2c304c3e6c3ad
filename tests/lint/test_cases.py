"""Where rules speak and where they keep silent; how findings are silenced; what else `lint` reads."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from config.small_bootstrap import PLACES, bootstrap
from ferryman.config.source import Source
from ferryman.lint.run import lint

CASES = [
    pytest.param(case, id=f"{topic}-{number}".replace(" ", "-"))
    for topic, cases in yaml.safe_load((Path(__file__).parent / "cases.yaml").read_text()).items()
    for number, case in enumerate(cases)
]


@pytest.mark.parametrize("case", CASES)
def test_case(case: dict[str, Any]) -> None:
    changes = {place: case[place] for place in PLACES if place in case}
    problems = lint(Source.from_text(bootstrap(changes), "e.json", "json"))
    assert not problems.has_errors, str(problems)
    assert sorted({problem.code for problem in problems}) == case["finds"], str(problems)
    if "at" in case:
        place, _, below = case["at"].partition(" ")
        path = ".".join(part for part in (PLACES[place], below) if part)
        assert path in {problem.path_text for problem in problems}, str(problems)


EXPOSED = "admin: {address: {socket_address: {address: 0.0.0.0, port_value: 1}}}"


def codes(text: str, *ignore: str) -> list[str]:
    return [problem.code for problem in lint(Source.from_text(text), ignore)]


def test_a_finding_is_silenced() -> None:
    assert codes(EXPOSED) == ["admin-exposed"]
    assert codes(EXPOSED, "admin-exposed") == []
    assert codes(EXPOSED, "zero-weight") == ["admin-exposed"]
    assert codes(f"{EXPOSED} # lint: ignore admin-exposed") == []
    assert codes(f"{EXPOSED} # lint: ignore deprecated, admin-exposed") == []
    assert codes(f"{EXPOSED} # lint: ignore deprecated") == ["admin-exposed"]


def test_what_a_control_plane_delivers_is_judged() -> None:
    made = json.loads(bootstrap({"route": {"match": {"prefix": "/", "grpc": {}}}}))
    [listener] = made["static_resources"]["listeners"]
    table = listener["filter_chains"][0]["filters"][0]["typed_config"]["route_config"]
    for message, kind in (
        (listener, "listener.v3.Listener"),
        (table, "route.v3.RouteConfiguration"),
    ):
        resource = {"@type": f"type.googleapis.com/envoy.config.{kind}", **message}
        assert codes(json.dumps({"resources": [resource]})) == ["stream-timeout"]


def test_thousands_of_routes_are_judged_in_seconds() -> None:
    count = 5_000
    routes = [{"match": {"path": f"/{number}"}, "route": {"cluster": "service"}} for number in range(count)]
    routes += [{"match": {"prefix": f"/{number}"}, "direct_response": {"status": 200}} for number in range(9)]
    routes += [{"match": {"path": f"/{number}"}, "route": {"cluster": "service"}} for number in range(count)]
    began = time.process_time()
    found = lint(Source.from_text(bootstrap({"host": {"routes": routes}}), "e.json", "json"))
    assert {problem.code for problem in found} == {"unreachable-route"}
    assert len(found) == count
    assert time.process_time() - began < 20


def test_unknown_fields_and_types_are_no_concern_of_it() -> None:
    assert codes(EXPOSED + "\nbogus: 1\nstatic_resources: {listeners: [{nam: x, filter_chains: 7}]}") == [
        "admin-exposed"
    ]


def test_a_file_that_cannot_be_read_is_an_error() -> None:
    problems = lint(Source.from_text("a: [", "e.yaml"))
    assert problems.has_errors
    assert str(problems).startswith("e.yaml:1:")
