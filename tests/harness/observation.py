"""What one case did with one proxy, in comparable form, and the comparison.

Owns: turning recorded bytes, stats and log lines into plain data without what may differ between two
runs (`normalise.yaml` lists it), and listing the differences of two such observations.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from harness.encoded_body import LOGGED_SIZES, SIZES, decoded
from harness.http_message import Message, read_head, read_messages
from harness.shapes import shape_of
from harness.wire_text import from_wire

RULES = yaml.safe_load((Path(__file__).parent / "normalise.yaml").read_text())
STAT_PREFIXES = tuple(RULES["stats_prefixes"])
STATS_IGNORED = re.compile("|".join(f"(?:{pattern})" for pattern in RULES["stats_ignored"]))


@dataclass
class Observation:
    """Everything that is compared, plus the exact bytes for reports and byte-wise expectations."""

    connections: list[dict[str, Any]] = field(default_factory=list)
    upstreams: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    log: list[Any] = field(default_factory=list)
    stats: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    downstream_bytes: list[str] = field(default_factory=list)
    upstream_bytes: dict[str, list[str]] = field(default_factory=dict)

    def comparable(self) -> dict[str, Any]:
        """The parts that two proxies must agree on."""
        return {
            "connections": self.connections,
            "upstreams": self.upstreams,
            "log": self.log,
            "stats": self.stats,
            "problems": self.problems,
        }


class Normaliser:
    """Replaces what belongs to one run: ports, directories, times and random ids."""

    def __init__(self, ports: dict[int, str], directory: str, masks: list[str], shape: str | None) -> None:
        self._ports = ports
        self._shape = shape
        self._directory = directory
        self._masks = [re.compile(mask) for mask in masks]
        self.has_encoded = False
        """Whether a compressed body was seen."""

    def text(self, text: str) -> str:
        """A text with known ports and the run's directory replaced by their names."""
        text = text.replace(self._directory, "<dir>")
        text = re.sub(r'(?<=[:=_" ])\d{4,5}\b', lambda m: self._ports.get(int(m[0]), m[0]), text)
        for mask in self._masks:
            text = mask.sub("<masked>", text)
        return text

    def exact(self, data: bytes) -> str:
        """Exact bytes, except for the values that `normalise.yaml` lists."""
        text = from_wire(data)
        for pattern, replacement in RULES["bytes"]:
            text = re.sub(pattern, replacement, text)
        return self.text(text)

    def message(self, message: Message) -> dict[str, Any]:
        """A message in comparable form."""
        content = decoded(message)
        self.has_encoded |= content is not None
        described = message.describe(lambda body: self._body(body if content is None else content))
        for kind in ("headers", "trailers"):
            for header in described.get(kind, []):  # type: ignore[attr-defined]
                header[1] = self._header_value(header[0], header[1])
        described["start_line"] = self.text(message.start_line)
        return described

    def _body(self, body: bytes) -> Any:
        if self._shape:
            return shape_of(self._shape, body.decode("latin-1"), self.text)
        return self.text(from_wire(body))

    def _header_value(self, name: str, value: str) -> str:
        for known, pattern, replacement in RULES["headers"]:
            if name == known and re.fullmatch(pattern, value):
                return str(replacement)
        return self.text(value)

    def side(self, data: bytes, methods: list[str] | None, ended: bool) -> dict[str, Any]:
        """One side of a connection: complete messages, then what is left over."""
        messages, rest = read_messages(data, methods, ended)
        key = "requests" if methods is None else "responses"
        side: dict[str, Any] = {key: [self.message(m) for m in messages], "rest": ""}
        cut_short = read_head(rest)
        if cut_short:
            side["cut_short"] = self.message(cut_short)
        else:
            side["rest"] = self.exact(rest)
        return side

    def log_line(self, line: str, split: bool) -> Any:
        """An access log line; the default format splits into its fields."""
        line = self.text(line)
        if not split:
            return line
        fields = [entry.partition("=") for entry in line.split("\t")]
        kept = {name: value for name, _, value in fields}
        if self.has_encoded:
            kept |= {name: "<size>" for name in LOGGED_SIZES if name in kept}
        return kept

    def sizes_taken_out(self, deltas: dict[str, int]) -> dict[str, int]:
        """The stats without those that a compressed body makes different."""
        return {n: d for n, d in deltas.items() if not (self.has_encoded and SIZES.search(n))}


def stat_deltas(
    before: dict[str, int], after: dict[str, int], more: list[str], ignored: list[str]
) -> dict[str, int]:
    """Deltas that are not 0 of the stats that are compared."""
    prefixes = STAT_PREFIXES + tuple(more)
    deltas = {name: value - before.get(name, 0) for name, value in after.items()}
    return {
        name: delta
        for name, delta in sorted(deltas.items())
        if delta
        and name.startswith(prefixes)
        and not STATS_IGNORED.search(name)
        and not any(re.search(pattern, name) for pattern in ignored)
    }


def differences(expected: Any, found: Any, path: str = "") -> list[str]:
    """Every place where the two differ, as `path: expected X, found Y`."""
    if isinstance(expected, dict) and isinstance(found, dict):
        lines = []
        for key in sorted({*expected, *found}, key=str):
            lines += differences(expected.get(key), found.get(key), f"{path}.{key}" if path else str(key))
        return lines
    if _are_headers(expected) and _are_headers(found):
        return _header_differences(expected, found, path)
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        lines = []
        for number, (one, other) in enumerate(zip(expected, found, strict=True)):
            lines += differences(one, other, f"{path}[{number}]")
        return lines
    return [] if expected == found else [f"{path}: expected {expected!r}, found {found!r}"]


def _are_headers(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, list) and len(v) == 2 for v in value)


def _header_differences(expected: list[Any], found: list[Any], path: str) -> list[str]:
    def grouped(headers: list[Any]) -> dict[str, list[str]]:
        groups: dict[str, list[str]] = {}
        for name, value in headers:
            groups.setdefault(name, []).append(value)
        return groups

    one, other = grouped(expected), grouped(found)
    return [
        f"{path}[{name}]: expected {one.get(name)!r}, found {other.get(name)!r}"
        for name in sorted({*one, *other})
        if one.get(name) != other.get(name)
    ]
