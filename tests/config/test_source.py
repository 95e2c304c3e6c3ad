"""Sources: formats, reading, merging, and the way from a path to a place."""

from __future__ import annotations

from pathlib import Path

import pytest
from ferryman.api import schema
from ferryman.config.parse import check_rules, parse_bootstrap, parse_bytes
from ferryman.config.problems import Place
from ferryman.config.source import Source, format_of
from ferryman.errors import SourceError

from config.reading import errors, read


@pytest.mark.parametrize(
    ("name", "format"),
    [
        *[
            ("a.yaml", "yaml"),
            ("a.YML", "yaml"),
            ("a.json", "json"),
            ("a.pb", "pb"),
            ("a.pb_text", "pb_text"),
        ],
        *[("a", "json"), ("a.yaml.bak", "json"), ("/x.yaml/a", "json")],
    ],
)
def test_the_format_is_told_by_the_name(name: str, format: str) -> None:
    assert format_of(name) == format


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="a.yaml: cannot be read: No such file"):
        Source.from_file(tmp_path / "a.yaml")
    with pytest.raises(SourceError, match="Is a directory"):
        Source.from_file(tmp_path)


def test_text_that_is_not_utf8() -> None:
    cursor, problems = parse_bootstrap([Source("f", b"node:\n  id: \xff\n", "yaml")])
    check_rules(cursor)
    [problem] = problems.errors
    assert str(problem) == "f:2:7: is not UTF-8 text"


def test_an_excerpt_is_the_line() -> None:
    source = Source("f", "a: 1\r\nb: é2\r\n", "yaml")
    assert source.place(("b",), at_key=False) == Place("f", 2, 4, "b: é2")
    assert source.place(("b",), at_key=True) == Place("f", 2, 1, "b: é2")


TEXT = """\
a:
  b: 1
  list:
  - x: 1
    yY: {z: 2}
  - 5
  typed:
    value:
      q: 1
"""


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        (("a",), 1, 1),
        (("a", "b"), 2, 6),
        (("a", "list"), 3, 3),
        (("a", "list", 0), 4, 5),
        (("a", "list", 0, "y_y", "z"), 5, 13),
        (("a", "list", 1), 6, 5),
        (("a", "list", 0, "missing"), 4, 5),
        (("a", "list", 0, "y_y", "missing", "deeper"), 5, 5),
        (("a", "missing"), 1, 1),
        (("a", "list", 7), 3, 3),
        (("a", "typed", "q"), 9, 10),
        (("a", "b", 0), 2, 6),
        ((), 1, 1),
        (("missing",), 1, 1),
    ],
)
@pytest.mark.parametrize("format", ["yaml", "json"])
def test_a_path_leads_to_its_place_or_to_the_nearest_parent(
    path: tuple[str | int, ...], line: int, column: int, format: str
) -> None:
    if format == "yaml":
        place = Source("f", TEXT, "yaml").place(path, at_key=False)
        assert (place.line, place.column) == (line, column)
    else:
        flow = '{"a": {"b": 1, "list": [{"x": 1, "yY": {"z": 2}}, 5],\n"typed": {"value": {"q": 1}}}}'
        place = Source("f", flow, "json").place(path, at_key=False)
        assert place.line == (2 if "typed" in path else 1)


def test_sources_are_merged_and_each_problem_names_its_own() -> None:
    first = "node: {id: a, cluster: b}\nstatic_resources:\n  clusters:\n  - name: x\n  - name: ''\n"
    second = "node: {id: c}\nstatic_resources:\n  clusters:\n  - name: z\n  - name: ''\nheader_prefix: 5\n"
    sources = [Source("one.yaml", first, "yaml"), Source.from_text(second)]
    cursor, problems = parse_bootstrap(sources)
    check_rules(cursor)
    node = cursor.child("node")
    assert (node.get("id"), node.get("cluster")) == ("c", "b")
    names = [item.get("name") for item in cursor.child("static_resources").items("clusters")]
    assert names == ["x", "", "z", ""]
    assert [str(problem.place) for problem in problems.errors] == [
        "one.yaml:5:11",
        "<config-yaml>:5:11",
        "<config-yaml>:6:16",
    ]


def test_merging_is_that_of_protobuf() -> None:
    first = "stats_flush_interval: 1.5s\nnode: {user_agent_version: x, metadata: {a: 1, b: {c: 1}}}\n"
    second = "stats_flush_interval: 2s\nnode: {user_agent_build_version: {}, metadata: {b: {d: 1}}}\n"
    cursor, problems = parse_bootstrap([Source("f", first, "yaml"), Source.from_text(second)])
    assert not len(problems)
    interval = cursor.child("stats_flush_interval").message
    assert (interval.seconds, interval.nanos) == (2, 500_000_000)
    node = cursor.child("node")
    assert node.which("user_agent_version_type") == "user_agent_build_version"
    metadata = node.get("metadata").fields
    assert sorted(metadata) == ["a", "b"]
    assert sorted(metadata["b"].struct_value.fields) == ["d"]


def test_no_source_is_an_empty_bootstrap() -> None:
    cursor, problems = parse_bootstrap([])
    assert cursor.message == schema.new_message(schema.BOOTSTRAP)
    assert not len(problems)


def test_warnings_about_the_text() -> None:
    _, problems = read("node: {id: a, id: b}\n---\nx: 1\n")
    assert [str(problem) for problem in problems.warnings] == [
        'f:1:15: "id" stands twice in one mapping; the later one counts; the first is at line 1',
        "f:2:1: a second document begins here; only the first is read",
    ]
    _, problems = read('{"node": {"id": "a", "id": "b"}}', format="json")
    assert [problem.code for problem in problems] == ["duplicate-key"]


def test_binary() -> None:
    wanted = schema.new_message(schema.BOOTSTRAP)
    wanted.static_resources.clusters.add().name = "c"  # type: ignore[attr-defined]
    cursor, problems = parse_bootstrap([Source("f.pb", wanted.SerializeToString(), "pb")])
    assert cursor.message == wanted
    assert not len(problems)
    _, problems = parse_bootstrap([Source("f.pb", b"\xff", "pb")])
    assert [str(problem) for problem in problems] == [f"f.pb: the bytes are no {schema.BOOTSTRAP}"]


NODE_WITH_FIELD_9999 = bytes([0x0A, 7, 0x0A, 1, 0x78, 0xF8, 0xF0, 0x04, 0x05])


def test_unknown_fields_in_binary_are_refused_in_files_and_counted_elsewhere() -> None:
    _, problems = parse_bootstrap([Source("f.pb", NODE_WITH_FIELD_9999, "pb")])
    assert [str(p) for p in problems] == ["f.pb: node: envoy.config.core.v3.Node has no field number 9999"]
    cursor, problems = parse_bytes(NODE_WITH_FIELD_9999, schema.BOOTSTRAP, "x")
    assert (len(problems), problems.unknown_fields) == (0, 1)
    assert cursor.child("node").get("id") == "x"


TEXT_FORMAT = """\
node { id: "x" }
static_resources {
  clusters { name: "a" "b" }
  clusters {
    load_assignment: <cluster_name: "x", endpoints: [{priority: 129}, {}]>
  }
  listeners { filter_chains { filters { name: "f" typed_config {
    [type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy] {
      cluster: "c"
      max_connect_attempts { value: 0 }
} } } } }
}
"""


def test_text_format_has_places_too() -> None:
    cursor, _ = read(TEXT_FORMAT, format="pb_text")
    assert cursor.child("static_resources").items("clusters")[0].get("name") == "ab"
    places = [line.split(": ")[0:2] for line in errors(TEXT_FORMAT, format="pb_text")]
    clusters = "static_resources.clusters[1]"
    typed = "static_resources.listeners[0].filter_chains[0].filters[0].typed_config"
    assert places == [
        ["f:4:3", f"{clusters}.name"],
        ["f:5:65", f"{clusters}.load_assignment.endpoints[0].priority"],
        ["f:7:51", f"{typed}.stat_prefix"],
        ["f:10:7", f"{typed}.max_connect_attempts"],
    ]


def test_broken_text_format() -> None:
    [said] = errors('node {\n  idd: "x"\n}\n', format="pb_text")
    assert said.startswith("f:2:3: ")
    assert 'has no field named "idd"' in said


def test_a_binary_source_among_others_has_no_lines() -> None:
    message = schema.new_message(schema.BOOTSTRAP)
    message.static_resources.clusters.add()  # type: ignore[attr-defined]
    sources = [Source("f.pb", message.SerializeToString(), "pb"), Source.from_text("node: {id: x}")]
    cursor, problems = parse_bootstrap(sources)
    check_rules(cursor)
    [problem] = problems.errors
    assert str(problem.place) == "f.pb"
