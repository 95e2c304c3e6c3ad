from __future__ import annotations

import json

from ferryman.config import report
from ferryman.config.problems import MAX_KEPT, Place, Problem, Problems, Severity, path_text
from ferryman.config.source import Source
from ferryman.errors import ConfigError

TEXT = "node:\n\tid: é\n  x: y\n"


def problem(line: int, text: str = "is bad", severity: Severity = Severity.ERROR) -> Problem:
    place = Place("a.yaml", line, 2, "\tid: x")
    return Problem("bad", severity, text, ("node", "id"), "mend it", _place=place)


def test_text_has_place_path_reason_hint_and_a_caret() -> None:
    problems = Problems()
    problems.add(problem(12))
    assert problems.as_text() == ("a.yaml:12:2: error: node.id: is bad; mend it\n  12 | \tid: x\n     | \t^")
    assert report.text(problems, excerpts=False) == "a.yaml:12:2: error: node.id: is bad; mend it"
    assert str(ConfigError(problems)) == problems.as_text()


def test_a_very_long_line_is_cut_around_the_column() -> None:
    source = Source("f", '{"a": "' + "x" * 5000 + '", "b": 1}', "json")
    problems = Problems()
    problems.add(Problem("bad", Severity.ERROR, "is bad", ("b",), origin=source))
    head, line, caret = problems.as_text().split("\n")
    assert head == "f:1:5016: error: b: is bad"
    assert len(line) < 130
    assert line[caret.index("^")] == "1"


def test_errors_come_first_each_in_the_order_of_the_file() -> None:
    problems = Problems()
    problems.add(problem(1, "is odd", Severity.WARNING))
    problems.add(problem(9, "c"))
    problems.add(problem(3, "b"))
    texts = report.text(problems, excerpts=False).split("\n")
    assert [line.split(": ")[3] for line in texts] == ["b; mend it", "c; mend it", "is odd; mend it"]
    assert [found.place.line for found in problems] == [1, 3, 9]


def test_the_same_problem_is_kept_once() -> None:
    problems = Problems()
    problems.add(problem(1))
    problems.add(problem(1))
    assert len(problems) == len(list(problems)) == 1


def test_more_than_enough_problems_are_only_counted() -> None:
    problems = Problems()
    for number in range(MAX_KEPT + 50):
        problems.add(problem(1, f"is bad {number}"))
    assert len(problems) == problems.count(Severity.ERROR) == MAX_KEPT + 50
    assert len(problems.errors) == MAX_KEPT
    text = report.text(problems, limit=3, excerpts=False)
    assert text.count("\n") == 3
    assert text.endswith(f"… and {MAX_KEPT + 47} more")


def test_paths() -> None:
    assert path_text(()) == ""
    assert path_text(("a", 0, "b_c", "@type", 1, 2, "x.y")) == 'a[0].b_c["@type"][1][2]["x.y"]'


def test_json() -> None:
    problems = Problems()
    problems.add(problem(12))
    assert json.loads(report.as_json(problems)) == [
        {
            "file": "a.yaml",
            "line": 12,
            "column": 2,
            "severity": "error",
            "code": "bad",
            "path": "node.id",
            "text": "is bad",
            "hint": "mend it",
        }
    ]
    assert json.loads(report.as_json(Problems())) == []


def test_sarif() -> None:
    problems = Problems()
    problems.add(problem(12))
    problems.add(Problem("worse", Severity.WARNING, "is odd", _place=Place("b c.pb")))
    log = json.loads(report.as_sarif(problems, "1.2.3"))
    assert log["version"] == "2.1.0"
    [run] = log["runs"]
    assert run["tool"]["driver"]["version"] == "1.2.3"
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["bad", "worse"]
    first, second = run["results"]
    assert (first["ruleId"], first["level"]) == ("bad", "error")
    assert first["message"]["text"] == "node.id: is bad; mend it"
    [location] = first["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "a.yaml"},
        "region": {"startLine": 12, "startColumn": 2},
    }
    assert second["level"] == "warning"
    assert second["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "b%20c.pb"}
    assert "region" not in second["locations"][0]["physicalLocation"]
